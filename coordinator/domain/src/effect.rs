//! Effects: what the engine must perform once the records of the same decision are durable.

use crate::plan::PlannedStep;
use model::ids::{Attempt, Incarnation, NodeName, Seq, StepId};
use model::step::StepOrder;

/// Something to perform. Every effect may be performed twice without harm; a lost one is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send the order, under the coordinator's epoch.
    Dispatch {
        /// To whom.
        node: NodeName,
        /// What.
        order: StepOrder,
    },
    /// Ask for the agent's ledger.
    ListSteps {
        /// Whom.
        node: NodeName,
    },
    /// Ask what the operating system says of a step.
    Probe {
        /// Whom.
        node: NodeName,
        /// About what; nothing is run.
        order: StepOrder,
    },
    /// Stop a step.
    Cancel {
        /// On which node.
        node: NodeName,
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
    },
    /// Run a host step and answer with `HostStepFinished`.
    RunHost {
        /// What.
        step: PlannedStep,
        /// Which try.
        attempt: Attempt,
    },
    /// Observe a host step's result and answer with `HostProbeAnswered`.
    ProbeHost {
        /// What.
        step: PlannedStep,
        /// Which try.
        attempt: Attempt,
    },
    /// Stop a host step.
    CancelHost {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
    },
    /// Tell the agent that everything up to `upto` is durable here.
    AckEvents {
        /// Whom.
        node: NodeName,
        /// Which stream.
        incarnation: Incarnation,
        /// Last durable number.
        upto: Seq,
    },
    /// Tell the agent which number is wanted next.
    Rewind {
        /// Whom.
        node: NodeName,
        /// Next number wanted.
        expected: Seq,
    },
    /// End the session; the agent may come again.
    CloseSession {
        /// Whose.
        node: NodeName,
        /// Why, for the log on both sides.
        reason: String,
    },
}
