//! Records: the durable truth. A state is the fold of these and of nothing else.

mod class;
mod describe;

use crate::diagnosis::Cause;
use crate::event::SessionId;
use crate::plan::Target;
use model::event::NodeEvent;
use model::fact::Condition;
use model::fault::Fault;
use model::ids::{
    Attempt, BootId, ClusterName, Digest, Epoch, Incarnation, LeaseId, NodeName, RunId, Seq, StepId,
};
use model::lease::{Span, Terms, UndoCause};
use model::moment::Moment;
use model::step::{Lane, ProbeResult};
use serde::{Deserialize, Serialize};

pub use class::Class;
pub use describe::Severity;
pub(crate) use describe::probe as found;

/// One entry of the coordinator's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantNames)]
#[serde(tag = "record", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Record {
    /// A coordinator took over; every session of the one before is gone.
    EpochStarted {
        /// Above every earlier one.
        epoch: Epoch,
    },
    /// An `up` began.
    RunStarted {
        /// Run.
        run: RunId,
        /// Last phase.
        through: u8,
        /// Go on at gates without asking.
        yes: bool,
        /// The plan, stored beside the log under this digest.
        plan_digest: Digest,
    },
    /// From now on the active run asks at no gate: another `up --yes` joined it.
    GatesOpened {
        /// Run.
        run: RunId,
    },
    /// The active run is being cancelled.
    RunCancelling {
        /// Run.
        run: RunId,
    },
    /// The run ended.
    RunFinished {
        /// Run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// Attempts that were handed out in it; waiting for agents is not counted.
        executed: u64,
        /// One line for people.
        message: String,
    },
    /// An attempt was decided on.
    StepIntended {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Name in the plan.
        name: String,
        /// Who performs it.
        target: Target,
        /// Cluster, when it belongs to one.
        cluster: Option<ClusterName>,
        /// Lane on the node; None on the host.
        lane: Option<Lane>,
        /// Whether it was decided on here; false when an agent knew it and this log did not. Older logs do not say.
        #[serde(default)]
        ours: bool,
    },
    /// The order was handed out under this epoch; again after a reconnect when the agent does not know it.
    StepDispatched {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Epoch.
        epoch: Epoch,
    },
    /// Its unit was started.
    StepRunning {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// systemd unit on the node; `host` for a host step.
        unit: String,
        /// The agent's event.
        source: Option<Source>,
    },
    /// How far it is.
    StepProgress {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// One line.
        message: String,
        /// The agent's event.
        source: Option<Source>,
    },
    /// Why it probably waits or fails; the causes are ranked.
    StepDiagnosed {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// At least one, the most probable first.
        causes: Vec<Cause>,
        /// The agent's event; None when the host looked, or the step's own output said so.
        source: Option<Source>,
    },
    /// Done, and observed to be done.
    StepSucceeded {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Milliseconds that the unit ran; 0 when a probe found it done.
        run_ms: u64,
        /// CPU milliseconds that the unit used; 0 when unknown.
        cpu_ms: u64,
        /// Boot of the node in which that was seen.
        boot: Option<BootId>,
        /// The agent's event; None when a probe or the host said so.
        source: Option<Source>,
    },
    /// This attempt failed.
    StepFailed {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Stable code.
        code: String,
        /// Cause first.
        message: String,
        /// Last lines of output, redacted.
        output: String,
        /// The agent's event.
        source: Option<Source>,
    },
    /// Nobody knows; a probe must tell.
    StepUnknown {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// Why it is unknown.
        reason: String,
        /// The agent's event.
        source: Option<Source>,
    },
    /// Stopped on request.
    StepCancelled {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// The agent's event.
        source: Option<Source>,
    },
    /// A probe was asked for.
    StepProbing {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
    },
    /// A probe answered.
    StepProbed {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// What was found.
        result: ProbeResult,
    },
    /// Nothing more is done by itself; a new `up` looks again.
    StepNeedsDecision {
        /// Step.
        step: StepId,
        /// Attempt.
        attempt: Attempt,
        /// What was found, and the first error when there was one.
        reason: String,
    },
    /// From now on only this node may run `kubeadm init` for the cluster.
    InitClaimed {
        /// Cluster.
        cluster: ClusterName,
        /// Node.
        node: NodeName,
        /// The step for which it was claimed.
        step: StepId,
    },
    /// The cluster's API server was healthy once: the point of no return.
    ClusterServed {
        /// Cluster.
        cluster: ClusterName,
    },
    /// Everything of a phase is verified.
    GateReached {
        /// Run.
        run: RunId,
        /// Phase.
        phase: u8,
        /// Promised for this phase, not provided by this release.
        missing: Vec<String>,
    },
    /// The next phase may begin.
    GatePassed {
        /// Run.
        run: RunId,
        /// Phase.
        phase: u8,
    },
    /// An agent said hello.
    AgentConnected {
        /// Node.
        node: NodeName,
        /// Session.
        session: SessionId,
        /// Agent version.
        version: String,
        /// The node's boot.
        boot: BootId,
        /// Which life of the agent's store.
        incarnation: Incarnation,
    },
    /// The agent's ledger was compared with ours; orders may be sent.
    AgentReconciled {
        /// Node.
        node: NodeName,
    },
    /// The session ended; the node may be well.
    AgentDisconnected {
        /// Node.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// Heartbeats are missing; nothing new is sent.
    AgentSuspect {
        /// Node.
        node: NodeName,
        /// What is missing.
        reason: String,
    },
    /// A suspect agent was heard again on the same session.
    AgentRecovered {
        /// Node.
        node: NodeName,
    },
    /// Silent for longer than is usual for a restart.
    AgentLost {
        /// Node.
        node: NodeName,
        /// What is missing.
        reason: String,
    },
    /// A condition of a node changed that only the coordinator can observe.
    ConditionObserved {
        /// Node.
        node: NodeName,
        /// As it is now.
        condition: Condition,
    },
    /// Any other event of an agent, as it was sent.
    Node {
        /// Node.
        node: NodeName,
        /// The event.
        event: NodeEvent,
    },
    /// Numbers of an agent's stream that will never come.
    Gap {
        /// Node.
        node: NodeName,
        /// Stream.
        incarnation: Incarnation,
        /// First missing.
        from: Seq,
        /// Last missing; None when nobody can know.
        to: Option<Seq>,
        /// Why.
        cause: String,
    },
    /// The lab was taken down; all that is known of nodes and their steps is void.
    NodesRemoved {},
    /// A fault may be there from now on.
    LeaseTaken {
        /// The lease.
        lease: LeaseId,
        /// What, and where.
        fault: Fault,
        /// For how long.
        terms: Terms,
        /// When it ends by itself, by this clock.
        deadline: Moment,
    },
    /// The fault is there.
    LeaseInjected {
        /// The lease.
        lease: LeaseId,
        /// Around the call, by this clock.
        called: Span,
        /// Around the injection, by the clock of its place.
        at: Span,
    },
    /// It ends later.
    LeaseRenewed {
        /// The lease.
        lease: LeaseId,
        /// When it ends by itself, by this clock.
        deadline: Moment,
    },
    /// The fault is not there any more.
    LeaseUndone {
        /// The lease.
        lease: LeaseId,
        /// Why.
        cause: UndoCause,
        /// Around the undo, by the clock of its place; None where nothing had to be undone.
        at: Option<Span>,
    },
    /// Somebody did or tried something that matters to security.
    Audit {
        /// Who.
        actor: String,
        /// What.
        action: String,
        /// To whom or what.
        target: String,
        /// `allowed`, `denied` or an error code.
        outcome: String,
    },
    /// A single-use token was made.
    TokenMinted {
        /// For which node.
        node: NodeName,
        /// For which generation of it.
        generation: u64,
        /// The token's public part.
        token: String,
        /// End of validity.
        expires: Moment,
    },
    /// A token was used.
    TokenUsed {
        /// By which node.
        node: NodeName,
        /// Generation.
        generation: u64,
        /// The token's public part.
        token: String,
    },
    /// A certificate was issued.
    CertificateIssued {
        /// URI of the subject.
        subject: String,
        /// Serial number, hexadecimal.
        serial: String,
        /// End of validity.
        not_after: Moment,
    },
    /// All certificates of a node are void from now on.
    NodeRevoked {
        /// Node.
        node: NodeName,
        /// The next generation that may enrol.
        generation: u64,
    },
    /// Something happened in a drill; the drill's own history has the details.
    DrillProgress {
        /// Which run of a drill.
        run: RunId,
        /// Name of the drill.
        drill: String,
        /// Kind of the history's record, for example `fault_injected`.
        what: String,
        /// For people.
        message: String,
    },
}

/// Where in an agent's stream a record comes from; the cursor is implied by these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Node.
    pub node: NodeName,
    /// Stream.
    pub incarnation: Incarnation,
    /// Number in it.
    pub seq: Seq,
    /// Wall time on the node.
    pub time: Moment,
    /// The node's boot.
    pub boot: BootId,
    /// Milliseconds on the node's monotonic clock.
    #[serde(default)]
    pub monotonic_ms: u64,
}

impl Source {
    /// Where `event` is in the stream of `node`.
    pub(crate) fn of(node: &NodeName, event: &NodeEvent) -> Self {
        Self {
            node: node.clone(),
            incarnation: event.incarnation,
            seq: event.seq,
            time: event.time,
            boot: event.boot,
            monotonic_ms: event.monotonic_ms,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every step is done.
    Succeeded,
    /// The operator did not want to go on after a gate.
    StoppedAtGate,
    /// Cancelled.
    Cancelled,
    /// Some steps wait for a person.
    NeedsDecision,
}
