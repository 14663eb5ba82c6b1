//! What else was seen that may explain a hole in a canary's books.

use super::backlog;
use super::canary::Books;
use super::watch::{Watch, Window};
use crate::drill::arrival::STORED_UNTIL;
use crate::drill::history::Sample;
use crate::drill::measure::loss_cause::Evidence;
use crate::drill::measure::quantity::{Quantity, whole};
use crate::drill::measure::span::Span;
use crate::drill::scenario::Look;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeSet;

/// Begin of the sender's process, seconds since 1970.
pub(crate) const BEGAN: &str = "process_start_time_seconds";
/// How much that may be off: the kernel's boot time has whole seconds.
const BEGAN_OFF: Span = Span::from_secs(1);
/// Samples that the sender threw away on a final answer.
pub(super) const FAILED: &str = "prometheus_remote_storage_samples_failed_total";

/// Requests that the receiver refused since a sample was older than it takes, without and with a window for late ones. One sample
/// counts, and the whole request is thrown away.
const TOO_OLD: [&str; 2] = [
    "prometheus_tsdb_out_of_bound_samples_total",
    "prometheus_tsdb_too_old_samples_total",
];

/// Lines that the log shipper gave up, by its own counters: what it could not send for good, and what its queue did not take.
const GAVE_UP: [&str; 2] = [
    "otelcol_exporter_send_failed_log_records",
    "otelcol_exporter_enqueue_failed_log_records",
];
/// How long before it goes away a log store may take a line that it will not have afterwards: the shipper's way there, a second
/// in which the store cannot find it yet, a second until it writes it, and the writing.
const FORGETS: Span = Span::from_secs(5);

/// What sender, receiver and the scrapes themselves tell of the metrics' way.
pub(super) fn of_metrics(book: &Books, watches: &[Watch<'_>], window: &Window) -> Evidence {
    let mut found = Evidence {
        deaths: deaths(&book.cluster, watches, window),
        not_scraped: book.not_scraped.clone(),
        ..Evidence::default()
    };
    let refusals = refusals(&book.cluster, watches);
    let senders = watches
        .iter()
        .filter(|w| w.probe.cluster == book.cluster && matches!(w.probe.look, Look::Metrics { .. }));
    for watch in senders {
        let samples: Vec<&Sample> = watch
            .that_matter(window)
            .filter(|s| !s.values.is_empty())
            .collect();
        found.sender_starts.extend(starts(&lives(watch, window)));
        for pair in samples.windows(2) {
            let [before, after] = pair else { continue };
            let thrown_away = whole(growth(before, after, FAILED)).unwrap_or(0);
            // Which request was refused for what is not told: when it was is.
            let meanwhile = |(since, until): &(Moment, Moment)| *since <= after.done && before.due <= *until;
            if refusals.iter().any(meanwhile) {
                found.out_of_bounds += thrown_away;
            } else {
                found.rejected += thrown_away;
            }
        }
    }
    found
}

/// Looks at which the segment after the one that the reader held at the look before was gone: a truncation had passed it, and not
/// only deleted something.
fn deaths(cluster: &ClusterName, watches: &[Watch<'_>], window: &Window) -> Vec<Moment> {
    let of_cluster =
        |w: &&Watch<'_>| w.probe.cluster == *cluster && matches!(w.probe.look, Look::MetricsLog { .. });
    let mut found = Vec::new();
    for watch in watches.iter().filter(of_cluster) {
        for pair in backlog::readings(watch).windows(2) {
            let [before, after] = pair else { continue };
            let passed = before.started == after.started && after.first > before.reader.next();
            if passed && window.matters(after.at) {
                found.push(after.at);
            }
        }
    }
    found
}

/// Times in which the receiver of the cluster's metrics refused samples as too old.
fn refusals(cluster: &ClusterName, watches: &[Watch<'_>]) -> Vec<(Moment, Moment)> {
    let receiver = watches.iter().find_map(|w| match &w.probe.look {
        Look::CanaryStored { receiver, .. } if w.probe.cluster == *cluster => Some(receiver),
        _ => None,
    });
    let counts = |look: &Look| match look {
        Look::Metrics { keep, .. } => keep.iter().any(|name| TOO_OLD.contains(&name.as_str())),
        _ => false,
    };
    let looks = watches
        .iter()
        .filter(|w| Some(&w.probe.cluster) == receiver && counts(&w.probe.look));
    let mut found = Vec::new();
    for watch in looks {
        let samples: Vec<&Sample> = watch.samples.iter().copied().filter(|s| s.is_good()).collect();
        for pair in samples.windows(2) {
            let [before, after] = pair else { continue };
            // A counter is not there before it counted anything.
            if TOO_OLD.iter().any(|name| growth(before, after, name) > 0.0) {
                let same = began(before) == began(after);
                let since = began(after).filter(|_| !same).unwrap_or(before.due);
                found.push((since, after.done));
            }
        }
    }
    found
}

/// By how much a counter grew between two looks; after a restart it began at 0. One with labels is not there before it counted
/// anything.
pub(super) fn growth(before: &Sample, after: &Sample, name: &str) -> f64 {
    let value = |s: &Sample| s.values.get(name).copied().unwrap_or(0.0);
    if began(before) == began(after) {
        (value(after) - value(before)).max(0.0)
    } else {
        value(after)
    }
}

/// When the process began that a look saw.
pub(super) fn began(sample: &Sample) -> Option<Moment> {
    let seconds = Quantity::from_float(*sample.values.get(BEGAN)?)?;
    Some(Moment(seconds.micros()))
}

/// What the shipper's own counters and the store's silence tell that may explain a hole.
pub(super) fn of_logs(cluster: &ClusterName, watches: &[Watch<'_>], window: &Window) -> Evidence {
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

/// Looks that tell when the sender's process began: the last one before the fault, and all that matter. A restart between the two
/// counts unless the process itself says that it was before the fault.
pub(crate) fn lives<'a>(watch: &Watch<'a>, window: &Window) -> Vec<&'a Sample> {
    let tells = |s: &&Sample| began(s).is_some();
    let found: Vec<&Sample> = watch.that_matter(window).filter(tells).collect();
    let (Some(fault), Some(first)) = (window.fault, found.first().copied()) else {
        return found;
    };
    let before = |s: &&Sample| tells(s) && s.done < fault.after;
    let before = watch.samples.iter().copied().rfind(before);
    let counts =
        |s: &&Sample| began(s) == began(first) || began(first) >= Some(BEGAN_OFF.before(fault.after));
    before.filter(counts).into_iter().chain(found).collect()
}

/// Starts of the process after the first look.
fn starts(samples: &[&Sample]) -> BTreeSet<Moment> {
    let began = |s: &&Sample| began(s);
    let first = samples.iter().find_map(began);
    samples
        .iter()
        .filter_map(began)
        .filter(|at| Some(*at) != first)
        .collect()
}
