//! The sequence canary at its two ends: what it served, by its own log, and what the receiver has, by its query API.

use super::Seen;
use super::store::Store;
use crate::drill::kube;
use crate::drill::timeline::Timeline;
use crate::host_steps::kube::Cluster;
use domain::drill::arrival::STORED_UNTIL;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How much further back than the last look a look into the log goes: whole seconds are asked for, and lines are late.
const OVERLAP: Duration = Duration::from_secs(5);

/// What the receiver has of one cluster's canary.
#[derive(Debug)]
pub struct StoredWatch {
    /// The receiver.
    pub(super) store: Store,
    /// `SERIES{cluster="CLUSTER"}`
    pub(super) selector: String,
    /// `up{cluster="CLUSTER"}`: every scrape of that cluster's sender, of all its targets.
    pub(super) scrapes: String,
    /// How old the newest number may be.
    pub(super) fresh: Duration,
    /// As many shards as the canary is known to serve, or the most that were ever seen.
    pub(super) shards: AtomicUsize,
}

impl StoredWatch {
    /// Looks at the newest number of every shard. Good when all are young enough.
    pub(super) async fn look(&self, timeline: Timeline) -> Seen {
        let query = super::prepare::percent(&format!("timestamp({})", self.selector));
        let answer = self
            .store
            .outside
            .get(&format!("/api/v1/query?query={query}"))
            .await;
        let result = match answer.and_then(|text| result(&text)) {
            Ok(result) => result,
            Err(why) => return Seen::bad(why),
        };
        let times: Vec<f64> = result.iter().filter_map(|s| number(&s["value"][1])).collect();
        let most = self
            .shards
            .fetch_max(times.len(), Ordering::Relaxed)
            .max(times.len());
        let until = stored_until(&times, most);
        judge(timeline.unix_seconds() - until, self.fresh).with(STORED_UNTIL, until)
    }

    /// Every number that the receiver has of the last `range`, as figures `SHARD/NUMBER`.
    pub async fn numbers(&self, range: Duration) -> Seen {
        let query = format!("{}[{}s]", self.selector, range.as_secs().max(1));
        match self.ranged(&query).await {
            Ok(series) => numbers(&series),
            Err(why) => Seen::bad(why),
        }
    }

    /// Every scrape of the canary that the receiver has of the last `range`, as figures MILLISECONDS since 1970 = `up`.
    pub async fn scraped(&self, range: Duration) -> Seen {
        let secs = range.as_secs().max(1);
        // Of the sender's targets the canary is the one that the canary's own series name.
        let whose = format!(
            "count by (job, instance) (last_over_time({}[{secs}s]))",
            self.selector
        );
        let asked = async {
            let targets = self.ranged(&whose).await?;
            let scrapes = self.ranged(&format!("{}[{secs}s]", self.scrapes)).await?;
            Ok::<_, String>(scraped(&targets, &scrapes))
        };
        asked.await.unwrap_or_else(Seen::bad)
    }

    async fn ranged(&self, query: &str) -> Result<Vec<Value>, String> {
        let query = super::prepare::percent(query);
        let answer = self.store.all(&format!("/api/v1/query?query={query}")).await;
        answer.and_then(|text| result(&text))
    }
}

/// Up to when all of so many shards have arrived. A query looks five minutes back: a shard that is further behind, or that never came,
/// is not in its answer.
fn stored_until(times: &[f64], shards: usize) -> f64 {
    if shards > 0 && times.len() == shards {
        times.iter().copied().fold(f64::INFINITY, f64::min)
    } else {
        0.0
    }
}

fn judge(age: f64, fresh: Duration) -> Seen {
    if age <= fresh.as_secs_f64() {
        Seen::good()
    } else if age < 3600.0 {
        Seen::bad(format!("the newest number is {age:.1} s old"))
    } else {
        Seen::bad("a shard has no number of the last five minutes")
    }
}

