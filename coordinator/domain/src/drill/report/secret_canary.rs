//! Part of the report: what ExternalSecrets of the drill's own showed, one entry per cluster.

use super::figure::{maybe_interval, seconds};
use super::model::Report;
use super::parts::{Between, Bounds};
use super::tables::{Cell, Table, table};
use super::verdict::Verdict;
use crate::drill::measure::quantity::Quantity;
use serde::{Deserialize, Serialize};

/// The drill's own ExternalSecrets in one cluster. They are refreshed more often than a platform's would be, so their times
/// speak for their own interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretCanary {
    /// Cluster.
    pub cluster: String,
    /// Seconds between refreshes of these canaries, not of the platform's Secrets.
    pub refresh_interval: Quantity,
    /// Looks in the outage that succeeded.
    pub looks: u64,
    /// Of them, those that found the untouched Secret with its last value.
    pub readable: u64,
    /// Whether the untouched Secret was readable all the time.
    pub verdict: Verdict,
    /// What was done to them and what came of it.
    pub trials: Vec<SecretTrial>,
}

/// One thing that was done and when it showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretTrial {
    /// `changed_value`, `deleted_secret`, `new_external_secret`
    pub what: String,
    /// When it was done; None: it never was.
    pub done: Option<Between>,
    /// When a Secret with the latest value was seen: the changed one, the deleted one again, the new one. None: not in this run.
    pub shown: Option<Between>,
    /// Whether it was seen while the fault was surely in force.
    pub shown_in_outage: bool,
    /// Seconds from what was done until it was seen; for a deleted Secret: how long it was missing. The upper bound is open (equal to
    /// the lower) while it was not seen.
    pub waited: Option<Bounds>,
    /// Of them, seconds within the outage.
    pub waited_in_outage: Option<Bounds>,
    /// Seconds from the undoing of the fault until it was seen.
    pub since_undo: Option<Bounds>,
    /// Seconds from the writing of the new value, when the source surely answered, as computed from interval and backoff; the
    /// upper bound is by when at latest.
    pub predicted: Option<Bounds>,
    /// The same as measured.
    pub measured: Option<Bounds>,
    /// What it says of the contract.
    pub verdict: Verdict,
}

impl SecretTrial {
    /// `what` in words.
    pub fn subject(&self) -> String {
        self.what.replace('_', " ")
    }
}

pub(super) fn secret_canaries(report: &Report) -> Table {
    let columns = [
        "cluster, refreshed every",
        "what the drill did",
        "at",
        "missing or waiting, within the outage",
        "in all",
        "shown after the undo",
        "after the new value, predicted",
        "measured",
        "verdict",
    ];
    let rows = report.secret_canaries.iter().flat_map(|canary| {
        canary.trials.iter().map(|trial| {
            let at = trial.done.map(|done| done.by.to_string());
            [
                Cell::from(format!(
                    "{}, {}",
                    canary.cluster,
                    seconds(canary.refresh_interval)
                )),
                trial.subject().into(),
                at.unwrap_or_else(|| "not done".into()).into(),
                maybe_interval(trial.waited_in_outage, "seconds").into(),
                maybe_interval(trial.waited, "seconds").into(),
                maybe_interval(trial.since_undo, "seconds").into(),
                maybe_interval(trial.predicted, "seconds").into(),
                maybe_interval(trial.measured, "seconds").into(),
                Cell::Verdict(trial.verdict),
            ]
        })
    });
    table("Secrets, the drill's own canaries", columns, rows)
}
