//! Part of the report: the books of every canary, and the two ways of the same numbers against each other.

use super::figure::{maybe_interval, seconds};
use super::model::Report;
use super::parts::Bounds;
use super::tables::{Cell, Table, table};
use super::verdict::Verdict;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// The books of one series, or of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// `app1/canary{shard="0"}`, `app1/canary log`
    pub series: String,
    /// `metrics` or `logs`
    pub way: String,
    /// Numbers that were served, up to the newest that arrived.
    pub served: u64,
    /// Different ones of them that arrived.
    pub arrived: u64,
    /// Of them, those that are missing.
    pub lost: u64,
    /// In how many holes.
    pub holes: u64,
    /// Seconds from the first to the last number of the longest hole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_hole: Option<Quantity>,
    /// How often a number arrived once more.
    pub duplicates: u64,
    /// Numbers that arrived and are not in the list of what was served: the list is not whole.
    pub unbooked: u64,
    /// Numbers that were served after the newest one that arrived: not lost, not there either.
    pub under_way: u64,
}

/// The numbers of one cluster's canary by both ways. Each number is written into the log before it is served as a sample, so a
/// number that one way lacks and the other has was there to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// Cluster.
    pub cluster: String,
    /// Numbers that were served, up to the older one of the newest that arrived by each way.
    pub compared: u64,
    /// Of them, those that neither the metrics receiver nor the log store has.
    pub in_neither: u64,
    /// Those that the log store has, and the metrics receiver lacks in one shard at least.
    pub logs_only: u64,
    /// Those that the metrics receiver has in every shard, and the log store lacks.
    pub metrics_only: u64,
    /// Numbers that arrived by both ways and are not in the list of what was served: the list is not whole, and the two ends say
    /// what it lacks.
    pub unbooked_in_both: u64,
    /// The same in a sentence, with the numbers.
    pub text: String,
}

/// What one sender's own counters say is gone, beside what the ledger at the receiver says. Counters know of every series that
/// the sender has and of no number, the ledger of the canary's numbers alone: its loss is scaled by the samples that the sender
/// appended for each number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterCheck {
    /// The sender's cluster.
    pub cluster: String,
    /// The last look before the fault; absent, like all that follows, where the two could not be held against each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Stamp>,
    /// The last look of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Stamp>,
    /// Samples that were appended to the sender's log between the two (`samples_in_total`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appended: Option<u64>,
    /// Samples that the sender says it gave up: dropped, or failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned: Option<u64>,
    /// Samples that are gone by the counters: appended, and neither delivered nor waiting, whether the sender owns up to them or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Bounds>,
    /// Samples that the ledger's loss comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Bounds>,
    /// By how many samples the two may differ and still tell the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<u64>,
    /// `pass` when both tell the same, `inconclusive` when that cannot be told.
    pub agree: Verdict,
    /// The same in a sentence.
    pub text: String,
}

pub(super) fn counter_checks(report: &Report) -> Table {
    let columns = [
        "cluster",
        "samples appended",
        "owned up to",
        "gone by the counters",
        "gone by the ledger",
        "agree",
        "what that says",
    ];
    let count = |count: Option<u64>| count.map_or(String::new(), |n| n.to_string());
    let rows = report.counter_checks.iter().map(|c| {
        [
            Cell::from(&c.cluster),
            count(c.appended).into(),
            count(c.owned).into(),
            maybe_interval(c.gone, "count").into(),
            maybe_interval(c.ledger, "count").into(),
            Cell::Verdict(c.agree),
            (&c.text).into(),
        ]
    });
    table("The sender's own counters and the ledger", columns, rows)
}

pub(super) fn ledgers(report: &Report) -> Table {
    let columns = [
        "series or log",
        "served",
        "arrived",
        "lost",
        "holes",
        "longest hole",
        "more than once",
        "not in the emitter's log",
        "under way at the end",
    ];
    let rows = report.ledgers.iter().map(|l| {
        [
            Cell::from(&l.series),
            l.served.to_string().into(),
            l.arrived.to_string().into(),
            l.lost.to_string().into(),
            l.holes.to_string().into(),
            l.longest_hole.map_or(String::new(), seconds).into(),
            l.duplicates.to_string().into(),
            l.unbooked.to_string().into(),
            l.under_way.to_string().into(),
        ]
    });
    table("Canary ledgers", columns, rows)
}

pub(super) fn cross_checks(report: &Report) -> Table {
    let columns = [
        "cluster",
        "numbers compared",
        "in neither",
        "in the logs only",
        "in the metrics only",
        "what that says",
    ];
    let rows = report.cross_checks.iter().map(|c| {
        [
            Cell::from(&c.cluster),
            c.compared.to_string().into(),
            c.in_neither.to_string().into(),
            c.logs_only.to_string().into(),
            c.metrics_only.to_string().into(),
            (&c.text).into(),
        ]
    });
    table("Metrics and logs of the same numbers", columns, rows)
}
