//! What the probes say at this moment: enough to go from one phase to the next, not enough to judge.

use super::history::{Answer, Sample};
use model::moment::Moment;
use std::collections::BTreeMap;

/// The latest of every probe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    /// By probe.
    pub probes: BTreeMap<String, ProbeLive>,
}

/// The latest of one probe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeLive {
    /// Good answers in a row, up to now.
    pub good_in_row: u32,
    /// Since when no answer was good; None while the last one was.
    pub bad_since: Option<Moment>,
    /// Good answers of all.
    pub good: u64,
    /// All.
    pub all: u64,
    /// What was wrong last.
    pub detail: String,
    /// Latest figures.
    pub values: BTreeMap<String, f64>,
}

impl Live {
    /// Takes in one sample, in the order in which they end.
    pub fn observe(&mut self, sample: &Sample) {
        let live = self.probes.entry(sample.probe.clone()).or_default();
        live.all += 1;
        if sample.answer == Answer::Good {
            live.good += 1;
            live.good_in_row = live.good_in_row.saturating_add(1);
            live.bad_since = None;
        } else {
            live.good_in_row = 0;
            live.bad_since.get_or_insert(sample.sent.unwrap_or(sample.due));
            live.detail.clone_from(&sample.detail);
        }
        for (name, value) in &sample.values {
            live.values.insert(name.clone(), *value);
        }
    }
}
