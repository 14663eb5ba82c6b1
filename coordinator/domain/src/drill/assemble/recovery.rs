//! When what was hit was good again, from every vantage point.

use super::canary::Way;
use super::secret_canary::is_canary;
use super::watch::{Watch, Window};
use crate::drill::measure::interval::{Edge, Recovered, recovered};
use crate::drill::measure::quantity::Quantity;
use crate::drill::report::parts::{Bounds, Outcome, Recovery};
use crate::drill::scenario::{Expectation, Look, Via};
use model::ids::ClusterName;
use std::collections::BTreeMap;

/// One entry per subject, counted from the fault, from its end, and from the first request that went unanswered: the call that
/// breaks something takes its time, and what users missed is bounded by requests alone.
pub(super) fn all(watches: &[Watch<'_>], window: &Window) -> Vec<Recovery> {
    let (Some(fault), undone) = (window.fault, window.undone) else {
        return Vec::new();
    };
    let mut subjects: BTreeMap<String, (Recovered, Option<Edge>, Vec<String>)> = BTreeMap::new();
    for watch in watches
        .iter()
        // What the drill itself took away comes back by a rule of its own, and is judged with its contract.
        .filter(|w| w.probe.expect == Expectation::ComesBack && !is_canary(w.probe))
    {
        let came_back = recovered(&watch.stretches, fault);
        let first = watch.stretches.iter().find(|s| s.may_come_of(fault));
        let began = first.map(|s| s.began);
        let vantage = format!("{} ({})", watch.probe.vantage(), watch.probe.name);
        subjects
            .entry(subject(watch))
            .and_modify(|(together, first, vantages)| {
                *together = together.both(came_back);
                *first = [*first, began].into_iter().flatten().reduce(Edge::either);
                vantages.push(vantage.clone());
            })
            .or_insert_with(|| (came_back, began, vec![vantage]));
    }
    let mut all = Vec::new();
    for (subject, (came_back, began, vantages)) in subjects {
        for (counted_from, since) in [("fault", Some(fault)), ("outage", began), ("revert", undone)] {
            let Some(since) = since else { continue };
            all.push(Recovery {
                subject: subject.clone(),
                counted_from: counted_from.to_owned(),
                outcome: came_back.outcome(),
                service_good: came_back.since(since),
                data_complete: None,
                vantages: vantages.clone(),
                clock_offset: Quantity::ZERO,
            });
        }
    }
    all
}

/// The longest recovery from the fault, over all subjects that were seen down; None when one never came back or none was.
pub(super) fn longest(recoveries: &[Recovery]) -> Option<Bounds> {
    let from_fault = recoveries
        .iter()
        .filter(|r| r.counted_from == "fault" && r.outcome != Outcome::NeverSeenDown);
    from_fault.map(|r| r.service_good).reduce(|a, b| {
        let (a, b) = (a?, b?);
        Some(Bounds {
            low: a.low.max(b.low),
            high: a.high.max(b.high),
        })
    })?
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
