//! The write-ahead log of a metrics agent: what its deadline is computed from, read off the running agent.
//!
//! The configuration of agent and receiver is read once, on the intact lab; metrics and files at every look, free disk every 30 s.

use super::Seen;
use super::settings::{self, Settings};
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use domain::drill::backlog::names;
use domain::drill::measure::exposition::Exposition;
use domain::drill::measure::quantity::Quantity;
use domain::drill::measure::wal::listing::Listing;
use futures_util::future::join_all;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Files whose length is asked for at the same time.
const AT_ONCE: usize = 8;

/// How old a free disk may be: the kubelet adds up the disk use of every pod for an answer, out of figures that are ten seconds old
/// themselves.
const FREE_FOR: Duration = Duration::from_secs(30);

/// Where the log is.
#[derive(Debug, Clone)]
pub struct LogPlace {
    /// Namespace of the agent's pod.
    pub namespace: String,
    /// Its selector.
    pub selector: String,
    /// The agent's port.
    pub port: u16,
    /// The file server's port.
    pub files_port: u16,
    /// Folder below the file server's root, without slashes around it.
    pub folder: String,
}

/// Watches one agent's log.
#[derive(Debug)]
pub struct LogWatch {
    cluster: Cluster,
    place: LogPlace,
    settings: Settings,
    files: Mutex<Files>,
    /// Bytes free on the agent's node, and when that was asked.
    free: Mutex<Option<(Instant, f64)>>,
}

/// Files that are closed do not change, so each is asked for once.
#[derive(Debug, Default)]
struct Files {
    /// Begin of the process whose files these are.
    started: Moment,
    closed: BTreeMap<u64, (u64, Moment)>,
    /// Newest segment of the first look and its bytes then.
    origin: Option<(u64, u64)>,
    /// Bytes of closed segments, from that one on, that were truncated since.
    truncated: u64,
}

impl Files {
    /// Forgets files that are not listed any more. What was written into them stays written.
    fn keep(&mut self, listed: &[u64]) {
        let origin = self.origin.map(|(segment, _)| segment);
        let gone = self.closed.extract_if(.., |segment, _| !listed.contains(segment));
        let counts = gone.filter(|(segment, _)| origin.is_some_and(|origin| *segment >= origin));
        self.truncated = counts.map(|(_, f)| f.0).fold(self.truncated, u64::saturating_add);
    }

    /// Bytes written since the first look, which the first call is part of; `newest` is the segment being written, with its bytes.
    fn written(&mut self, newest: (u64, u64)) -> u64 {
        let origin = *self.origin.get_or_insert(newest);
        let closed = self.closed.range(origin.0..).map(|(_, f)| f.0);
        let all = closed.fold(self.truncated.saturating_add(newest.1), u64::saturating_add);
        all.saturating_sub(origin.1)
    }
}

impl LogWatch {
    /// Reads the configuration of both ends; `proxy` is the way to the receiver's API below its cluster's root.
    pub async fn open(
        (name, cluster): (&ClusterName, Cluster),
        place: LogPlace,
        (receiver, proxy): (&Cluster, &str),
    ) -> Result<Self, String> {
        let pod = pod(&cluster, &place).await?;
        let flags = kube::text(&cluster, &place.agent(&pod, "/api/v1/status/flags")).await?;
        let mut settings = settings::of_agent(&flags)?;
        let config = kube::text(receiver, &format!("{proxy}/api/v1/status/config")).await?;
        let others = super::prepare::percent(&settings::others(name));
        let others = kube::text(receiver, &format!("{proxy}/api/v1/query?query={others}")).await?;
        settings.extend(settings::of_receiver(&config, &others)?);
        Ok(Self {
            cluster,
            place,
            settings,
            files: Mutex::default(),
            free: Mutex::default(),
        })
    }

    /// Looks once. Good when everything that the deadline needs was there.
    pub async fn look(&self) -> Seen {
        match self.read().await {
            Ok(values) => Seen {
                good: true,
                detail: String::new(),
                values,
            },
            Err(why) => Seen::bad(why),
        }
    }

