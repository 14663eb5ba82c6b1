//! What an agent tells of its node: numbered, durable before sent, delivered once.

use crate::fact::{Condition, NodeFacts};
use crate::ids::{Attempt, BootId, Incarnation, Seq, StepId};
use crate::lease::LeaseStatus;
use crate::moment::Moment;
use crate::step::StepOutcome;
use serde::{Deserialize, Serialize};

/// One entry of an agent's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeEvent {
    /// Which life of the agent's store.
    pub incarnation: Incarnation,
    /// Dense number within the incarnation, from 1.
    pub seq: Seq,
    /// Wall time on the node.
    pub time: Moment,
    /// Milliseconds on the node's monotonic clock.
    pub monotonic_ms: u64,
    /// The node's boot.
    pub boot: BootId,
    /// What happened.
    pub kind: NodeEventKind,
}

/// What happened on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NodeEventKind {
    /// The agent started, or came back.
    AgentStarted {
        /// Agent version.
        version: String,
    },
    /// The order was journalled; nothing ran yet.
    StepAccepted {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
    },
    /// The unit was started.
    StepStarted {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// systemd unit name.
        unit: String,
    },
    /// What the running step waits for, or how far it is.
    StepProgress {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// One line.
        message: String,
    },
    /// The attempt ended.
    StepFinished {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// How.
        outcome: StepOutcome,
    },
    /// An order was refused.
    StepRefused {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Stable code.
        code: String,
        /// Why.
        reason: String,
    },
    /// A condition changed.
    ConditionChanged {
        /// The condition as it is now.
        condition: Condition,
    },
    /// A sample of the node's facts.
    Health {
        /// The sample.
        facts: NodeFacts,
    },
    /// The agent's store was lost or damaged and put aside; a new incarnation began.
    StoreLost {
        /// What was found.
        reason: String,
    },
    /// Numbers that will never come, and why.
    Dropped {
        /// First missing.
        from: Seq,
        /// Last missing.
        to: Seq,
        /// Why.
        reason: String,
    },
    /// Wall minus monotonic time moved by more than two seconds.
    ClockJump {
        /// Signed shift in milliseconds.
        shift_ms: i64,
    },
    /// The agent's certificate was renewed.
    CertificateRenewed {
        /// End of validity of the new one.
        not_after: Moment,
    },
    /// A fault's lease went on. The same state may be told twice after a crash, never out of order.
    LeaseChanged {
        /// The lease as it is now.
        status: LeaseStatus,
    },
}

impl NodeEventKind {
    /// Whether the drop policy may ever thin this kind out.
    pub fn may_drop(&self) -> bool {
        matches!(
            self,
            NodeEventKind::Health { .. } | NodeEventKind::StepProgress { .. }
        )
    }
}
