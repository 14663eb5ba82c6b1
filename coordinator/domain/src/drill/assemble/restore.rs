//! What a restore brought back, by sentinels: objects that were written one after another all the time, each with a number.
//!
//! Those that were written before the snapshot must be there at the end, and those that were written after it must not: only
//! both together show that the snapshot was restored, and up to when it reaches.

use super::canary::last_look;
use super::figures::figure;
use super::watch::{Watch, Window};
use crate::drill::history::History;
use crate::drill::measure::quantity::{Quantity, whole};
use crate::drill::measure::span::Span;
use crate::drill::plan::DrillPlan;
use crate::drill::report::model::{Measurement, Worse};
use crate::drill::report::parts::{Bounds, RecoveryPoint};
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::{FaultKind, Look};
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// Figure of a `sentinel` sample: the number that was written.
pub const WRITTEN: &str = "written";

/// What became of one cluster's sentinels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Restored {
    cluster: ClusterName,
    /// Whether a fault of the drill is undone by a restore, so that something must be gone.
    expected: bool,
    /// Written before the fault and there at the end.
    kept: u64,
    /// Written before the fault and after everything that is there, and gone.
    gone: u64,
    /// Gone although a later one is there: no point in time explains it.
    holes: u64,
    /// Between the point in time that was restored and the fault; None when nothing is gone, or nothing is there.
    lost: Option<Bounds>,
    /// Whether the end could be read.
    read: bool,
}

pub(super) fn all(
    plan: &DrillPlan,
    history: &History,
    watches: &[Watch<'_>],
    window: &Window,
) -> Vec<Restored> {
    let sentinels = watches
        .iter()
        .filter(|w| matches!(w.probe.look, Look::Sentinel { .. }));
    sentinels
        .filter_map(|watch| of_samples(history, watch, window, is_restored(plan, &watch.probe.cluster)))
        .collect()
}

fn of_samples(history: &History, watch: &Watch<'_>, window: &Window, expected: bool) -> Option<Restored> {
    let fault = window.fault?;
    // What was answered before the loss was surely written before it.
    let written: BTreeMap<u64, (Moment, Moment)> = watch
        .samples
        .iter()
        .filter(|sample| sample.is_good() && sample.done <= fault.after)
        .filter_map(|sample| Some((whole(*sample.values.get(WRITTEN)?)?, (sample.sent?, sample.done))))
        .collect();
    let end = history.samples(&last_look(&watch.probe.name));
    let end = end.last().filter(|sample| sample.is_good());
    let there: BTreeSet<u64> = end
        .iter()
        .flat_map(|sample| sample.values.keys())
        .filter_map(|key| key.parse().ok())
        .collect();
    let newest = written.keys().filter(|number| there.contains(number)).max();
    let missing = |number: &&u64| !there.contains(*number);
    let gone: Vec<&u64> = written
        .keys()
        .filter(missing)
        .filter(|number| newest.is_none_or(|newest| *number > newest))
        .collect();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let kept = written.len() - written.keys().filter(missing).count();
    let lost = newest
        .and_then(|newest| written.get(newest))
        .zip(gone.first().and_then(|first| written.get(first)))
        .map(|((sent, _), (_, done))| Bounds {
            low: Span::between(*done, fault.after).seconds(),
            high: Span::between(*sent, fault.by).seconds(),
        });
    Some(Restored {
        cluster: watch.probe.cluster.clone(),
        expected,
        kept: count(kept),
        gone: count(gone.len()),
        holes: count(written.len() - kept - gone.len()),
        lost,
        read: end.is_some(),
    })
}

fn is_restored(plan: &DrillPlan, cluster: &ClusterName) -> bool {
    let lost = plan.faults.iter().filter_map(|fault| match &fault.inject {
        FaultKind::EtcdDataLoss { targets, .. } => Some(targets),
        _ => None,
    });
    lost.flatten()
        .any(|target| target.cluster.as_ref() == Some(cluster))
}

impl Restored {
    /// How many were written before the fault.
    fn written(&self) -> u64 {
        self.kept + self.gone + self.holes
    }

    fn verdict(&self) -> Verdict {
        match (self.read, self.expected) {
            (false, _) => Verdict::Inconclusive,
            // What was never there cannot be missing.
            _ if self.written() == 0 => Verdict::Inconclusive,
            _ if self.holes > 0 || self.kept == 0 => Verdict::Fail,
            (_, true) if self.gone == 0 => Verdict::Inconclusive,
            (_, false) if self.gone > 0 => Verdict::Fail,
            _ => Verdict::Pass,
        }
    }

    fn text(&self) -> String {
        let Self {
            cluster,
            kept,
            gone,
            holes,
            ..
        } = self;
        let counts = format!(
            "sentinels of {cluster} from before the fault: {kept} there, {gone} of after the restored point gone, {holes} missing before it"
        );
        match (self.read, self.expected) {
            (false, _) => format!("The sentinels of {cluster} could not be read at the end."),
            _ if self.written() == 0 => {
                format!(
                    "No sentinel of {cluster} was written before the fault: nothing shows what was restored."
                )
            }
            (_, true) if self.gone == 0 && self.holes == 0 => {
                format!("The {counts}: nothing shows that a snapshot was restored.")
            }
            _ => format!("The {counts}."),
        }
    }
}

pub(super) fn verdict(all: &[Restored]) -> Verdict {
    Verdict::of_all(all.iter().map(Restored::verdict))
}

/// The longest time lost, over all clusters.
pub(super) fn longest(all: &[Restored]) -> Option<Bounds> {
    all.iter()
        .filter_map(|r| r.lost)
        .max_by_key(|lost| (lost.high, lost.low))
}

pub(super) fn points(all: &[Restored]) -> Vec<RecoveryPoint> {
    let point = |r: &Restored| {
        Some(RecoveryPoint {
            subject: format!("{} etcd", r.cluster),
            lost: r.lost?,
            sentinel: format!("{} there, the next {} gone", r.kept, r.gone),
        })
    };
    all.iter().filter_map(point).collect()
}

pub(super) fn figures(all: &[Restored]) -> Vec<Measurement> {
    let mut out = Vec::new();
    for r in all.iter().filter(|r| r.read) {
        let id = |what: &str| format!("restore.{}.{what}", r.cluster.as_str().replace('-', "_"));
        let exactly = |count: u64| Bounds {
            low: Quantity::whole(count),
            high: Quantity::whole(count),
        };
        if let Some(lost) = r.lost {
            let method = "from the point in time that was restored to the fault";
            out.push(figure(id("lost_time"), "seconds", lost, Worse::Higher, method));
        }
        for (what, number, worse, method) in [
            (
                "kept",
                r.kept,
                Worse::Neither,
                "sentinels of before the fault that are there",
            ),
            (
                "gone",
                r.gone,
                Worse::Neither,
                "sentinels of after the restored point",
            ),
            (
                "holes",
                r.holes,
                Worse::Higher,
                "sentinels that are missing before the restored point",
            ),
        ] {
            out.push(figure(id(what), "count", exactly(number), worse, method));
        }
    }
    out
}

pub(super) fn notes(all: &[Restored]) -> impl Iterator<Item = String> {
    all.iter().map(Restored::text)
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
