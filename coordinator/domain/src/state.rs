//! The state: a fold of the records and of nothing else.

mod apply;
mod apply_node;
mod apply_step;
mod query;
mod snapshot;

use crate::diagnosis::Cause;
use crate::event::SessionId;
use crate::leases::{Leases, PastLeases};
use crate::plan::{Plan, Target};
use crate::record::RunOutcome;
use model::fact::{Condition, NodeFacts};
use model::ids::{
    Attempt, BootId, ClusterName, Digest, Epoch, Incarnation, NodeName, Revision, RunId, Seq, StepId,
};
use model::moment::Moment;
use model::step::Lane;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use apply::ApplyError;
pub use snapshot::SnapshotError;

/// Everything the coordinator knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last record that was applied.
    pub revision: Revision,
    /// Of the coordinator that owns the log.
    pub epoch: Epoch,
    /// The latest run, active or finished.
    pub run: Option<Run>,
    /// What is known of each node's agent.
    pub nodes: BTreeMap<NodeName, NodeState>,
    /// Every step that was ever intended, of any run since the lab was made.
    pub steps: BTreeMap<StepId, StepState>,
    /// Which node alone may initialise a cluster, and for which step that was claimed.
    pub claims: BTreeMap<ClusterName, (NodeName, StepId)>,
    /// Clusters whose API server was healthy once.
    pub served: BTreeSet<ClusterName>,
    /// Faults that may be there.
    pub leases: Leases,
    /// Faults that are gone, the latest of them.
    pub past_leases: PastLeases,
    /// The plan of the latest run; not a record, stored beside the log.
    #[serde(skip)]
    plan: Option<Arc<Plan>>,
}

/// One `up`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// Id.
    pub id: RunId,
    /// Last phase.
    pub through: u8,
    /// Go on at gates without asking.
    pub yes: bool,
    /// Which plan.
    pub plan_digest: Digest,
    /// Begin.
    pub started: Moment,
    /// Whether it is being cancelled, and since when.
    pub cancelling: Option<Moment>,
    /// Gates whose phase is verified, with the time.
    pub gates_reached: BTreeMap<u8, Moment>,
    /// Gates that were passed.
    pub gates_passed: BTreeSet<u8>,
    /// Attempts that were handed out.
    pub executed: u64,
    /// How and when it ended.
    pub finished: Option<Finished>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: RunOutcome,
    /// When.
    pub at: Moment,
    /// One line.
    pub message: String,
}

/// A node's agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeState {
    /// The live session.
    pub session: Option<SessionId>,
    /// Whether its ledger was compared with ours on this session.
    pub reconciled: bool,
    /// Its state for people.
    pub link: Link,
    /// Since when it is so.
    pub since: Moment,
    /// Agent version.
    pub version: String,
    /// The node's boot at the last hello.
    pub boot: Option<BootId>,
    /// Which life of the agent's store.
    pub incarnation: Option<Incarnation>,
    /// Last number of its stream that is durable here.
    pub cursor: Seq,
    /// Earlier lives; nothing of them is accepted any more.
    pub retired: BTreeSet<Incarnation>,
    /// Latest of each type.
    pub conditions: BTreeMap<String, Condition>,
    /// Latest sample, and when it was taken by the node's clock.
    pub facts: Option<(NodeFacts, Moment)>,
    /// When its last record was applied.
    pub last_record: Moment,
}

/// State of the line to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Heard within three heartbeats.
    Connected,
    /// Silent or disconnected for a short time.
    Suspect,
    /// Silent or disconnected for longer.
    Lost,
    /// Never since the lab was made.
    #[default]
    NeverSeen,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepState {
    /// Name in the plan.
    pub name: String,
    /// Who performs it.
    pub target: Target,
    /// Cluster.
    pub cluster: Option<ClusterName>,
    /// Lane on its node.
    pub lane: Option<Lane>,
    /// Current try.
    pub attempt: Attempt,
    /// How far it is.
    pub phase: StepPhase,
    /// Since when it is there.
    pub since: Moment,
    /// When the current attempt was decided on.
    pub intended: Moment,
    /// Whether the current attempt was decided on here, and not found on a node. Older logs do not say.
    #[serde(default)]
    pub ours: bool,
    /// Epoch of the last dispatch; None when this log never dispatched it.
    pub epoch: Option<Epoch>,
    /// Life of the agent's store at the last dispatch.
    pub incarnation: Option<Incarnation>,
    /// Boot in which it was last seen done.
    pub boot: Option<BootId>,
    /// When the probe that is awaited was asked for.
    pub probing: Option<Moment>,
    /// Probes in a row that did not find it done.
    pub looks: u32,
    /// Failed attempts in this run.
    pub failures: u32,
    /// Attempts of this run whose outcome nobody knew.
    pub unknowns: u32,
    /// The first error of this run's attempts: shown on top.
    pub first_error: Option<StepError>,
    /// The last error.
    pub last_error: Option<StepError>,
    /// Latest progress.
    pub progress: Option<String>,
    /// Why the current attempt probably waits or failed, the most probable cause first.
    #[serde(default)]
    pub causes: Vec<Cause>,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum StepPhase {
    /// Decided on, not handed out.
    Intended,
    /// Handed out.
    Dispatched,
    /// Its unit runs.
    Running {
        /// systemd unit; `host` or `wait` for host steps.
        unit: String,
    },
    /// Done.
    Succeeded {
        /// Milliseconds that the unit ran.
        run_ms: u64,
        /// CPU milliseconds.
        cpu_ms: u64,
    },
    /// Failed; a probe is needed before anything else.
    Failed,
    /// Nobody knows; a probe is needed.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Probed and not done; goes on at `until`.
    Backoff {
        /// When.
        until: Moment,
    },
    /// Stopped on request.
    Cancelled,
    /// A person decides.
    NeedsDecision {
        /// What was found.
        reason: String,
    },
}

/// An error of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepError {
    /// Which attempt.
    pub attempt: Attempt,
    /// Stable code.
    pub code: String,
    /// Cause first.
    pub message: String,
    /// Last lines of output.
    pub output: String,
    /// When.
    pub at: Moment,
}

impl StepPhase {
    /// Handed out or about to be: no other attempt may start.
    pub fn in_flight(&self) -> bool {
        matches!(
            self,
            StepPhase::Intended | StepPhase::Dispatched | StepPhase::Running { .. }
        )
    }

    /// Done.
    pub fn done(&self) -> bool {
        matches!(self, StepPhase::Succeeded { .. })
    }

    /// Waits for a probe.
    pub fn wants_probe(&self) -> bool {
        matches!(self, StepPhase::Unknown { .. } | StepPhase::Failed)
    }

    /// Nothing more is done in this run.
    pub fn given_up(&self) -> bool {
        matches!(self, StepPhase::NeedsDecision { .. } | StepPhase::Cancelled)
    }
}
