//! What the canaries' books come to in the report: data complete, losses with their causes, figures.

use super::canary::{Books, Way};
use super::figures::figure;
use super::recovery::canary_subject;
use super::watch::{Watch, Window};
use crate::drill::arrival::STORED_UNTIL;
use crate::drill::history::Sample;
use crate::drill::measure::loss_cause::Evidence;
use crate::drill::measure::quantity::{Quantity, whole};
use crate::drill::measure::span::Span;
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

/// Lines that the log shipper gave up, by its own counters: what it could not send for good, and what its queue did not take.
const GAVE_UP: [&str; 2] = [
    "otelcol_exporter_send_failed_log_records",
    "otelcol_exporter_enqueue_failed_log_records",
];
/// How long before it goes away a log store may take a line that it will not have afterwards: the shipper's way there, a second
/// in which the store cannot find it yet, a second until it writes it, and the writing.
const FORGETS: Span = Span::from_secs(5);

/// Adds to each recovery of metrics or logs when the backlog was complete.
pub(super) fn complete(recoveries: &mut [Recovery], books: &[Books], window: &Window) {
    for book in books {
        let subject = canary_subject(&book.cluster, book.way);
        for recovery in recoveries.iter_mut().filter(|r| r.subject == subject) {
            let since = match recovery.counted_from.as_str() {
                "fault" => window.fault,
                "revert" => window.undone,
                // Neither has a request that went unanswered.
                _ => None,
            };
            recovery.data_complete = book
                .complete
                .zip(since)
                .and_then(|(edge, since)| edge.counted_from(since));
        }
    }
}

/// Every hole of every canary.
pub(super) fn losses(books: &[Books], watches: &[Watch<'_>], window: &Window) -> Vec<Loss> {
    books
        .iter()
        .flat_map(|book| {
            book.losses(&match book.way {
                Way::Metrics => evidence(&book.cluster, watches, window),
                Way::Logs => log_evidence(&book.cluster, watches, window),
            })
        })
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
        let (way, unit) = (book.way.word(), book.way.unit());
        let (served, lost) = match book.way {
            Way::Metrics => (
                "numbers that the canary served, over its shards, up to the newest that arrived",
                "numbers that the canary's log has and the receiver has not",
            ),
            Way::Logs => (
                "lines that the canary wrote, up to the newest that arrived",
                "lines that the canary's own log has and the log store has not",
            ),
        };
        let mut count = |what: &str, count, worse, method| {
            all.push(figure(
                format!("{way}.{cluster}.{what}"),
                unit,
                exact(count),
                worse,
                method,
            ));
        };
        count("served", book.served(), Worse::Neither, served);
        count("lost", book.lost(), Worse::Higher, lost);
        if book.way == Way::Logs {
            let method = "how often a line is in the log store once more: it was sent again because its answer was not seen";
            count("duplicated", book.duplicated(), Worse::Neither, method);
        }
        for (id, since) in [("rto", window.fault), ("recovery", window.undone)] {
            let complete = book.complete.zip(since);
            let Some(bounds) = complete.and_then(|(edge, since)| edge.counted_from(since)) else {
                continue;
            };
            let method = "until everything that was served before the receiver answered again had arrived";
            all.push(figure(
                format!("{id}.{cluster}_{way}.data_complete"),
                "seconds",
                bounds,
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

/// What the shipper's own counters and the store's silence tell that may explain a hole.
fn log_evidence(cluster: &ClusterName, watches: &[Watch<'_>], window: &Window) -> Evidence {
    let of_cluster = |w: &&Watch<'_>| w.probe.cluster == *cluster;
    let mut found = Evidence::default();
    for watch in watches.iter().filter(of_cluster) {
        match watch.probe.look {
            Look::Metrics { .. } => {
                let samples: Vec<&Sample> = watch.that_matter(window).collect();
                let sum = |s: &&Sample| {
                    let counts: Vec<f64> = GAVE_UP.iter().filter_map(|n| s.values.get(*n).copied()).collect();
                    (!counts.is_empty()).then(|| counts.iter().sum::<f64>())
                };
                let sums: Vec<f64> = samples.iter().filter_map(sum).collect();
                let grew: f64 = sums.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum();
                found.shipper_gave_up += whole(grew).unwrap_or(0);
            }
            Look::LogCanaryStored { .. } => found.receiver_forgot = last_taken(watch, window),
            _ => {}
        }
    }
    found
}

/// From when to when lines were taken by a store that went away right after; None when it never did.
fn last_taken(watch: &Watch<'_>, window: &Window) -> Option<(Moment, Moment)> {
    let asked = watch.that_matter(window).filter(|s| s.sent.is_some());
    let samples: Vec<&Sample> = asked.collect();
    let silent = samples
        .iter()
        .position(|s| !s.values.contains_key(STORED_UNTIL))?;
    let before = silent.checked_sub(1).and_then(|i| samples.get(i));
    let answered = before.map_or(samples[silent].due, |s| s.sent.unwrap_or(s.due));
    Some((FORGETS.before(answered), samples[silent].done))
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
