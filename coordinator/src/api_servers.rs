//! What the clusters' API servers say of their nodes. All are asked side by side, each by one question at a time, and whoever
//! looks waits for a moment only: a question that takes longer goes on, and its answer is there for the next look. An API
//! server that did not answer is told as such, with its reason and with the age of what it said last.

use domain::status::API_SERVER_ANSWERS;
use model::fact::{Condition, ConditionStatus};
use model::ids::{ClusterName, NodeName};
use model::lab::Lab;
use model::moment::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a look waits for answers.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a question may take; who is slower is taken for silent.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// While a question is out, what was said so long ago still counts, milliseconds: a busy API server is no silent one.
const FRESH_MS: u64 = 5_000;

/// Kubernetes' own word on each node of a cluster.
pub type Readiness = Vec<(NodeName, bool)>;

/// What is known of every cluster's API server.
#[derive(Debug, Clone)]
pub struct ApiServers(BTreeMap<ClusterName, Arc<watch::Sender<Known>>>);

/// What one look found of one API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Whether it answers.
    pub condition: Condition,
    /// Its nodes; empty when nothing can be said of now.
    pub ready: Readiness,
}

/// What is known of one.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Since when a question is out.
    asked: Option<Moment>,
    /// When it answered last, and what.
    last: Option<(Moment, Readiness)>,
    /// Since when it answers every question.
    answers_since: Option<Moment>,
    /// Since when it answers none, and why the last one failed.
    silent: Option<(Moment, String)>,
}

impl ApiServers {
    /// Nothing is known and nobody was asked yet.
    pub fn new(lab: &Lab) -> Self {
        let names = lab.clusters.iter().map(|cluster| cluster.name.clone());
        Self(names.map(|name| (name, Arc::default())).collect())
    }

    /// Asks each cluster for which `ask` has a question, unless one is out, and tells what is known after at most
    /// [`PATIENCE`]. Nothing is told of the others.
    pub async fn look<F>(&self, ask: impl Fn(&ClusterName) -> Option<F>) -> BTreeMap<ClusterName, Told>
    where
        F: Future<Output = Result<Readiness, String>> + Send + 'static,
    {
        let asked: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, known)| ask(name).map(|question| (name, known, question)))
            .map(|(name, known, question)| {
                begin(known, question);
                (name, known)
            })
            .collect();
        let answers = asked.iter().map(|(_, known)| async {
            // Fails only without a sender, and this is one.
            let _ = known.subscribe().wait_for(|known| known.asked.is_none()).await;
        });
        // Whoever is late is told as late.
        let _ = tokio::time::timeout(PATIENCE, futures_util::future::join_all(answers)).await;
        let now = crate::clock::now();
        asked
            .into_iter()
            .map(|(name, known)| (name.clone(), known.borrow().told(now)))
            .collect()
    }
}

/// Puts the question, unless one is out.
fn begin(
    known: &Arc<watch::Sender<Known>>,
    question: impl Future<Output = Result<Readiness, String>> + Send + 'static,
) {
    let is_first = known.send_if_modified(|known| {
        let is_first = known.asked.is_none();
        known.asked.get_or_insert_with(crate::clock::now);
        is_first
    });
    if !is_first {
        return;
    }
    let known = Arc::clone(known);
    tokio::spawn(async move {
        let answer = tokio::time::timeout(ANSWER_LIMIT, question).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_LIMIT.as_secs())));
        known.send_modify(|known| known.take(answer, crate::clock::now()));
    });
}

impl Known {
    fn take(&mut self, answer: Result<Readiness, String>, now: Moment) {
        let asked = self.asked.take().unwrap_or(now);
        match answer {
            Ok(ready) => {
                self.last = Some((now, ready));
                self.silent = None;
                self.answers_since.get_or_insert(now);
            }
            Err(reason) => {
                let since = self.silent.take().map_or(asked, |(since, _)| since);
                self.silent = Some((since, reason));
                self.answers_since = None;
            }
        }
    }

