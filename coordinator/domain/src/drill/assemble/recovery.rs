//! When what was hit was good again, from every vantage point.

use super::canary::Way;
use super::secret_canary::is_canary;
use super::watch::{Watch, Window};
use crate::drill::measure::interval::{Edge, Stretch};
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::recovered::Recovered;
use crate::drill::report::parts::{Bounds, Recovery, Relapse};
use crate::drill::scenario::{Expectation, Look, Via};
use model::ids::ClusterName;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What became of one subject.
struct Subject {
    came_back: Recovered,
    /// The first request that went unanswered.
    began: Option<Edge>,
    relapses: Vec<Relapse>,
    vantages: Vec<String>,
}

impl Subject {
    /// As one probe saw it; None when nothing was broken.
    fn of(watch: &Watch<'_>, window: &Window) -> Option<Self> {
        let (fault, course) = (window.fault?, watch.course(window)?);
        let first = watch.stretches.iter().find(|s| s.may_come_of(fault));
        let relapse = |stretch: &Stretch| Relapse {
            probe: watch.probe.name.clone(),
            outage: stretch.outage(),
        };
        Some(Self {
            came_back: course.came_back,
            began: first.map(|s| s.began),
            relapses: course.relapses.iter().map(relapse).collect(),
            vantages: vec![format!("{} ({})", watch.probe.vantage(), watch.probe.name)],
        })
    }

    /// Takes in what another probe saw.
    fn unite(&mut self, other: Self) {
        self.came_back = self.came_back.both(other.came_back);
        self.began = [self.began, other.began]
            .into_iter()
            .flatten()
            .reduce(Edge::either);
        self.relapses.extend(other.relapses);
        self.vantages.extend(other.vantages);
    }
}