    async fn read(&self) -> Result<BTreeMap<String, f64>, String> {
        let pod = pod(&self.cluster, &self.place).await?;
        let page = kube::text(&self.cluster, &self.place.agent(&pod, "/metrics")).await?;
        let page = Exposition::parse(&page);
        let mut values = self.settings.clone();
        let started = metrics(&page, &mut values)?;
        let mut files = self.files.lock().await;
        if files.started != started {
            *files = Files {
                started,
                ..Files::default()
            };
        }
        let listing = self.listing(&pod, &mut files).await?;
        drop(files);
        values.extend(listing);
        let mut free = self.free.lock().await;
        if free.is_none_or(|(asked, _)| asked.elapsed() >= FREE_FOR) {
            *free = self.ask_free(&pod).await.map(|bytes| (Instant::now(), bytes));
        }
        if let Some((_, bytes)) = *free {
            values.insert(names::FREE.into(), bytes);
        }
        Ok(values)
    }

    /// What the files say.
    async fn listing(&self, pod: &str, files: &mut Files) -> Result<BTreeMap<String, f64>, String> {
        let html = kube::text(&self.cluster, &self.place.file(pod, "")).await?;
        let mut segments: Vec<u64> = links(&html).filter_map(segment).collect();
        segments.sort_unstable();
        let newest = *segments.last().ok_or("the log's folder has no segment file")?;
        files.keep(&segments);
        let unknown: Vec<u64> = segments
            .iter()
            .copied()
            .filter(|s| !files.closed.contains_key(s))
            .collect();
        let mut open = (0, Moment(0));
        for some in unknown.chunks(AT_ONCE) {
            let asked = some.iter().map(|s| self.file(pod, *s));
            for (segment, file) in some.iter().zip(join_all(asked).await) {
                match file? {
                    // It went between the listing and the question.
                    None if *segment != newest => {}
                    None => return Err(format!("segment {segment} vanished")),
                    Some(file) if *segment == newest => open = file,
                    Some(file) => {
                        files.closed.insert(*segment, file);
                    }
                }
            }
        }
        let born = |segment: u64| Some(files.closed.get(&segment.checked_sub(1)?)?.1);
        let names: Vec<String> = segments.iter().map(|s| format!("{s:08}")).collect();
        let sizes = segments
            .iter()
            .map(|s| files.closed.get(s).map_or(open.0, |f| f.0));
        let entries = names
            .iter()
            .zip(sizes)
            .zip(&segments)
            .map(|((name, bytes), s)| (name.as_str(), bytes, born(*s)));
        let listing = Listing::new(entries).map_err(|e| e.to_string())?;
        let facts = Facts {
            started: files.started,
            segment_bytes: self.settings.get(names::SEGMENT).copied().unwrap_or(0.0),
            written: files.written((newest, open.0)),
        };
        Ok(facts.values(&listing))
    }

    /// Length and last write of a segment; None when it is not there.
    async fn file(&self, pod: &str, segment: u64) -> Result<Option<(u64, Moment)>, String> {
        let path = self.place.file(pod, &format!("{segment:08}"));
        let Some(headers) = kube::head(&self.cluster, &path).await? else {
            return Ok(None);
        };
        let text = |name: http::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let bytes = text(http::header::CONTENT_LENGTH).and_then(|t| t.parse().ok());
        let written = text(http::header::LAST_MODIFIED).and_then(settings::http_date);
        let both = bytes.zip(written);
        both.map(Some)
            .ok_or_else(|| format!("segment {segment}: the file server tells no length or time"))
    }

    /// Bytes free on the agent's node; None when the kubelet does not say.
    async fn ask_free(&self, pod: &str) -> Option<f64> {
        let pod = kube::one(&self.cluster, "Pod", &self.place.namespace, pod)
            .await
            .ok()??;
        let node = pod.data["spec"]["nodeName"].as_str()?;
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=false");
        let stats: serde_json::Value =
            serde_json::from_str(&kube::text(&self.cluster, &path).await.ok()?).ok()?;
        stats["node"]["fs"]["availableBytes"].as_f64()
    }
}

/// What the listing comes to, with what else it needs.
struct Facts {
    started: Moment,
    segment_bytes: f64,
    written: u64,
}

