//! One probe with all that it saw, and the time in which that counts.

use super::figures::FEWEST;
use super::share::Share;
use crate::drill::history::{History, Sample};
use crate::drill::measure::interval::{Edge, Seen, Stretch, stretches};
use crate::drill::measure::recovered::{Course, Held};
use crate::drill::measure::span::Span;
use crate::drill::plan::DrillPlan;
use crate::drill::record::Phase;
use crate::drill::report::parts::{Bounds, ProbeReport, Slice};
use crate::drill::scenario::{Expectation, Probe};
use model::moment::Moment;

/// Slices of the availability plot, at most.
const SLICES: i64 = 240;

/// Good answers that say what is usual.
const ENOUGH_TO_KNOW: usize = 10;

/// The time of a run that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When the first fault took hold; None when nothing was broken.
    pub fault: Option<Edge>,
    /// When the last fault was undone; None when one never was.
    pub undone: Option<Edge>,
    /// Begin of the first phase.
    pub from: Moment,
    /// End of the last one.
    pub to: Moment,
    /// When probing ended: what is due later was not waited for.
    pub watched_until: Moment,
}

impl Window {
    /// Of a history; `end` closes what is still open.
    pub fn of(history: &History, end: Moment) -> Self {
        let faults = history.faults();
        let edge = |(after, by): (Moment, Moment)| Edge { after, by };
        let all_undone = faults.iter().all(|f| f.ended.is_some());
        let phases = history.phases();
        let verdict = phases.iter().find(|p| p.name == Phase::Verdict);
        Self {
            fault: faults.iter().map(|f| edge(f.began)).reduce(Edge::either),
            undone: faults
                .iter()
                .filter_map(|f| f.ended)
                .map(edge)
                .reduce(Edge::both)
                .filter(|_| all_undone),
            from: phases.first().map_or(end, |p| p.from),
            to: end,
            watched_until: verdict.map_or(end, |p| p.from),
        }
    }

    /// Whether the moment is in the outage or in the recovery that follows it.
    pub fn matters(&self, at: Moment) -> bool {
        self.fault.is_some_and(|fault| at >= fault.after) && at <= self.watched_until
    }

    /// Whether the stretch may come of the fault, and was watched.
    pub fn concerns(&self, stretch: &Stretch) -> bool {
        self.fault.is_some_and(|fault| stretch.may_come_of(fault)) && stretch.began.by <= self.watched_until
    }

    /// Whether the stretch may come of the fault and began before the fault was gone.
    pub fn began_in_outage(&self, stretch: &Stretch) -> bool {
        self.concerns(stretch) && stretch.began.by <= self.outage_ended()
    }

    /// Whether the moment is surely within the outage.
    pub fn in_outage(&self, at: Moment) -> bool {
        self.fault.is_some_and(|fault| at >= fault.by) && at <= self.outage_ended()
    }

    /// The last moment that is surely within the outage.
    fn outage_ended(&self) -> Moment {
        self.undone.map_or(self.watched_until, |edge| edge.after)
    }

    /// From the fault to the end of probing; None when nothing was broken.
    fn since_fault(&self) -> Option<(Moment, Moment)> {
        self.fault.map(|fault| (fault.after, self.watched_until))
    }

    /// From the fault to its undoing; None where one of them is missing.
    fn broken(&self) -> Option<(Moment, Moment)> {
        let (fault, undone) = self.fault.zip(self.undone)?;
        Some((fault.after, undone.by.min(self.watched_until)))
    }

    /// Length of the outage, at most.
    pub fn outage(&self) -> Span {
        let end = self.undone.map_or(self.watched_until, |edge| edge.by);
        self.fault
            .map_or(Span::ZERO, |fault| Span::between(fault.after, end))
    }
}

/// One probe with its samples in the order in which they were due.
#[derive(Debug, Clone)]
pub struct Watch<'a> {
    /// The probe.
    pub probe: &'a Probe,
    /// What it saw.
    pub samples: Vec<&'a Sample>,
    /// Good answers in a row that count as recovered.
    pub consecutive: usize,
    /// The outages that it saw.
    pub stretches: Vec<Stretch>,
    /// That it saw a recovery hold.
    pub held: Option<Held>,
}

