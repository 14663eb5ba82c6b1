//! Looks at one agent, folded in the order in which they ended.

use super::foretold::{Foretold, Input};
use super::input::INPUTS;
use super::outlook::Outlook;
use super::reading::Reading;
use crate::drill::history::Sample;
use crate::drill::measure::span::Span;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeMap;

/// What is known of one agent's log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tracker {
    first: Option<Reading>,
    last: Option<Reading>,
    values: BTreeMap<String, f64>,
    /// When a look last told that what had not been sent is gone.
    lost: Option<Moment>,
    /// What kept the last look from being used.
    pub trouble: String,
}

impl Tracker {
    /// Takes in one sample of the agent's `metrics_log` probe. A look that failed changes nothing but the trouble.
    pub fn see(&mut self, sample: &Sample) {
        if !sample.is_good() {
            self.trouble.clone_from(&sample.detail);
            return;
        }
        match Reading::of(sample.done, &sample.values) {
            Ok(reading) => {
                self.lost = self.lost.max(lost(self.last, reading));
                // Another process begins to count anew, and its log is another one.
                if self.first.is_none_or(|first| first.started != reading.started) {
                    self.first = Some(reading);
                }
                self.last = Some(reading);
                self.values.clone_from(&sample.values);
                self.trouble.clear();
            }
            Err(missing) => self.trouble = format!("{missing} could not be read"),
        }
    }

    /// What the looks so far come to; None before the first, or when the numbers overflow.
    pub fn outlook(&self) -> Option<Outlook> {
        Outlook::of(self.first?, self.last?)
    }

    /// The last look that could be used.
    pub fn last(&self) -> Option<Reading> {
        self.last
    }

    /// Time until the backlog of an outage dies that began at `began`, or begins at `now` when none has: the shortest of what
    /// is possible. None is left once it died, whatever the log does afterwards.
    pub fn left(&self, began: Option<Moment>, now: Moment) -> Option<Span> {
        if began.is_some_and(|began| self.lost >= Some(began)) {
            return Some(Span::ZERO);
        }
        let outlook = self.outlook()?;
        let gone = began.unwrap_or(now);
        let (earliest, _) = outlook.deadline(gone)?;
        Some(outlook.first_harm(gone, now, earliest.tick).left)
    }

    /// The forecast for an outage that begins at `gone`, with every input and its source.
    pub fn foretell(&self, cluster: &ClusterName, gone: Moment) -> Option<Foretold> {
        let inputs = INPUTS.iter().filter_map(|kind| Input::of(kind, &self.values));
        Foretold::of(cluster, &self.outlook()?, gone, inputs.collect())
    }
}

/// When what had not been sent was lost, if a look tells so: a truncation passed the segment that the reader holds, or the process
/// is another one, and a restart forgets it.
fn lost(before: Option<Reading>, now: Reading) -> Option<Moment> {
    if now.first > now.reader.next() {
        return Some(now.at);
    }
    let restarted = before.is_some_and(|before| before.started != now.started);
    restarted.then_some(now.started)
}
