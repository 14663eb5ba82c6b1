//! What the canaries' books come to in the report: data complete, losses with their causes, figures.

use super::canary::Books;
use super::figures::figure;
use super::recovery::metrics_subject;
use super::watch::{Watch, Window};
use crate::drill::history::Sample;
use crate::drill::measure::loss_cause::Evidence;
use crate::drill::measure::quantity::Quantity;
use crate::drill::report::model::{Loss, Measurement, Worse};
use crate::drill::report::parts::{Bounds, Recovery};
use crate::drill::scenario::Look;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeSet;

/// Begin of the sender's process, seconds since 1970.
pub(crate) const BEGAN: &str = "process_start_time_seconds";
/// Ticks that cut the sender's log.
const TICKS: &str = "prometheus_tsdb_wal_truncations_total";
/// Samples that the sender threw away on a final answer.
const FAILED: &str = "prometheus_remote_storage_samples_failed_total";

/// Adds to each recovery of metrics when the backlog was complete.
pub(super) fn complete(recoveries: &mut [Recovery], books: &[Books], window: &Window) {
    for book in books {
        let subject = metrics_subject(&book.cluster);
        for recovery in recoveries.iter_mut().filter(|r| r.subject == subject) {
            let since = match recovery.counted_from.as_str() {
                "fault" => window.fault,
                "revert" => window.undone,
                // Metrics have no request that went unanswered.
                _ => None,
            };
            recovery.data_complete = book.complete.zip(since).map(|(edge, since)| edge.since(since));
        }
    }
}

/// Every hole of every canary.
pub(super) fn losses(books: &[Books], watches: &[Watch<'_>], window: &Window) -> Vec<Loss> {
    books
        .iter()
        .flat_map(|book| book.losses(&evidence(&book.cluster, watches, window)))
        .collect()
}

/// Figures of every canary whose numbers could be read at both ends.
pub(super) fn figures(books: &[Books], window: &Window) -> Vec<Measurement> {
    let mut all = Vec::new();
    for book in books.iter().filter(|book| !book.shards.is_empty()) {
        let cluster = book.cluster.as_str().replace('-', "_");
        let exact = |count| Bounds {
            low: Quantity::whole(count),
            high: Quantity::whole(count),
        };
        let (lost, served) = (exact(book.lost()), exact(book.served()));
        let method = "numbers that the canary served, over its shards, up to the newest that arrived";
        all.push(figure(
            format!("metrics.{cluster}.served"),
            "samples",
            served,
            Worse::Neither,
            method,
        ));
        let method = "numbers that the canary's log has and the receiver has not";
        all.push(figure(
            format!("metrics.{cluster}.lost"),
            "samples",
            lost,
            Worse::Higher,
            method,
        ));
        for (id, since) in [("rto", window.fault), ("recovery", window.undone)] {
            let Some((complete, since)) = book.complete.zip(since) else {
                continue;
            };
            let method = "until everything that was served before the receiver answered again had arrived";
            all.push(figure(
                format!("{id}.{cluster}_metrics.data_complete"),
                "seconds",
                complete.since(since),
                Worse::Higher,
                method,
            ));
        }
    }
    all
}

/// What the sender's own metrics tell that may explain a hole.
fn evidence(cluster: &ClusterName, watches: &[Watch<'_>], window: &Window) -> Evidence {
    let mut found = Evidence::default();
    let senders = watches
        .iter()
        .filter(|w| w.probe.cluster == *cluster && matches!(w.probe.look, Look::Metrics { .. }));
    for watch in senders {
        let samples: Vec<&Sample> = watch
            .that_matter(window)
            .filter(|s| !s.values.is_empty())
            .collect();
        found.sender_starts.extend(starts(&samples));
        for pair in samples.windows(2) {
            let [before, after] = pair else { continue };
            let grew = |name: &str| {
                let value = |s: &Sample| s.values.get(name).copied().unwrap_or(0.0);
                (value(after) - value(before)).max(0.0)
            };
            if grew(TICKS) > 0.0 {
                found.deaths.push(after.due);
            }
            found.rejected += format!("{:.0}", grew(FAILED)).parse::<u64>().unwrap_or(0);
        }
    }
    found
}

/// Starts of the process after the first look.
fn starts(samples: &[&Sample]) -> BTreeSet<Moment> {
    let began = |s: &&Sample| {
        let seconds = Quantity::from_float(*s.values.get(BEGAN)?)?;
        Some(Moment(seconds.micros()))
    };
    let first = samples.iter().find_map(began);
    samples
        .iter()
        .filter_map(began)
        .filter(|at| Some(*at) != first)
        .collect()
}