impl<'a> Watch<'a> {
    /// Every probe that was started.
    ///
    /// What came back is proven only by evidence from after the undo: a good answer that was sent after it and rests on
    /// older evidence is left out of the outages, being neither good nor bad.
    pub fn all(plan: &'a DrillPlan, history: &'a History, window: &Window) -> Vec<Self> {
        let undone = window.undone.map(|edge| edge.after);
        let known = |sample: &&&Sample| {
            let after = undone.filter(|undone| sample.sent.is_some_and(|sent| sent >= *undone));
            after.is_none_or(|undone| sample.speaks_of(undone))
        };
        let one = |probe: &'a Probe| {
            let samples = history.samples(&probe.name);
            let seen: Vec<Seen> = match probe.expect {
                Expectation::ComesBack => samples.iter().filter(known).filter_map(|s| seen(s)).collect(),
                Expectation::StaysGood | Expectation::Observes => {
                    samples.iter().filter_map(|s| seen(s)).collect()
                }
            };
            let consecutive = usize::try_from(plan.scenario.consecutive_good(probe)).unwrap_or(usize::MAX);
            Watch {
                probe,
                consecutive,
                stretches: stretches(&seen, consecutive, usual(&samples, window)),
                held: undone.and_then(|undone| Held::of(&seen, consecutive, undone)),
                samples,
            }
        };
        plan.active_probes().map(one).collect()
    }

    /// What became of what it looks at; None when nothing was broken.
    pub fn course(&self, window: &Window) -> Option<Course> {
        window
            .fault
            .map(|fault| Course::of(&self.stretches, fault, self.held))
    }

    /// Samples that ended after the fault could have taken hold, and were due while somebody watched: a request that was
    /// under way when the fault came counts.
    pub fn that_matter(&self, window: &Window) -> impl Iterator<Item = &'a Sample> {
        let window = *window;
        self.samples.iter().copied().filter(move |s| {
            window.fault.is_some_and(|fault| s.done >= fault.after) && s.due <= window.watched_until
        })
    }

    /// The share of time with good answers since the fault.
    pub(crate) fn share(&self, window: &Window) -> Share {
        window
            .since_fault()
            .map_or_else(Share::default, |time| Share::of(&self.samples, time))
    }

    /// What the objective of availability is held against: the share since the fault or that of the outage alone, whichever is lower.
    /// How long a recovery is watched has reasons of its own, and must not make little of what went wrong before. None where too few
    /// requests were due.
    pub(crate) fn judged_share(&self, window: &Window) -> Option<Bounds> {
        let of = |time| {
            let share = Share::of(&self.samples, time);
            share.bounds().filter(|_| share.due >= FEWEST)
        };
        let since_fault = of(window.since_fault()?)?;
        let in_outage = window.broken().and_then(of);
        Some(in_outage.map_or(since_fault, |share| since_fault.lower(share)))
    }

    /// Its part of the report.
    pub(super) fn report(&self, window: &Window) -> ProbeReport {
        let count = |fits: &dyn Fn(&&&Sample) -> bool| {
            u64::try_from(self.samples.iter().filter(fits).count()).unwrap_or(0)
        };
        let period = Span::from_millis(self.probe.period_ms);
        let due = self.samples.first().zip(self.samples.last());
        let whole = due.map_or_else(Share::default, |(first, last)| {
            Share::of(&self.samples, (first.due, period.after(last.due)))
        });
        let half = i64::try_from(self.probe.period_ms * 500).unwrap_or(i64::MAX);
        ProbeReport {
            id: self.probe.name.clone(),
            target: format!("{} of {}", self.probe.look.word(), self.probe.cluster),
            look: self.probe.look.word().to_owned(),
            vantage: self.probe.vantage(),
            contracts: self.probe.contract.iter().map(ToString::to_string).collect(),
            period: period.seconds(),
            timeout: Span::from_millis(self.probe.timeout_ms).seconds(),
            due: whole.due,
            good: whole.good,
            sent_late: count(&|s| s.lateness_micros().is_some_and(|late| late > half)),
            availability: whole.bounds().map(|bounds| bounds.low),
            outages: self.stretches.iter().map(Stretch::outage).collect(),
            slices: self.slices(window),
        }
    }

    fn slices(&self, window: &Window) -> Vec<Slice> {
        let period = i64::try_from(self.probe.period_ms * 1000).unwrap_or(i64::MAX);
        let width = ((window.to.0 - window.from.0) / SLICES).max(period).max(1);
        let mut slices: Vec<Slice> = Vec::new();
        for sample in &self.samples {
            let number = (sample.due.0 - window.from.0).div_euclid(width);
            let at = Moment(window.from.0 + number * width).into();
            if slices.last().is_none_or(|s| s.at != at) {
                slices.push(Slice { at, due: 0, good: 0 });
            }
            if let Some(slice) = slices.last_mut() {
                slice.due += 1;
                slice.good += u64::from(sample.is_good());
            }
        }
        slices
    }
}

/// How long a good answer took at most before anything was broken; None where too few say so.
fn usual(samples: &[&Sample], window: &Window) -> Option<Span> {
    let fault = window.fault?;
    let times: Vec<Span> = samples
        .iter()
        .filter(|s| s.is_good() && s.done <= fault.after)
        .filter_map(|s| Some(Span::between(s.sent?, s.done)))
        .collect();
    times
        .iter()
        .max()
        .copied()
        .filter(|_| times.len() >= ENOUGH_TO_KNOW)
}

/// What did not leave the prober is neither good nor bad: it widens the intervals around it.
fn seen(sample: &Sample) -> Option<Seen> {
    Some(Seen {
        sent: sample.sent?,
        done: sample.done,
        good: sample.is_good(),
    })
}
