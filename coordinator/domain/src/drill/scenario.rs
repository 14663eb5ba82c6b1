//! A scenario file, `values/drills/NAME.yaml`: what is believed, what is broken, what is watched, what ends it early.

mod fault;
mod probe;
mod rules;

pub use fault::{Fault, FaultKind, Process, Target};
pub(crate) use probe::SHARDS;
pub use probe::{Expectation, Look, Probe, Receiver, Via};

use super::contract::ContractId;
use crate::document::{self, DocumentError};
use model::ids::ClusterName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Words of the command line that no scenario may be called.
pub const RESERVED: [&str; 5] = ["list", "show", "plan", "doctor", "recheck"];

/// One drill. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// Always `drillyard/v1`.
    pub api_version: String,
    /// Always `Drill`.
    pub kind: String,
    /// The file's name without `.yaml`.
    pub name: String,
    /// One line for the list.
    pub summary: String,
    /// What is believed to stay true.
    pub hypothesis: Hypothesis,
    /// What must hold before anything is broken.
    #[serde(default)]
    pub guards: Vec<Guard>,
    /// What is broken, and when.
    pub faults: Vec<Fault>,
    /// What is watched.
    pub probes: Vec<Probe>,
    /// What ends the outage early.
    #[serde(default)]
    pub abort: Vec<AbortRule>,
    /// How long each phase takes.
    pub phases: Phases,
    /// How the run relates to the outage that it stands for.
    #[serde(default)]
    pub scale: Scale,
}

/// What is believed, and the figures it is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hypothesis {
    /// In words.
    pub statement: String,
    /// The contracts that decide the verdict; the others are reported as not covered.
    pub contracts: Vec<ContractId>,
    /// Targets.
    #[serde(default)]
    pub objectives: Objectives,
    /// Whether a violation is what this drill is meant to show, for example a loss that is known to happen.
    #[serde(default)]
    pub expect_violation: bool,
    /// Which of the contracts are to be found violated then, and no other. May be left out where `contracts` has only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect_violated: Vec<ContractId>,
}

impl Hypothesis {
    /// The contracts that a control is to find violated. Empty for what is no control, and for a plan of before they were named.
    pub fn violated(&self) -> &[ContractId] {
        match (self.expect_violation, self.expect_violated.as_slice()) {
            (false, _) => &[],
            (true, []) if self.contracts.len() == 1 => &self.contracts,
            (true, named) => named,
        }
    }
}

/// Targets; the defaults are the lab's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objectives {
    /// Least share of good answers, percent.
    #[serde(default = "Objectives::availability")]
    pub availability_percent: f64,
    /// Longest time until the service is good again, seconds.
    #[serde(default = "Objectives::rto")]
    pub rto_seconds: u64,
    /// Most data that may be lost, seconds.
    #[serde(default = "Objectives::rpo")]
    pub rpo_seconds: u64,
}

impl Objectives {
    fn availability() -> f64 {
        99.0
    }
    fn rto() -> u64 {
        3600
    }
    fn rpo() -> u64 {
        86_400
    }
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            availability_percent: Self::availability(),
            rto_seconds: Self::rto(),
            rpo_seconds: Self::rpo(),
        }
    }
}

/// What must hold before anything is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "guard", rename_all = "snake_case", deny_unknown_fields)]
pub enum Guard {
    /// Every node of the clusters is registered and Ready.
    NodesReady {
        /// Which; empty means every cluster of the lab.
        #[serde(default)]
        clusters: Vec<ClusterName>,
    },
    /// No fault of an earlier drill is outstanding anywhere.
    NoLeases {},
    /// Every agent of the lab is connected.
    AgentsConnected {},
}

/// What ends the outage before its time; the run is then judged by what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum AbortRule {
    /// A probe had no good answer for so long.
    ProbeBadFor {
        /// Name of the probe.
        probe: String,
        /// Seconds.
        seconds: u64,
    },
    /// A value that a probe measures fell under a threshold, for example the time left until a backlog dies.
    ValueBelow {
        /// Name of the probe.
        probe: String,
        /// Name of the value.
        value: String,
        /// Threshold in the value's own unit.
        threshold: f64,
    },
    /// The backlog whose log a `metrics_log` probe watches dies so soon that it could not be saved much later.
    BacklogDiesWithin {
        /// Name of the probe.
        probe: String,
        /// What undoing takes, until the receiver answers again, seconds.
        #[serde(rename = "undoSeconds")]
        undo_seconds: u64,
        /// What is kept on top, seconds.
        #[serde(rename = "marginSeconds")]
        margin_seconds: u64,
    },
}

impl AbortRule {
    /// Name of the probe that it looks at.
    pub fn probe(&self) -> &str {
        let (Self::ProbeBadFor { probe, .. }
        | Self::ValueBelow { probe, .. }
        | Self::BacklogDiesWithin { probe, .. }) = self;
        probe
    }

    /// When it ends the outage, in words.
    pub fn text(&self) -> String {
        match self {
            Self::ProbeBadFor { probe, seconds } => format!("{probe} has no good answer for {seconds} s"),
            Self::ValueBelow {
                probe,
                value,
                threshold,
            } => format!("{value} of {probe} is below {threshold}"),
            Self::BacklogDiesWithin {
                probe,
                undo_seconds,
                margin_seconds,
            } => format!(
                "the backlog that {probe} watches dies in less than {} s ({undo_seconds} s to undo, {margin_seconds} s on top); \
                 where it would at once, nothing is broken",
                undo_seconds.saturating_add(*margin_seconds)
            ),
        }
    }
}

/// Durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Phases {
    /// Watching before anything is broken; every probe must be good at its end.
    pub steady_seconds: u64,
    /// How long the outage lasts, from the last injection at its start.
    pub observe_seconds: u64,
    /// How long recovery may take before the drill gives up waiting for it.
    pub verify_seconds: u64,
    /// Good answers in a row that count as recovered; the first of them is the moment.
    #[serde(default = "Phases::consecutive")]
    pub consecutive_good: u32,
    /// How long the outage may be held back, seconds, so that it begins at the worst moment of the metrics agents' truncation: then a
    /// pass proves the guaranteed window and not luck. 0, the default, holds nothing back; nor is one held back for a worst moment
    /// that does not come within this time.
    #[serde(default, skip_serializing_if = "Phases::is_none")]
    pub worst_start_seconds: u64,
}

impl Phases {
    /// What is not set stays out of the plan, so that its digest says the same as before there was such a setting.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_none(seconds: &u64) -> bool {
        *seconds == 0
    }

    fn consecutive() -> u32 {
        5
    }
}

/// How the run relates to the outage that it stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// Seconds of the outage it stands for per second of the run; 1 is real time. A report tells its scale from the metrics agents
    /// that ran, and says where this contradicts them.
    pub factor: f64,
    /// What is scaled with it, in words.
    #[serde(default)]
    pub note: String,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            factor: 1.0,
            note: String::new(),
        }
    }
}

impl Scenario {
    /// Reads and checks a file; `stem` is its name without `.yaml`.
    pub fn from_yaml(file: &str, stem: &str, text: &str) -> Result<Self, DocumentError> {
        document::read(file, "drill", text, |scenario| rules::check(scenario, stem))
    }

    /// Good answers in a row that count as recovered for `probe`.
    pub fn consecutive_good(&self, probe: &Probe) -> u32 {
        probe.consecutive_good.unwrap_or(self.phases.consecutive_good)
    }

    /// The document as YAML.
    pub fn to_yaml(&self) -> String {
        serde_norway::to_string(self).unwrap_or_default()
    }

    /// JSON Schema for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Scenario).into()
    }
}
