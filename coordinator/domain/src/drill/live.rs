//! What the probes say at this moment: enough to go from one phase to the next, not enough to judge.

use super::arrival::Arrival;
use super::backlog::Tracker;
use super::history::{Answer, Sample};
use super::plan::DrillPlan;
use super::scenario::Look;
use model::moment::Moment;
use std::collections::BTreeMap;

/// The latest of every probe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    /// By probe.
    pub probes: BTreeMap<String, ProbeLive>,
    /// Logs of metrics agents, by the probe that watches each.
    pub backlogs: BTreeMap<String, Tracker>,
    /// What receivers of metrics have, by the probe that watches each.
    pub arrivals: BTreeMap<String, Arrival>,
    /// When the first fault took hold, at the earliest.
    pub began: Option<Moment>,
    /// When the last fault was undone, at the earliest: good answers of before prove no recovery.
    pub undone: Option<Moment>,
    /// Since when only later answers count, by probe: something changed that they must show.
    pub renewed: BTreeMap<String, Moment>,
}

/// The latest of one probe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeLive {
    /// Good answers in a row, in the order in which requests were due, up to the first that is still under way: so are they
    /// judged, and a request that is answered late may yet be bad.
    pub good_in_row: u32,
    /// Since when no answer was good; None while the last one was. What did not leave the prober changes nothing.
    pub bad_since: Option<Moment>,
    /// Good answers of all.
    pub good: u64,
    /// All.
    pub all: u64,
    /// What was wrong last.
    pub detail: String,
    /// Latest figures.
    pub values: BTreeMap<String, f64>,
    /// Number of the next request in the order in which they are due.
    next: u64,
    /// Samples that ended before an earlier request did, by number.
    early: BTreeMap<u64, Sample>,
}

impl Live {
    /// A fault took hold, not before `after`.
    pub fn began(&mut self, after: Moment) {
        if self.began.is_none() {
            self.began = Some(after);
            self.arrivals.values_mut().for_each(Arrival::forget);
        }
    }

    /// A fault was undone, not before `after`: from here on only what speaks of the time since then counts as good in a row.
    pub fn undone(&mut self, after: Moment) {
        self.undone = self.undone.max(Some(after));
        for live in self.probes.values_mut() {
            live.good_in_row = 0;
        }
    }

    /// What `probe` must show changed, not after `by`: from here on only what speaks of the time since then counts as good in a
    /// row.
    pub fn renew(&mut self, probe: &str, by: Moment) {
        self.renewed.insert(probe.to_owned(), by);
        if let Some(live) = self.probes.get_mut(probe) {
            live.good_in_row = 0;
        }
    }

    /// Watches the logs and the receivers that the plan's probes look at.
    pub fn watching(plan: &DrillPlan) -> Self {
        let mut live = Self::default();
        for probe in plan.active_probes() {
            let name = probe.name.clone();
            match probe.look {
                Look::MetricsLog { .. } => {
                    live.backlogs.insert(name, Tracker::default());
                }
                Look::CanaryStored { .. } | Look::LogCanaryStored { .. } => {
                    let consecutive = plan.scenario.consecutive_good(probe);
                    let consecutive = usize::try_from(consecutive).unwrap_or(usize::MAX);
                    live.arrivals.insert(name, Arrival::new(consecutive));
                }
                _ => {}
            }
        }
        live
    }

    /// Whether numbers that were served before a receiver came back may still be under way.
    pub fn is_owed(&self) -> bool {
        self.arrivals.values().any(Arrival::is_owed)
    }

    /// Takes in one sample, in the order in which they end.
    pub fn observe(&mut self, sample: &Sample) {
        let since = self.undone.max(self.renewed.get(&sample.probe).copied());
        let live = self.probes.entry(sample.probe.clone()).or_default();
        live.all += 1;
        match sample.answer {
            Answer::Good => {
                live.good += 1;
                live.bad_since = None;
            }
            Answer::Bad => {
                live.bad_since.get_or_insert(sample.sent.unwrap_or(sample.due));
                live.detail.clone_from(&sample.detail);
            }
            // The prober's own trouble says nothing of what it asks.
            Answer::NotSent => live.detail.clone_from(&sample.detail),
        }
        let arrival = self.arrivals.get_mut(&sample.probe);
        live.settle(sample, since, arrival);
        if let Some(tracker) = self.backlogs.get_mut(&sample.probe) {
            tracker.see(sample);
        }
        for (name, value) in &sample.values {
            live.values.insert(name.clone(), *value);
        }
    }
}

