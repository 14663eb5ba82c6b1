//! Parts of the report that measure the service: faults, probes, recovery, secrets, horizon, coverage, comparison.

use super::verdict::Verdict;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// A duration or share that is known to lie between two bounds, both possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Not below this.
    pub low: Quantity,
    /// Not above this; [`Quantity::UNBOUNDED`] where nobody saw an end.
    pub high: Quantity,
}

impl Bounds {
    /// Of something whose end nobody saw.
    pub const fn at_least(low: Quantity) -> Self {
        Self {
            low,
            high: Quantity::UNBOUNDED,
        }
    }

    /// The lower of two figures.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.min(other.high),
        }
    }
}

/// A moment that is known to lie between two others: after `after`, not after `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between {
    /// The last time that it was seen not to have happened, clock offset subtracted.
    pub after: Stamp,
    /// The first time that it was seen to have happened, clock offset added.
    pub by: Stamp,
}

/// One fault and its undoing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultBand {
    /// `power_loss`, `freeze`, `network_cut` ...
    pub kind: String,
    /// Node, process or pair of clusters.
    pub target: String,
    /// When it was in force, first.
    pub from: Stamp,
    /// When it was undone; the end of the run when it never was.
    pub to: Stamp,
    /// `reverted`, `still_in_force`, or why its place ended it: `lease_expired`, `released`, `coordinator_lost`, `agent_start`, `boot`,
    /// `healed`
    pub end: String,
}

/// A share of good answers within one slice of time, for the plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Begin of the slice.
    pub at: Stamp,
    /// Probes due in it, also those that were never answered.
    pub due: u64,
    /// Probes that were answered well and in time.
    pub good: u64,
}

/// One probe from one vantage point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Stable id.
    pub id: String,
    /// What is asked.
    pub target: String,
    /// How it looks, as in scenario files: `http`, `api_ready` ...; empty in reports of older releases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub look: String,
    /// Where the asking is done from.
    pub vantage: String,
    /// Contracts that it speaks for; empty for none.
    #[serde(default)]
    pub contracts: Vec<String>,
    /// Seconds from one to the next while something may change, open loop: a stalled one delays none.
    pub period: Quantity,
    /// Seconds after which no answer is a bad answer.
    pub timeout: Quantity,
    /// All that were due.
    pub due: u64,
    /// Those that were answered well and in time.
    pub good: u64,
    /// Those that were sent later than half a period after they were due; the driller's own fault.
    #[serde(default)]
    pub sent_late: u64,
    /// The share of the time in which answers were good, at least: a bad one says nothing of the time since the good one before it.
    pub availability: Option<Quantity>,
    /// Every outage that was seen.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// For the plot.
    #[serde(default)]
    pub slices: Vec<Slice>,
}

/// One outage as a probe saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it began.
    pub began: Between,
    /// When it ended; None while it lasts.
    pub ended: Option<Between>,
    /// Its length; the upper bound is open (equal to the length seen) while it lasts.
    pub length: Bounds,
}

/// What became of a subject after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was seen bad, and good again.
    #[default]
    Recovered,
    /// It was seen bad, and not good again while it was watched.
    NotRecovered,
    /// It was never seen bad: there is no recovery to measure.
    NeverSeenDown,
}

impl Outcome {
    /// As in documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NotRecovered => "not_recovered",
            Self::NeverSeenDown => "never_seen_down",
        }
    }
}

/// Recovery time of one subject, counted from the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// What recovered: a cluster, a service.
    pub subject: String,
    /// When the clock starts: `fault`, `outage` (the first request that went unanswered) or `revert`.
    pub counted_from: String,
    /// What became of it.
    #[serde(default)]
    pub outcome: Outcome,
    /// Until every vantage point was answered well again; None where `outcome` is not `recovered`, and where that was before the clock
    /// started.
    pub service_good: Option<Bounds>,
    /// Until the last sample of the backlog was stored; None: it was not measured.
    pub data_complete: Option<Bounds>,
    /// When it was bad again after it had been good for long enough: no figure of recovery counts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relapses: Vec<Relapse>,
    /// The vantage points that were united.
    pub vantages: Vec<String>,
    /// Bound on the clocks' disagreement that is in the intervals already, seconds.
    pub clock_offset: Quantity,
}

