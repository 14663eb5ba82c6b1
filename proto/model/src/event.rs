//! What an agent tells of its node: numbered, durable before sent, delivered once.

use crate::evidence::Evidence;
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantNames)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// What was seen around a step that runs for longer than is usual.
    StepEvidence {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// For how long it had run, milliseconds.
        waited_ms: u64,
        /// What was seen, at most [`crate::evidence::MOST`] pieces.
        evidence: Vec<Evidence>,
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
    /// A kind of a later release, kept and passed on as it came. Stays last: it takes whatever no other variant takes.
    #[serde(untagged)]
    Unknown(serde_json::Map<String, serde_json::Value>),
}

/// Version of the event contract that this release speaks.
pub const CONTRACT: u32 = 1;

impl NodeEventKind {
    /// Whether the drop policy may ever thin this kind out.
    /// The rest is kept until the coordinator has made it durable: steps, conditions, losses, and what is not understood.
    pub fn may_drop(&self) -> bool {
        matches!(
            self,
            NodeEventKind::Health { .. }
                | NodeEventKind::StepProgress { .. }
                | NodeEventKind::StepEvidence { .. }
        )
    }

    /// The snake-case name; empty for a body of a later release that has none.
    pub fn name(&self) -> &str {
        match self {
            NodeEventKind::Unknown(body) => body
                .get("kind")
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default(),
            known => known.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_a_later_release_survives() {
        let text = r#"{"kind":"quantum_leap","distance":{"years":-40},"who":["sam"]}"#;
        let kind: NodeEventKind = serde_json::from_str(text).expect("read");
        assert!(matches!(kind, NodeEventKind::Unknown(_)), "{kind:?}");
        assert_eq!(kind.name(), "quantum_leap");
        assert!(!kind.may_drop(), "what is not understood is not thrown away");
        let again: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&kind).expect("written")).expect("read");
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(text).expect("read")
        );
    }

    #[test]
    fn known_kinds_are_read_as_themselves() {
        let kind = NodeEventKind::ClockJump { shift_ms: -3 };
        let text = serde_json::to_string(&kind).expect("written");
        assert_eq!(text, r#"{"kind":"clock_jump","shift_ms":-3}"#);
        assert_eq!(kind.name(), "clock_jump");
        assert_eq!(serde_json::from_str::<NodeEventKind>(&text).expect("read"), kind);
    }
}