impl ProbeLive {
    /// Takes in one sample, and counts what no earlier request can change any more. Of `since` on only what speaks of the time
    /// after it proves anything.
    fn settle(&mut self, sample: &Sample, since: Option<Moment>, mut arrival: Option<&mut Arrival>) {
        if sample.number > self.next {
            self.early.insert(sample.number, sample.clone());
            return;
        }
        self.count(sample, since, arrival.as_deref_mut());
        while let Some(sample) = self.early.remove(&self.next) {
            self.count(&sample, since, arrival.as_deref_mut());
        }
    }

    fn count(&mut self, sample: &Sample, since: Option<Moment>, arrival: Option<&mut Arrival>) {
        self.next = sample.number + 1;
        if let Some(arrival) = arrival {
            arrival.see(sample);
        }
        if !sample.is_good() {
            self.good_in_row = 0;
        } else if since.is_none_or(|since| sample.speaks_of(since)) {
            self.good_in_row = self.good_in_row.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::AS_OF;

    #[test]
    fn what_was_stored_before_the_undo_proves_no_recovery() {
        let mut numbers = 0..;
        let mut sample = |sent: i64, as_of: Option<f64>| Sample {
            probe: "nodes".into(),
            number: numbers.next().unwrap_or_default(),
            due: Moment(sent),
            sent: Some(Moment(sent)),
            done: Moment(sent + 10),
            answer: Answer::Good,
            detail: String::new(),
            values: as_of.map(|at| (AS_OF.to_owned(), at)).into_iter().collect(),
        };
        let mut live = Live::default();
        let mut row = |sample: Option<Sample>, undone: Option<Moment>| {
            undone.into_iter().for_each(|at| live.undone(at));
            sample.iter().for_each(|s| live.observe(s));
            live.probes["nodes"].good_in_row
        };
        assert_eq!(row(Some(sample(1_000_000, Some(1.0))), None), 1);
        assert_eq!(row(None, Some(Moment(5_000_000))), 0);
        // Sent before the undo, and read after it from what was stored before.
        assert_eq!(row(Some(sample(4_000_000, None)), None), 0);
        assert_eq!(row(Some(sample(6_000_000, Some(4.5))), None), 0);
        assert_eq!(row(Some(sample(7_000_000, Some(5.0))), None), 1);
        assert_eq!(row(Some(sample(8_000_000, None)), None), 2);
        live.renew("nodes", Moment(9_000_000));
        for (sent, in_row) in [(8_900_000, 0), (9_000_000, 1)] {
            live.observe(&sample(sent, None));
            assert_eq!(live.probes["nodes"].good_in_row, in_row);
        }
    }

    #[test]
    fn what_was_not_sent_begins_no_outage_and_ends_none() {
        let sample = |number: u64, answer| Sample {
            probe: "api".into(),
            number,
            due: Moment(i64::try_from(number).expect("small")),
            sent: (answer != Answer::NotSent).then_some(Moment(i64::try_from(number).expect("small"))),
            done: Moment(1_000),
            answer,
            detail: String::new(),
            values: BTreeMap::new(),
        };
        let mut live = Live::default();
        let mut since = |number, answer| {
            live.observe(&sample(number, answer));
            live.probes["api"].bad_since
        };
        assert_eq!(since(0, Answer::NotSent), None);
        assert_eq!(since(1, Answer::Good), None);
        assert_eq!(since(2, Answer::NotSent), None);
        assert_eq!(since(3, Answer::Bad), Some(Moment(3)));
        assert_eq!(since(4, Answer::NotSent), Some(Moment(3)));
        assert_eq!(since(5, Answer::Good), None);
    }

    #[test]
    fn a_request_that_is_answered_late_is_waited_for() {
        let sample = |number: u64, answer| Sample {
            probe: "api".into(),
            number,
            due: Moment(i64::try_from(number).expect("small") * 10),
            sent: Some(Moment(i64::try_from(number).expect("small") * 10)),
            done: Moment(1_000),
            answer,
            detail: String::new(),
            values: BTreeMap::new(),
        };
        let mut live = Live::default();
        let mut row = |number, answer| {
            live.observe(&sample(number, answer));
            live.probes["api"].good_in_row
        };
        assert_eq!(row(0, Answer::Good), 1);
        // The second is under way: what came after it may not stand.
        assert_eq!([2, 3, 4].map(|number| row(number, Answer::Good)), [1, 1, 1]);
        assert_eq!(row(1, Answer::Bad), 3);
        assert_eq!(row(5, Answer::Good), 4);
        // A request that never left the prober is no evidence either.
        assert_eq!(row(6, Answer::NotSent), 0);
    }
}