/// Of an answer to a query that succeeded.
fn result(text: &str) -> Result<Vec<Value>, String> {
    let answer: Option<Value> = serde_json::from_str(text).ok();
    let answer = answer.filter(|answer| answer["status"] == "success");
    let series = answer.and_then(|answer| answer["data"]["result"].as_array().cloned());
    series.ok_or_else(|| "the query did not succeed".to_owned())
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Of a range query's answer.
fn numbers(series: &[Value]) -> Seen {
    let mut seen = Seen::good();
    for one in series {
        let shard = one["metric"]["shard"].as_str().unwrap_or_default();
        for point in one["values"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if let Some(found) = number(&point[1]) {
                // A number that is there twice counts twice.
                *seen.values.entry(format!("{shard}/{found:.0}")).or_insert(0.0) += 1.0;
            }
        }
    }
    seen
}

/// Of a range query's answer, the scrapes of these targets.
fn scraped(targets: &[Value], scrapes: &[Value]) -> Seen {
    let is_target = |one: &Value| {
        let same = |label: &str, target: &Value| target["metric"][label] == one["metric"][label];
        targets
            .iter()
            .any(|target| same("job", target) && same("instance", target))
    };
    let mut seen = Seen::good();
    for one in scrapes.iter().filter(|one| is_target(one)) {
        for point in one["values"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if let (Some(seconds), Some(up)) = (point[0].as_f64(), number(&point[1])) {
                seen.values.insert(format!("{:.0}", seconds * 1000.0), up);
            }
        }
    }
    seen
}

/// What one cluster's canary served.
#[derive(Debug)]
pub struct ServedWatch {
    /// Its cluster.
    cluster: Cluster,
    /// Namespace and label selector of its pods.
    pods: (String, String),
    /// Its container.
    container: String,
    /// How far back the first look goes.
    first: Duration,
    /// When the log was last read, and the highest number then.
    last: Mutex<Option<(Instant, u64)>>,
}

impl ServedWatch {
    /// Nothing is read yet; the first look goes a few seconds back.
    pub fn new(cluster: Cluster, pods: (String, String), container: String) -> Self {
        Self {
            cluster,
            pods,
            container,
            first: OVERLAP,
            last: Mutex::new(None),
        }
    }

    /// The first look goes back this far.
    #[must_use]
    pub fn going_back(self, by: Duration) -> Self {
        Self { first: by, ..self }
    }

    /// Reads what came since the last look, as figures NUMBER = microseconds since 1970.
    pub async fn look(&self) -> Seen {
        let asked = Instant::now();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = last.map_or(self.first, |(at, _)| at.elapsed() + OVERLAP);
        let (namespace, selector) = &self.pods;
        let pods = match self.cluster.running_pods(namespace, selector).await {
            Ok(pods) if pods.is_empty() => return Seen::bad(format!("no pod with {selector} runs")),
            Ok(pods) => pods,
            Err(error) => return Seen::bad(crate::exit::chain(&error)),
        };
        let newest = last.map_or(0, |(_, number)| number);
        let mut highest = newest;
        let mut seen = Seen::good();
        for pod in &pods {
            let path = format!(
                "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={}&sinceSeconds={}",
                self.container,
                since.as_secs()
            );
            let text = match kube::text(&self.cluster, &path).await {
                Ok(text) => text,
                // A pod that ends has no log any more; another one may.
                Err(error) => {
                    seen.detail = error;
                    continue;
                }
            };
            for (number, micros) in text.lines().filter_map(line).filter(|(n, _)| *n > newest) {
                highest = highest.max(number);
                seen.values.insert(number.to_string(), micros);
            }
        }
        if seen.values.is_empty() && !seen.detail.is_empty() {
            return Seen::bad(seen.detail);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, highest));
        seen
    }
}

/// `NUMBER SECONDS.MICROSECONDS`, the latter as microseconds.
pub(super) fn line(text: &str) -> Option<(u64, f64)> {
    let (number, time) = text.trim().split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    (micros.len() == 6).then_some(())?;
    Some((number.parse().ok()?, format!("{seconds}{micros}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_read_to_the_microsecond() {
        assert_eq!(
            line("1795595539242 1795595602.667873"),
            Some((1_795_595_539_242, 1_795_595_602_667_873.0))
        );
        for torn in [
            "1795595539242",
            "1795595539242 17955956",
            "5 5.66",
            "x 1.000000",
            "",
        ] {
            assert_eq!(line(torn), None, "{torn}");
        }
    }

    #[test]
    fn every_number_of_every_shard_is_kept() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"shard":"0"},"values":[[1795595602.1,"1795595539242"],[1795595603.1,"1795595539243"]]},
            {"metric":{"shard":"1"},"values":[[1795595602.1,"1795595539242"]]}]}}"#;
        let seen = numbers(&result(text).expect("a result"));
        let keys: Vec<&str> = seen.values.keys().map(String::as_str).collect();
        assert_eq!(keys, ["0/1795595539242", "0/1795595539243", "1/1795595539242"]);
        assert!(result(r#"{"status":"error"}"#).is_err());
    }

    #[test]
    fn scrapes_are_those_of_the_canary_and_of_no_other_target() {
        let answer = |result: &str| {
            let text = format!(r#"{{"status":"success","data":{{"result":[{result}]}}}}"#);
            result_of(&text)
        };
        let targets = answer(r#"{"metric":{"job":"canary","instance":"a:1"},"value":[1795595603,"4"]}"#);
        let scrapes = answer(
            r#"{"metric":{"__name__":"up","job":"canary","instance":"a:1"},"values":[[1795595602.125,"1"],[1795595603.125,"0"]]},
            {"metric":{"__name__":"up","job":"agent","instance":"a:2"},"values":[[1795595602.5,"0"]]}"#,
        );
        let seen = scraped(&targets, &scrapes);
        let found: Vec<(&str, f64)> = seen.values.iter().map(|(at, up)| (at.as_str(), *up)).collect();
        assert_eq!(found, [("1795595602125", 1.0), ("1795595603125", 0.0)]);
        assert!(scraped(&[], &scrapes).values.is_empty());
    }

    fn result_of(text: &str) -> Vec<Value> {
        result(text).expect("a result")
    }

    #[test]
    fn a_shard_that_is_not_there_has_nothing() {
        assert_eq!(stored_until(&[8.0, 7.0, 9.0], 3), 7.0);
        assert_eq!(stored_until(&[8.0, 7.0, 9.0], 4), 0.0);
        assert_eq!(stored_until(&[], 0), 0.0);
    }

    #[test]
    fn an_old_number_is_not_good() {
        let fresh = Duration::from_secs(10);
        assert!(judge(9.9, fresh).good && judge(-0.1, fresh).good);
        assert!(!judge(10.1, fresh).good);
        assert!(judge(1e9, fresh).detail.contains("five minutes"));
    }
}
