//! The report of one run: what `drill NAME --json` prints and what every rendering is made from.
//!
//! Durations are seconds, sizes bytes, shares parts of one, all as plain JSON numbers; times are RFC 3339 UTC with
//! microseconds. What could not be measured is absent or `not_covered` with a reason, never zero.

use super::expected::Expected;
use super::ledger::{CounterCheck, CrossCheck, LedgerRow};
use super::parts::{
    Change, CoverageRow, FaultBand, Horizon, ProbeReport, Recovery, RecoveryPoint, SecretStaleness, Slo,
};
use super::secret_canary::SecretCanary;
use super::verdict::Verdict;
use super::wal::WalReport;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// Version of this document's shape; a reader refuses a higher one.
pub const FORMAT: u32 = 2;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the scenario.
    pub drill: String,
    /// Id of the run, hexadecimal.
    pub run: String,
    /// Of the run: the worst of its contracts and of its own hypothesis.
    pub verdict: Verdict,
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// What the drill set out to show, one sentence.
    pub hypothesis: String,
    /// Shown beside every verdict where the run is not what its name suggests, such as test data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether the drill is meant to show a violation: its failed contracts say nothing of the lab as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expect_violation: bool,
    /// What such a drill is to show, and whether its run did. The verdict stays that of the lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Begin of the first phase.
    pub from: Stamp,
    /// End of the last phase.
    pub to: Stamp,
    /// What the run was made with.
    pub identity: Identity,
    /// In order; they do not overlap.
    pub phases: Vec<PhaseSpan>,
    /// Every figure by a stable id.
    pub measurements: Vec<Measurement>,
    /// C1 to C6, each of them, covered or not.
    pub contracts: Vec<ContractVerdict>,
    /// What is gone for good, exactly.
    pub losses: Vec<Loss>,
    /// Every canary's books, by series and log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledgers: Vec<LedgerRow>,
    /// Books of the same numbers against each other, one entry per cluster that has both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cross_checks: Vec<CrossCheck>,
    /// Senders' own counters against the ledger, one entry per cluster whose agent is watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counter_checks: Vec<CounterCheck>,
    /// Faults in order of injection.
    #[serde(default)]
    pub faults: Vec<FaultBand>,
    /// Probes and what they saw.
    #[serde(default)]
    pub probes: Vec<ProbeReport>,
    /// Recovery time per subject, in two parts.
    #[serde(default)]
    pub recovery: Vec<Recovery>,
    /// What a restore or a fail-over lost in time.
    #[serde(default)]
    pub recovery_points: Vec<RecoveryPoint>,
    /// The run judged against the objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// Metrics buffering per cluster.
    #[serde(default)]
    pub wal: Vec<WalReport>,
    /// Secrets and their age.
    #[serde(default)]
    pub staleness: Vec<SecretStaleness>,
    /// ExternalSecrets of the drill's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_canaries: Vec<SecretCanary>,
    /// How long until first harm, per dependency; the shortest leads.
    #[serde(default)]
    pub horizon: Vec<Horizon>,
    /// What was looked at and what was not, with the reason.
    #[serde(default)]
    pub coverage: Vec<CoverageRow>,
    /// Against an earlier run, where one was named.
    #[serde(default)]
    pub comparison: Vec<Change>,
    /// Anything a reader must know, in full sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What the run was made with: two runs compare only where this agrees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the lab.
    pub lab: String,
    /// Digest of the drill's plan, hexadecimal.
    pub plan_digest: String,
    /// How the metrics agents' truncation relates to Prometheus' default, told from what ran. A scaled verdict says so.
    pub scale: Scale,
    /// Hash over what makes figures comparable: processor, cores, memory, kernel, configuration of the lab.
    pub host_fingerprint: String,
    /// What ran, by name.
    pub versions: Vec<Version>,
}

/// By how much the run's periods were shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// The truncate period of the run, in seconds.
    pub tick_seconds: u64,
    /// The truncate period that the result speaks for, in seconds.
    pub of_seconds: u64,
}