    fn told(&self, now: Moment) -> Told {
        let age = self.last.as_ref().map(|(at, _)| now.millis_since(*at));
        let (since, trouble) = match (&self.silent, self.asked) {
            (Some((since, reason)), _) => (*since, Some(reason.clone())),
            (None, Some(asked)) => {
                let waited = now.millis_since(asked);
                (asked, Some(format!("no answer for {waited} ms")))
            }
            (None, None) => (self.answers_since.unwrap_or(now), None),
        };
        let counts = self.silent.is_none() && (trouble.is_none() || age.is_some_and(|age| age <= FRESH_MS));
        let ready = self
            .last
            .as_ref()
            .filter(|_| counts)
            .map(|(_, ready)| ready.clone());
        let last = age.map_or_else(
            || "it has not answered since this coordinator began".to_owned(),
            |age| format!("its last answer is {} s old", age / 1000),
        );
        let (status, reason, message) = match trouble {
            None => (
                ConditionStatus::True,
                "AnswersCome",
                "the API server answers".to_owned(),
            ),
            Some(trouble) => (ConditionStatus::Unknown, "NoAnswer", format!("{trouble}; {last}")),
        };
        Told {
            condition: Condition {
                kind: API_SERVER_ANSWERS.into(),
                status,
                reason: reason.into(),
                message,
                since,
            },
            ready: ready.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConditionStatus::{True, Unknown};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    fn ready(name: &str) -> Readiness {
        vec![(NodeName::new(name).expect("a name"), true)]
    }

    fn cluster(name: &str) -> ClusterName {
        ClusterName::new(name).expect("a name")
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_is_away_delays_nobody_and_is_not_taken_for_well() {
        let servers = ApiServers::new(&Lab::default());
        let began = Instant::now();
        let told = servers
            .look(|name| {
                let answer = match name.as_str() {
                    "mgmt" => Some(Ok(ready("mgmt-cp"))),
                    "app1" => None,
                    // It has no kubeconfig yet.
                    _ => return None,
                };
                Some(async move {
                    match answer {
                        Some(answer) => answer,
                        None => std::future::pending().await,
                    }
                })
            })
            .await;
        assert_eq!(began.elapsed(), PATIENCE);
        let found: Vec<_> = told
            .iter()
            .map(|(name, told)| (name.as_str(), told.condition.status, told.ready.len()))
            .collect();
        assert_eq!(found, [("app1", Unknown, 0), ("mgmt", True, 1)]);
        let message = &told[&cluster("app1")].condition.message;
        assert!(
            message.ends_with("has not answered since this coordinator began"),
            "{message}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_there_for_the_next_look_and_nobody_asks_twice() {
        let servers = ApiServers::new(&Lab::default());
        let (answer, question) = oneshot::channel();
        let question = std::sync::Mutex::new(Some(question));
        let ask = |name: &ClusterName| {
            let one = (name.as_str() == "mgmt").then(|| question.lock().expect("whole").take())?;
            // Whoever asked twice would hear this.
            Some(async move {
                match one {
                    Some(question) => question.await.map_err(|e| e.to_string()),
                    None => Err("asked twice".to_owned()),
                }
            })
        };
        let told = servers.look(ask).await;
        assert_eq!(told[&cluster("mgmt")].condition.status, Unknown);
        let began = Instant::now();
        let (told, ()) = tokio::join!(servers.look(ask), async {
            answer.send(ready("mgmt-cp")).expect("awaited");
        });
        let told = &told[&cluster("mgmt")];
        assert_eq!((told.condition.status, &told.ready), (True, &ready("mgmt-cp")));
        assert!(began.elapsed() < PATIENCE, "the answer ends the wait");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_ends_and_its_failure_is_told_at_once_until_an_answer_comes() {
        let servers = ApiServers::new(&Lab::default());
        let silent = |name: &ClusterName| (name.as_str() == "mgmt").then(std::future::pending);
        servers.look(silent).await;
        tokio::time::advance(ANSWER_LIMIT).await;
        let known = &servers.0[&cluster("mgmt")];
        let _ = known.subscribe().wait_for(|known| known.asked.is_none()).await;
        let message = servers.look(silent).await[&cluster("mgmt")]
            .condition
            .message
            .clone();
        assert!(message.starts_with("no answer within 5 s; "), "{message}");
    }

    #[test]
    fn what_was_said_counts_while_a_busy_server_is_waited_for_and_not_of_a_silent_one() {
        let second = |n: i64| Moment(n * 1_000_000);
        let mut known = Known::default();
        known.take(Ok(ready("mgmt-cp")), second(10));
        let told = known.told(second(100));
        assert_eq!(
            (told.condition.status, told.ready.len()),
            (True, 1),
            "no question is out"
        );

        known.asked = Some(second(12));
        let told = known.told(second(13));
        assert_eq!((told.condition.status, told.ready.len()), (Unknown, 1));
        assert_eq!(
            told.condition.message,
            "no answer for 1000 ms; its last answer is 3 s old"
        );
        let told = known.told(second(16));
        assert_eq!((told.condition.status, told.ready.len()), (Unknown, 0), "too old");

        known.take(Err("connection refused".into()), second(13));
        let told = known.told(second(14));
        assert_eq!((told.condition.status, told.ready.len()), (Unknown, 0));
        assert_eq!(
            (told.condition.since, told.condition.reason.as_str()),
            (second(12), "NoAnswer")
        );
        assert_eq!(
            told.condition.message,
            "connection refused; its last answer is 4 s old"
        );
        known.asked = Some(second(20));
        known.take(Err("no route".into()), second(21));
        assert_eq!(
            known.told(second(22)).condition.since,
            second(12),
            "still the same silence"
        );
        known.take(Ok(ready("mgmt-cp")), second(30));
        let told = known.told(second(30));
        assert_eq!((told.condition.status, told.condition.since), (True, second(30)));
    }
}