/// All that was to come back, by name.
fn subjects(watches: &[Watch<'_>], window: &Window) -> BTreeMap<String, Subject> {
    let mut subjects: BTreeMap<String, Subject> = BTreeMap::new();
    for watch in watches
        .iter()
        // What the drill itself took away comes back by a rule of its own, and is judged with its contract.
        .filter(|w| w.probe.expect == Expectation::ComesBack && !is_canary(w.probe))
    {
        let Some(seen) = Subject::of(watch, window) else {
            continue;
        };
        match subjects.entry(subject(watch)) {
            Entry::Vacant(entry) => {
                entry.insert(seen);
            }
            Entry::Occupied(mut entry) => entry.get_mut().unite(seen),
        }
    }
    subjects
}

/// One entry per subject, counted from the fault, from its end, and from the first request that went unanswered: the call that
/// breaks something takes its time, and what users missed is bounded by requests alone.
pub(super) fn all(watches: &[Watch<'_>], window: &Window) -> Vec<Recovery> {
    let mut all = Vec::new();
    for (name, subject) in subjects(watches, window) {
        let clocks = [
            ("fault", window.fault),
            ("outage", subject.began),
            ("revert", window.undone),
        ];
        for (counted_from, since) in clocks {
            let Some(since) = since else { continue };
            all.push(Recovery {
                subject: name.clone(),
                counted_from: counted_from.to_owned(),
                outcome: subject.came_back.outcome(),
                service_good: subject.came_back.since(since),
                data_complete: None,
                relapses: subject.relapses.clone(),
                vantages: subject.vantages.clone(),
                clock_offset: Quantity::ZERO,
            });
        }
    }
    all
}

/// Sentences for the report's notes, one per probe: what did not stay good. It is bad news that no time of recovery has in it.
pub(super) fn notes(recoveries: &[Recovery]) -> Vec<String> {
    let from_fault = recoveries.iter().filter(|r| r.counted_from == "fault");
    from_fault
        .flat_map(|recovery| {
            let probes = recovery.relapses.chunk_by(|a, b| a.probe == b.probe);
            probes.filter_map(|relapses| note(&recovery.subject, relapses))
        })
        .collect()
}

/// What one probe saw. A service that is overwhelmed as it comes back has many short ones.
fn note(subject: &str, relapses: &[Relapse]) -> Option<String> {
    let first = relapses.first()?;
    let ended: Option<Vec<_>> = relapses.iter().map(|r| r.outage.ended.map(|e| e.by)).collect();
    let until = match ended.and_then(|all| all.into_iter().max()) {
        Some(last) => last.to_string(),
        None => "the end of probing".to_owned(),
    };
    let (count, bad) = match relapses.len() {
        1 => ("a relapse".to_owned(), "bad from"),
        many => (format!("{many} relapses"), "bad now and then from"),
    };
    Some(format!(
        "{subject} had {count}: {} saw it {bad} {} to {until}, after it had been good for long enough to count as back.",
        first.probe, first.outage.began.by
    ))
}

/// The longest recovery from the fault, over all that was seen down, also what never came back; None when nothing was. In a run
/// that was not `watched` to its end, how long that took stays open: it convicts nobody.
pub(super) fn longest(watches: &[Watch<'_>], window: &Window, watched: bool) -> Option<Bounds> {
    let fault = window.fault?;
    let of_one = |subject: Subject| match subject.came_back {
        Recovered::NotYet(_) if !watched => Some(Bounds::at_least(Quantity::ZERO)),
        came_back => came_back.took(fault),
    };
    let took = subjects(watches, window).into_values().filter_map(of_one);
    took.reduce(|a, b| Bounds {
        low: a.low.max(b.low),
        high: a.high.max(b.high),
    })
}

/// What comes back: the service that answers, the nodes, the mesh; slow probes must not widen the interval of fast ones.
fn subject(watch: &Watch<'_>) -> String {
    let cluster = &watch.probe.cluster;
    match watch.probe.look {
        Look::ApiReady {} => format!("{cluster} api"),
        Look::NodesReady {} => format!("{cluster} nodes"),
        Look::Mesh { .. } => format!("{cluster} mesh"),
        Look::Http {
            via: Via::Mesh { .. },
            ..
        } => format!("{cluster} over the mesh"),
        Look::Http { .. } => format!("{cluster} service"),
        Look::CanaryStored { .. } => canary_subject(cluster, Way::Metrics),
        Look::LogCanaryStored { .. } => canary_subject(cluster, Way::Logs),
        _ => format!("{cluster} {}", watch.probe.name),
    }
}

/// What the report calls the metrics or the logs of a cluster.
pub(super) fn canary_subject(cluster: &ClusterName, way: Way) -> String {
    format!("{cluster} {}", way.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::stamp::Stamp;
    use crate::drill::report::parts::{Between, Outage};

    fn relapse(began: i64, ended: Option<i64>) -> Relapse {
        let at = |seconds: i64| Between {
            after: Stamp::from_micros(seconds * 1_000_000),
            by: Stamp::from_micros(seconds * 1_000_000),
        };
        Relapse {
            probe: "web-host".into(),
            outage: Outage {
                began: at(began),
                ended: ended.map(at),
                length: Bounds::at_least(Quantity::ZERO),
            },
        }
    }

    #[test]
    fn the_relapses_that_one_probe_saw_are_one_sentence() {
        let told = |relapses: &[Relapse]| note("mgmt service", relapses).expect("told");
        let one = told(&[relapse(10, Some(12))]);
        assert!(
            one.starts_with("mgmt service had a relapse: web-host saw it bad from 1970-01-01T00:00:10"),
            "{one}"
        );
        let many = told(&[relapse(10, Some(14)), relapse(11, Some(13))]);
        assert!(
            many.starts_with(
                "mgmt service had 2 relapses: web-host saw it bad now and then from 1970-01-01T00:00:10"
            ) && many.contains("to 1970-01-01T00:00:14"),
            "{many}"
        );
        let open = told(&[relapse(10, Some(14)), relapse(15, None)]);
        assert!(open.contains("to the end of probing"), "{open}");
        assert_eq!(note("mgmt service", &[]), None);
    }
}
