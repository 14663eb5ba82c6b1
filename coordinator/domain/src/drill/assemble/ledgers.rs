//! The canaries' books as the report shows them, and the two ways of the same numbers against each other.
//!
//! A canary writes each number into its log before it answers the scrape, so whatever one way lacks and the other has was there
//! to be sent: the loss is on that one way, and not at the canary.

use super::canary::Books;
use crate::drill::measure::ledger::{Hole, Ledger};
use crate::drill::measure::span::Span;
use crate::drill::report::ledger::{CrossCheck, LedgerRow};
use std::collections::BTreeSet;

/// One row per series and log whose numbers could be read at both ends.
pub(super) fn rows(books: &[Books]) -> Vec<LedgerRow> {
    let of_one = |book: &'_ Books| -> Vec<LedgerRow> {
        let row = |(shard, ledger): (&String, &Ledger)| LedgerRow {
            series: book.series(shard),
            way: book.way.word().to_owned(),
            served: ledger.emitted,
            arrived: ledger.arrived,
            lost: ledger.lost(),
            holes: count(ledger.holes.len()),
            longest_hole: ledger.holes.iter().map(span).max().map(Span::seconds),
            duplicates: ledger.duplicates,
            unbooked: count(ledger.strangers.len()),
            under_way: book.under_way,
        };
        book.shards.iter().map(row).collect()
    };
    books.iter().flat_map(of_one).collect()
}

/// One entry per cluster whose numbers could be read at the end of both ways.
pub(super) fn cross_checks(metrics: &[Books], logs: &[Books]) -> Vec<CrossCheck> {
    let both = |metrics: &Books| {
        let logs = logs.iter().find(|b| b.cluster == metrics.cluster)?;
        let newest = newest(metrics)?.min(newest(logs)?);
        Some(cross_check(metrics, logs, newest))
    };
    metrics.iter().filter_map(both).collect()
}

fn cross_check(metrics: &Books, logs: &Books, newest: u64) -> CrossCheck {
    let due: BTreeSet<u64> = metrics
        .emitted
        .iter()
        .map(|e| e.number)
        .filter(|number| *number <= newest)
        .collect();
    let (no_metric, no_line) = (missing(metrics, &due), missing(logs, &due));
    let in_neither: Vec<u64> = no_metric.intersection(&no_line).copied().collect();
    let logs_only: Vec<u64> = no_metric.difference(&no_line).copied().collect();
    let metrics_only: Vec<u64> = no_line.difference(&no_metric).copied().collect();
    let unbooked: Vec<u64> = strangers(metrics)
        .intersection(&strangers(logs))
        .copied()
        .collect();
    let mut told = Vec::new();
    let mut tell = |numbers: &[u64], what: &str, says: &str| {
        if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
            told.push(format!("{} {what} ({first} to {last}): {says}", numbers.len()));
        }
    };
    tell(
        &logs_only,
        "missing at the metrics receiver and there in the log store",
        "lost on the metrics' way",
    );
    tell(
        &metrics_only,
        "missing in the log store and there at the metrics receiver",
        "lost on the logs' way",
    );
    tell(&in_neither, "in neither", "only the canary's own log has them");
    tell(
        &unbooked,
        "in both and not in the canary's own log as it was read",
        "that log is what lacks them",
    );
    CrossCheck {
        cluster: metrics.cluster.to_string(),
        compared: count(due.len()),
        in_neither: count(in_neither.len()),
        logs_only: count(logs_only.len()),
        metrics_only: count(metrics_only.len()),
        unbooked_in_both: count(unbooked.len()),
        text: if told.is_empty() {
            "both have every number".to_owned()
        } else {
            told.join("; ")
        },
    }
}

/// Of the numbers in `due`, those that one of the shards lacks.
fn missing(books: &Books, due: &BTreeSet<u64>) -> BTreeSet<u64> {
    let holes = books.shards.values().flat_map(|ledger| &ledger.holes);
    // A hole holds every number that was served between its ends.
    holes
        .filter(|hole| hole.first.number <= hole.last.number)
        .flat_map(|hole| due.range(hole.first.number..=hole.last.number).copied())
        .collect()
}

fn strangers(books: &Books) -> BTreeSet<u64> {
    let all = books.shards.values().flat_map(|ledger| &ledger.strangers);
    all.copied().collect()
}

/// The newest number up to which every shard has been counted; None when nothing arrived.
fn newest(books: &Books) -> Option<u64> {
    let furthest_behind = books.shards.values().map(|ledger| ledger.emitted).min()?;
    let nth = usize::try_from(furthest_behind).ok()?.checked_sub(1)?;
    books.emitted.get(nth).map(|e| e.number)
}

fn span(hole: &Hole) -> Span {
    Span::between(hole.first.at, hole.last.at)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "ledgers_tests.rs"]
mod tests;
