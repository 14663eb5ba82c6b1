//! Events: everything that can happen to the machine.

use crate::plan::Plan;
use crate::record::Record;
use crate::signs::Signs;
use model::event::NodeEvent;
use model::evidence::Evidence;
use model::ids::{Attempt, BootId, Epoch, Incarnation, NodeName, RunId, Seq, StepId};
use model::moment::Moment;
use model::step::{ProbeResult, StepOutcome};

/// Names one connection of one node; never used again while the same coordinator process lives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// What an agent's ledger says of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentStep {
    /// Step.
    pub step: StepId,
    /// Highest attempt that the agent knows.
    pub attempt: Attempt,
    /// How far that attempt is.
    pub phase: AgentPhase,
}

/// How far an attempt is on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentPhase {
    /// Journalled, not started.
    Accepted,
    /// Its unit was started.
    Started,
    /// It ended; the outcome is kept.
    Finished,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The coordinator started with this epoch, after folding its log.
    Started {
        /// Freshly made durable, above every earlier one.
        epoch: Epoch,
    },
    /// An operator asked for `up`.
    UpRequested {
        /// New run's id, made by the engine.
        run: RunId,
        /// Last phase.
        through: u8,
        /// Go on at every gate without asking.
        yes: bool,
        /// The plan, already stored beside the log.
        plan: Plan,
    },
    /// An operator answered at a gate.
    GateConfirmed {
        /// Which run.
        run: RunId,
        /// Which phase's gate.
        phase: u8,
        /// Whether to go on.
        go_on: bool,
    },
    /// An operator cancelled the active run.
    CancelRequested,
    /// The lab was taken down: nodes and all they held are gone.
    NodesRemoved,
    /// An agent said hello on a new session.
    AgentConnected {
        /// Node, from the certificate.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// Agent version.
        version: String,
        /// The node's boot.
        boot: BootId,
        /// Which life of the agent's store.
        incarnation: Incarnation,
        /// First number that the agent still keeps.
        first_unacked: Seq,
        /// Last number that the agent gave.
        last_seq: Seq,
    },
    /// A session ended.
    AgentDisconnected {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// Why, if known.
        reason: String,
    },
    /// A batch of an agent's numbered events, in order.
    NodeEvents {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// The batch.
        events: Vec<NodeEvent>,
    },
    /// The answer to [`crate::effect::Effect::ListSteps`]: every step that the agent's ledger still knows.
    StepStates {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// The ledger.
        states: Vec<AgentStep>,
    },
    /// The answer to [`crate::effect::Effect::Probe`].
    ProbeAnswered {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// Step.
        step: StepId,
        /// Attempt that was asked about.
        attempt: Attempt,
        /// What the operating system says.
        result: ProbeResult,
    },
    /// A host step ended.
    HostStepFinished {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// How.
        outcome: StepOutcome,
    },
    /// The answer to [`crate::effect::Effect::ProbeHost`].
    HostProbeAnswered {
        /// Step.
        step: StepId,
        /// Attempt that was asked about.
        attempt: Attempt,
        /// What was found.
        result: ProbeResult,
    },
    /// What a running host step waits for, or how far it is.
    HostProgress {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// One line.
        message: String,
    },
    /// What was seen around a host step that waits for longer than is usual.
    HostEvidence {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// What was seen.
        evidence: Vec<Evidence>,
    },
    /// A silent node was looked at from outside.
    Reachability {
        /// Node.
        node: NodeName,
        /// What was seen.
        signs: Signs,
        /// For how long its agent had been silent, in milliseconds.
        silent_ms: u64,
    },
    /// A node presented its own enrolment token, which somebody with another key had used up before.
    TokenSpent {
        /// Node.
        node: NodeName,
    },
    /// Something to be logged that the machine does not decide: tokens, certificates, audit, revocation.
    Logged(Record),
    /// Time passed. At least once a second while a run is active, else as often as heartbeats are judged.
    Tick {
        /// When each connected agent was last heard, by the coordinator's clock.
        last_seen: Vec<(NodeName, Moment)>,
        /// The heartbeat interval that agents were told, in milliseconds.
        heartbeat_ms: u64,
    },
}