impl Default for Scale {
    /// Nothing is scaled: two hours are two hours.
    fn default() -> Self {
        Self {
            tick_seconds: 7200,
            of_seconds: 7200,
        }
    }
}

impl Scale {
    /// Whether times of the run are the real ones.
    pub const fn is_real(self) -> bool {
        self.tick_seconds == self.of_seconds
    }
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_real() {
            return f.write_str("real time");
        }
        write!(
            f,
            "scaled: {} s stand for {} s",
            self.tick_seconds, self.of_seconds
        )
    }
}

/// A part that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Component or program.
    pub name: String,
    /// Of its image, chart or program, without a leading `v`.
    pub version: String,
    /// How the bundle came by its image: `built` or `pulled`; empty where it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub set: String,
}

/// One phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseSpan {
    /// `steady`, `inject`, `observe`, `revert`, `verify`, `verdict`
    pub name: String,
    /// Begin.
    pub from: Stamp,
    /// End.
    pub to: Stamp,
}

/// One figure with its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// Stable, dotted, lower snake case: `rto.app1.service_good`.
    pub id: String,
    /// `seconds`, `samples`, `lines`, `bytes`, `ratio`, `count`
    pub unit: String,
    /// The best single figure: the upper bound where larger is worse.
    pub value: Quantity,
    /// The true figure is not below this.
    pub low: Quantity,
    /// The true figure is not above this.
    pub high: Quantity,
    /// Which way is worse; decides what a comparison calls a regression.
    #[serde(default)]
    pub worse: Worse,
    /// How it was measured, one sentence; empty where the id says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
}

/// Which way a figure is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Times, losses, ages.
    #[default]
    Higher,
    /// Availability, headroom, windows.
    Lower,
    /// Counts that describe the run and do not judge it.
    Neither,
}

/// What became of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractVerdict {
    /// `C1` to `C6`
    pub id: String,
    /// The contract's text, one line.
    #[serde(default)]
    pub promise: String,
    /// Worst of the evidence.
    pub verdict: Verdict,
    /// Why; at least one entry, also for what is not covered.
    pub evidence: Vec<Evidence>,
}

/// One check of a contract over the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Stable id of the check, lower snake case.
    pub check: String,
    /// Of this check.
    pub verdict: Verdict,
    /// What was seen, in a sentence with figures.
    pub text: String,
    /// Lines of the history file that decide it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u64>,
}

/// Something that is gone for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Which canary series or log: `app1/canary{shard="0"}`, `app1/canary log`.
    pub series: String,
    /// Whether it is lines of a log that are gone, and not samples.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lines: bool,
    /// How many samples or lines.
    pub lost: u64,
    /// Of the first one that is missing.
    pub from: Stamp,
    /// Of the last one that is missing.
    pub to: Stamp,
    /// Why.
    pub cause: LossCause,
}

/// Why something was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The next unread WAL segment was deleted; the sender skipped the whole backlog.
    Cliff,
    /// The sender restarted and begins at its own start.
    Restart,
    /// The receiver refused samples older than it takes.
    OutOfBounds,
    /// The receiver answered with another 4xx and the sender threw the batch away.
    Rejected,
    /// A log shipper gave up or the file was rotated away.
    ShipperGaveUp,
    /// The receiver went away within seconds of them, and came back without what it had taken and not yet written.
    ReceiverForgot,
    /// The emitter itself was not running or not scraped; nothing was there to be sent.
    NotScraped,
    /// None of the above explains it.
    Unknown,
}

impl LossCause {
    /// As in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cliff => "cliff",
            Self::Restart => "restart",
            Self::OutOfBounds => "out_of_bounds",
            Self::Rejected => "rejected",
            Self::ShipperGaveUp => "shipper_gave_up",
            Self::ReceiverForgot => "receiver_forgot",
            Self::NotScraped => "not_scraped",
            Self::Unknown => "unknown",
        }
    }
}