impl Facts {
    fn values(&self, listing: &Listing) -> BTreeMap<String, f64> {
        let seconds = |moment: Moment| settings::seconds(Quantity::from_micros(moment.0));
        let segment_bytes = format!("{:.0}", self.segment_bytes).parse().unwrap_or(u64::MAX);
        let mut values = BTreeMap::from([
            (names::FIRST.to_owned(), float(listing.first().0)),
            (names::CURRENT.to_owned(), float(listing.current().0)),
            (names::FILLED.to_owned(), float(listing.filled())),
            (names::BYTES.to_owned(), float(listing.bytes())),
            (names::WRITTEN.to_owned(), float(self.written)),
        ]);
        let begun = listing.born(listing.current());
        let begun = begun.unwrap_or(self.started).max(self.started);
        values.insert(names::BEGUN.into(), seconds(begun));
        // A process begins a new segment too, and that is no truncation; its begin is known to a second.
        let tick = listing.last_tick(segment_bytes);
        if let Some(tick) = tick.filter(|at| *at > self.started.plus_millis(2000)) {
            values.insert(names::LAST_TICK.into(), seconds(tick));
        }
        values
    }
}

impl LogPlace {
    fn agent(&self, pod: &str, path: &str) -> String {
        let Self { namespace, port, .. } = self;
        format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}")
    }

    fn file(&self, pod: &str, name: &str) -> String {
        let Self {
            namespace,
            files_port,
            folder,
            ..
        } = self;
        format!("/api/v1/namespaces/{namespace}/pods/{pod}:{files_port}/proxy/{folder}/{name}")
    }
}

/// The one running pod of the agent.
async fn pod(cluster: &Cluster, place: &LogPlace) -> Result<String, String> {
    let pods = cluster.running_pods(&place.namespace, &place.selector).await;
    let pods = pods.map_err(|e| crate::exit::chain(&e))?;
    match pods.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("no pod with {} runs", place.selector)),
        several => Err(format!("{} pods have {}", several.len(), place.selector)),
    }
}

/// What the metrics page says of the writer and of its one queue; the begin of the process.
fn metrics(page: &Exposition, values: &mut BTreeMap<String, f64>) -> Result<Moment, String> {
    let queues = page.label_values("prometheus_remote_storage_shards", "remote_name");
    let [queue] = queues.as_slice() else {
        return Err(format!("{} remote-write queues; one is understood", queues.len()));
    };
    let name = [("remote_name", *queue)];
    let consumer = [("consumer", *queue)];
    let mut count = |name: &str, metric: &str, labels: &[(&str, &str)]| {
        let count = page.count(metric, labels);
        let count = count.ok_or_else(|| format!("the agent's metrics have no {metric}"))?;
        values.insert(name.to_owned(), float(count));
        Ok::<_, String>(())
    };
    count(names::SHARDS, "prometheus_remote_storage_shards", &name)?;
    count(names::CAPACITY, "prometheus_remote_storage_shard_capacity", &name)?;
    count(
        names::PER_SEND,
        "prometheus_remote_storage_max_samples_per_send",
        &name,
    )?;
    count(names::SERIES, "prometheus_agent_active_series", &[])?;
    count(names::APPENDED, "prometheus_agent_samples_appended_total", &[])?;
    count(names::WRITER, "prometheus_tsdb_wal_segment_current", &[])?;
    count(names::READER, "prometheus_wal_watcher_current_segment", &consumer)?;
    let started = "process_start_time_seconds";
    let began = page.quantity(started, &[]);
    let began = began.ok_or_else(|| format!("the agent's metrics have no {started}"))?;
    values.insert(names::STARTED.into(), settings::seconds(began));
    let seconds = |metric: &str| page.quantity(metric, &[]).map(settings::seconds);
    let took = seconds("prometheus_agent_truncate_duration_seconds_sum");
    let often = page.count("prometheus_agent_truncate_duration_seconds_count", &[]);
    let mean = took.zip(often).map(|(took, often)| took / float(often.max(1)));
    values.insert(names::TRUNCATION.into(), mean.unwrap_or(0.0));
    Ok(Moment(began.micros()))
}

/// Names that a file server's page links to.
fn links(html: &str) -> impl Iterator<Item = &str> {
    html.split("</a>")
        .filter_map(|part| Some(part.rsplit_once('>')?.1.trim()))
}

/// The number that a segment file is named by.
fn segment(name: &str) -> Option<u64> {
    let digits = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// A count as a sample holds it, exact below 2^53.
fn float(count: u64) -> f64 {
    std::time::Duration::from_secs(count).as_secs_f64()
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