/// An outage of something that had come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relapse {
    /// The probe that saw it.
    pub probe: String,
    /// What it saw.
    pub outage: Outage,
}

impl Recovery {
    /// The subject as ids of figures have it: `mgmt_api`.
    pub fn key(&self) -> String {
        self.subject.replace([' ', '-'], "_")
    }
}

/// How much time a restore or fail-over lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// What was restored.
    pub subject: String,
    /// Seconds between the last sentinel that survived and the fault.
    pub lost: Bounds,
    /// Which sentinel says so.
    pub sentinel: String,
}

/// The run against the objectives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slo {
    /// One line per objective.
    pub objectives: Vec<Objective>,
    /// Over which period the budget is counted, seconds.
    pub budget_period: Quantity,
    /// Seconds of outage that the availability objective allows in that period.
    pub budget: Quantity,
    /// Seconds of it that this run would have spent; None: no probe stood for users, so nothing was measured.
    pub spent: Option<Bounds>,
}

/// One objective and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// `slo`, `rto`, `rpo`, `answers`
    pub id: String,
    /// In words.
    pub text: String,
    /// `seconds` or `ratio`
    pub unit: String,
    /// What is promised.
    pub target: Quantity,
    /// What was measured; None: nothing was.
    pub measured: Option<Bounds>,
    /// Pass only if the worse bound keeps the promise, fail only if the better one breaks it.
    pub verdict: Verdict,
}

impl Objective {
    /// Whether it decides the run. What a run spends of the period's budget decides nothing.
    pub fn decides(&self) -> bool {
        self.id != "slo"
    }
}

/// One ExternalSecret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretStaleness {
    /// `cluster/namespace/name`
    pub secret: String,
    /// Seconds between refreshes; 0 means once.
    pub refresh_interval: Quantity,
    /// The highest age seen, seconds.
    pub highest_age: Bounds,
    /// Whether the last value was served all the time.
    pub served: Verdict,
    /// Seconds from the provider's return to the next refresh, as computed from interval and backoff.
    pub predicted_convergence: Option<Bounds>,
    /// The same as measured.
    pub measured_convergence: Option<Bounds>,
    /// Age against time.
    #[serde(default)]
    pub curve: Vec<Point>,
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub at: Stamp,
    /// How much.
    pub value: Quantity,
}

/// How long one dependency can be away before anyone is harmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// `app1 metrics`, `app2 secret demo/demo` ...
    pub dependency: String,
    /// What happens then.
    pub harm: String,
    /// Seconds of absence until first harm; None: none in sight, unless it was not computed.
    pub survives: Option<Bounds>,
    /// Whether nothing is known of when it comes: `survives` is None, and says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_computed: bool,
    /// Seconds left at the end of the outage; negative: it was harmed. None: not computed.
    pub headroom: Option<Quantity>,
    /// Where the figure comes from, or why there is none.
    pub source: String,
}

/// One line of what was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Contract, fault or component.
    pub subject: String,
    /// Whether it was looked at.
    pub covered: bool,
    /// How, or why not.
    pub reason: String,
}

/// One figure against the same figure of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Of the measurement.
    pub id: String,
    /// Its unit.
    pub unit: String,
    /// Then; None: the earlier run does not have it.
    pub old: Option<Bounds>,
    /// Now; None: the later run does not have it.
    pub new: Option<Bounds>,
    /// What can be said.
    pub change: Direction,
}

/// What can be said of two intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Every value that is possible now is better than every one that was possible then, by more than is tolerated.
    Better,
    /// Every value that is possible now is worse than every one that was possible then, by more than is tolerated.
    Worse,
    /// The intervals overlap, or differ by what two runs differ anyway: nothing can be said.
    Same,
    /// The figure does not judge.
    Neutral,
}
