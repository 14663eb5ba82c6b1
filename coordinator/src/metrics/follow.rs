//! What the log tells: counted from the durable records themselves, off the writer's way.

use super::instruments::{Metrics, one, two};
use crate::journal::{Entry, JournalReader};
use domain::drill::report::verdict::Verdict;
use domain::record::Record;
use model::ids::{Attempt, Revision, StepId};
use model::moment::Moment;
use prometheus_client::metrics::counter::Counter;
use std::collections::HashMap;

/// Entries read at once.
const BATCH: usize = 512;

/// Attempts whose begin is remembered at most; a lab has a few hundred steps.
const OPEN_ATTEMPTS: usize = 4096;

/// Counts what becomes durable from now on, until the log ends.
pub async fn follow(mut log: JournalReader, metrics: Metrics) {
    let mut reader = Reader::new(metrics);
    let mut cursor = log.head();
    while log.wait_beyond(cursor).await {
        let (source, after) = (log.clone(), cursor);
        match tokio::task::spawn_blocking(move || source.read(after, BATCH)).await {
            Ok(Ok(entries)) => {
                for (revision, entry) in entries {
                    reader.take(&entry);
                    cursor = revision;
                }
            }
            // Retention went past: what is gone cannot be counted.
            Ok(Err(crate::journal::JournalError::Compacted { oldest })) => {
                cursor = Revision(oldest.0.saturating_sub(1));
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "metrics do not follow the log any more");
                return;
            }
            Err(_) => return,
        }
    }
}

/// Pairs begins with ends.
pub(super) struct Reader {
    metrics: Metrics,
    /// Counters of events by class, each looked up by its labels once.
    events: HashMap<&'static str, Counter>,
    begun: HashMap<(StepId, Attempt), Moment>,
}

impl Reader {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            events: HashMap::new(),
            begun: HashMap::new(),
        }
    }

    pub(super) fn take(&mut self, entry: &Entry) {
        let record = entry.record();
        self.count(record.as_ref().map_or("log", |record| record.class().name()));
        let Ok(record) = record else { return };
        let all = &self.metrics.0;
        let outcome = match &*record {
            Record::StepIntended { step, attempt, .. } => {
                if self.begun.len() >= OPEN_ATTEMPTS {
                    self.begun.clear();
                }
                self.begun.insert((*step, *attempt), entry.time);
                return;
            }
            Record::StepSucceeded { .. } => "succeeded",
            Record::StepFailed { .. } => "failed",
            Record::StepUnknown { .. } => "unknown",
            Record::StepCancelled { .. } => "cancelled",
            Record::Gap { .. } => {
                all.gaps.inc();
                return;
            }
            Record::Audit { outcome, .. } => {
                if outcome != "allowed" {
                    all.denied.inc();
                }
                return;
            }
            Record::DrillProgress { what, message, .. } if what == "finished" => {
                if let Some(verdict) = verdict(message) {
                    all.verdicts.get_or_create(&one("verdict", verdict)).inc();
                }
                return;
            }
            _ => return,
        };
        if let Some(begun) = record.step().and_then(|key| self.begun.remove(&key)) {
            let stamp = entry.stamp();
            let name = stamp.step_name.as_deref().unwrap_or_default();
            let millis = u32::try_from(entry.time.millis_since(begun)).unwrap_or(u32::MAX);
            let labels = two("kind", kind(name), "outcome", outcome);
            all.steps
                .get_or_create(&labels)
                .observe(f64::from(millis) / 1000.0);
        }
    }

    fn count(&mut self, class: &'static str) {
        let family = &self.metrics.0.events;
        let counter = self.events.entry(class);
        counter
            .or_insert_with(|| family.get_or_create_owned(&one("class", class)))
            .inc();
    }
}

/// The kind of step in a step's name, `mgmt-cp kubeadm_init/certs` is a `kubeadm_init`.
fn kind(name: &str) -> &str {
    let label = name.split_once(' ').map_or(name, |(_, label)| label);
    let kind = label.split(['/', ' ']).next().unwrap_or_default();
    let is_word = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_word { kind } else { "other" }
}

/// The verdict that a drill's last message tells.
fn verdict(message: &str) -> Option<&'static str> {
    let said = message.strip_prefix("verdict ")?.split(';').next()?;
    [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Inconclusive,
        Verdict::NotCovered,
    ]
    .into_iter()
    .map(Verdict::as_str)
    .find(|word| *word == said)
}
