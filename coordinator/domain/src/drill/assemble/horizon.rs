//! How long each dependency may be away until somebody is harmed: what was computed from before the outage, what this run saw, and
//! what neither says.

use super::secrets::{self, AGE, INTERVAL};
use super::watch::{Watch, Window};
use crate::drill::contracts::{AUTHORITY_ENDS, LISTENER_ENDS};
use crate::drill::history::Sample;
use crate::drill::measure::horizon::{Dependency, Sight, table};
use crate::drill::measure::interval::Edge;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::staleness;
use crate::drill::report::parts::{Bounds, Horizon};
use crate::drill::report::wal::WalReport;
use crate::drill::scenario::{Expectation, Look};
use model::moment::Moment;
use std::collections::BTreeSet;

/// `status.refreshTime` has whole seconds, rounded down.
const ROUNDING: Span = Span::from_secs(1);

/// The whole table, the shortest first; empty when nothing was broken.
pub(super) fn all(watches: &[Watch<'_>], window: &Window, wal: &[WalReport]) -> Vec<Horizon> {
    let Some(fault) = window.fault else {
        return Vec::new();
    };
    let stays = watches
        .iter()
        .filter(|w| w.probe.expect == Expectation::StaysGood);
    let mut rows: Vec<Dependency> = stays.map(|watch| seen(watch, fault, window)).collect();
    rows.extend(wal.iter().map(metrics));
    let mut uncomputed = BTreeSet::new();
    for watch in watches {
        match &watch.probe.look {
            Look::SecretAge {} => {
                let names = secrets::names(watch);
                rows.extend(names.into_iter().map(|name| secret(watch, name, fault)));
            }
            Look::Pki {
                authority, listener, ..
            } => {
                rows.push(certificate(watch, listener, LISTENER_ENDS, fault));
                rows.push(certificate(watch, authority, AUTHORITY_ENDS, fault));
            }
            Look::MetricsLog { .. } if wal.iter().all(|w| w.cluster != watch.probe.cluster.as_str()) => {
                uncomputed.insert((&watch.probe.cluster, METRICS));
            }
            Look::LogCanaryStored { .. } => {
                uncomputed.insert((&watch.probe.cluster, LOGS));
            }
            Look::NodesReady {} => {
                uncomputed.insert((&watch.probe.cluster, LEASES));
            }
            _ => {}
        }
    }
    rows.extend(
        uncomputed
            .into_iter()
            .map(|(cluster, (what, harm, why))| Dependency {
                name: format!("{cluster} {what}"),
                harm: harm.into(),
                sight: Sight::NotComputed,
                source: why.into(),
            }),
    );
    table(rows, Span::from_micros(window.outage().micros()))
}

/// What is named with its harm though no figure of it can be had: name, first harm, why there is none.
type Uncomputed = (&'static str, &'static str, &'static str);

const METRICS: Uncomputed = (
    "metrics",
    "the whole backlog is skipped",
    "no forecast: the agent's log could not be read before the outage",
);
const LOGS: Uncomputed = (
    "logs",
    "a file is turned over before it was read, and its lines are lost",
    "neither how fast logs grow nor when the kubelet turns them over is recorded",
);
const LEASES: Uncomputed = (
    "node leases",
    "nodes are taken for lost, and their pods for gone",
    "neither the controller manager's grace period nor the pods' tolerations are recorded",
);

/// What happens first when what stays good does not.
fn harm(look: &Look) -> &'static str {
    match look {
        Look::Http { .. } | Look::ApiReady {} => "requests fail",
        Look::NodesReady {} => "a node is not ready",
        Look::Mesh { .. } => "a Cilium agent has lost a peer",
        Look::Metrics { .. } | Look::MetricsLog { .. } => "the metrics cannot be read",
        Look::Query { .. } => "the query is not answered",
        Look::CanaryStored { .. } => "no new samples are stored",
        Look::CanaryServed { .. } => "the canary's log cannot be read",
        Look::LogCanaryStored { .. } => "no new lines are stored",
        Look::NoPods { .. } => "a pod is where none may be",
        Look::PodRefused { .. } => "a privileged pod is not refused by the policy",
        Look::Pki { .. } => "the first authority does not issue",
        Look::Sentinel { .. } => "nothing can be written",
        Look::PhantomPods {} => "a pod runs that the API does not know",
        Look::SecretAge {} => "a Secret is gone, or the API does not show it",
        Look::SecretCanary { .. } => "a Secret lacks its latest value",
    }
}

/// As far as this run shows.
fn seen(watch: &Watch<'_>, fault: Edge, window: &Window) -> Dependency {
    let first = watch.stretches.iter().find(|s| window.began_in_outage(s));
    let looked = watch
        .samples
        .iter()
        .any(|s| s.sent.is_some() && window.in_outage(s.due));
    let (sight, source) = match first {
        Some(stretch) => (
            Sight::Harm(stretch.began.since(fault)),
            "first bad answer in the outage".into(),
        ),
        None if looked => (
            Sight::NoneInSight,
            format!("no bad answer in an outage of {}", window.outage()),
        ),
        None => (Sight::NotComputed, "it was not asked in the outage".into()),
    };
    Dependency {
        name: watch.probe.name.clone(),
        harm: harm(&watch.probe.look).into(),
        sight,
        source,
    }
}

/// How long an agent's backlog survives, as it was foretold.
fn metrics(report: &WalReport) -> Dependency {
    let promise = &report.promise;
    Dependency {
        name: format!("{} metrics", report.cluster),
        harm: METRICS.1.into(),
        sight: Sight::Harm(Bounds {
            low: promise.shortest(promise.guaranteed),
            high: promise.shortest(promise.best),
        }),
        source: format!(
            "computed from the agent's log before the outage, governed by {}",
            promise.governed_by
        ),
    }
}

/// Until the next refresh of a Secret is due: then it may be stale. The Secret itself stays.
fn secret(watch: &Watch<'_>, name: &str, fault: Edge) -> Dependency {
    let value = |s: &Sample, what: &str| secrets::span(*s.values.get(&format!("{name}.{what}"))?);
    let refreshed = watch
        .samples
        .iter()
        .filter_map(|s| Some(value(s, AGE)?.before(s.done)))
        .filter(|at| *at <= fault.by)
        .max();
    let interval = watch.samples.iter().find_map(|s| value(s, INTERVAL));
    let (sight, source) = match (refreshed, interval) {
        (Some(at), Some(interval)) => match staleness::due(at, interval) {
            Some(due) => {
                let due = Edge {
                    after: due,
                    by: ROUNDING.after(due),
                };
                let source = format!("its last refresh before the outage, and its interval of {interval}");
                (Sight::Harm(due.since(fault)), source)
            }
            None => (Sight::NoneInSight, "it is refreshed once only".into()),
        },
        _ => (
            Sight::NotComputed,
            "no look told when it was refreshed last, or how often it is".into(),
        ),
    };
    Dependency {
        name: format!("{} secret {name}", watch.probe.cluster),
        harm: "a refresh fails: the value may be stale, the Secret stays".into(),
        sight,
        source,
    }
}

/// Until a certificate ends that nobody renews while its issuer is away.
fn certificate(watch: &Watch<'_>, name: &str, figure: &str, fault: Edge) -> Dependency {
    let before = watch.samples.iter().rev().filter(|s| s.done <= fault.by);
    let ends = before.filter_map(|s| s.values.get(figure)).next();
    let ends = ends.and_then(|ends| Quantity::from_float(*ends));
    let at = |ends: Quantity| {
        let at = Moment(ends.micros());
        Edge { after: at, by: at }
    };
    let (sight, source) = match ends {
        Some(ends) => (
            Sight::Harm(at(ends).since(fault)),
            "its end, as it says itself, at the last look before the outage",
        ),
        None => (Sight::NotComputed, "no look before the outage told when it ends"),
    };
    Dependency {
        name: format!("{} certificate {name}", watch.probe.cluster),
        harm: "it ends unrenewed, and who checks it connects no more".into(),
        sight,
        source: source.into(),
    }
}

#[cfg(test)]
#[path = "horizon_tests.rs"]
mod tests;
