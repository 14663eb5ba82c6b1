//! What sessions tell the engine, in the model's own words.

use domain::event::{AgentStep, SessionId};
use model::event::NodeEvent;
use model::ids::{Attempt, BootId, Epoch, Incarnation, NodeName, Seq, StepId};
use model::lease::Survey;
use model::moment::{ClockOffset, Moment};
use model::step::ProbeResult;

/// How an agent introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Agent version.
    pub version: String,
    /// The node's boot.
    pub boot: BootId,
    /// Which life of the agent's store.
    pub incarnation: Incarnation,
    /// Highest coordinator epoch that it ever obeyed.
    pub highest_epoch: Epoch,
    /// First number that it still keeps.
    pub first_unacked: Seq,
    /// Last number that it gave; 0 for none.
    pub last_seq: Seq,
}

/// Something came from an agent. For one session the order is `Connected`, anything, `Disconnected`; a newer session of
/// the same node is announced after the older one's end.
#[derive(Debug, Clone, PartialEq)]
pub enum HubEvent {
    /// A session began. Nothing was sent on it yet; the engine owes it a `Welcome`.
    Connected {
        /// Node, from the certificate.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// What it said.
        hello: Hello,
    },
    /// A session ended.
    Disconnected {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// Why.
        reason: Ending,
    },
    /// Numbered events, in the order in which the agent sent them.
    Events {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// The batch.
        events: Vec<NodeEvent>,
    },
    /// The agent's ledger of steps.
    StepStates {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// The ledger.
        states: Vec<AgentStep>,
    },
    /// What the operating system says of a step.
    Probe {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// Step.
        step: StepId,
        /// Attempt that was asked about.
        attempt: Attempt,
        /// The answer.
        result: ProbeResult,
    },
    /// What the node knows of faults.
    Faults {
        /// Node.
        node: NodeName,
        /// The request that it answers.
        request: u64,
        /// The answer.
        survey: Survey,
    },
    /// A sign of life.
    Heartbeat {
        /// Node.
        node: NodeName,
        /// Its session.
        session: SessionId,
        /// When it came, by the coordinator's clock.
        at: Moment,
        /// Wall time on the node.
        node_time: Moment,
        /// The node's monotonic clock, milliseconds.
        monotonic_ms: u64,
        /// The node's clock minus ours, as the agent measured it.
        offset: Option<ClockOffset>,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The agent closed it.
    #[error("the agent closed the session")]
    AgentClosed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The same node opened a newer one.
    #[error("replaced by a newer session")]
    Replaced,
    /// The node was revoked or replaced.
    #[error("the node's identity was revoked")]
    Revoked,
    /// Nothing came for 30 seconds.
    #[error("nothing was heard for 30 s")]
    Silent,
    /// It said something that is not allowed.
    #[error("refused: {0}")]
    Refused(String),
    /// It did not take what was sent.
    #[error("the agent does not read what it is sent")]
    SlowReader,
    /// The engine asked for it.
    #[error("closed by the coordinator: {0}")]
    Closed(String),
    /// The coordinator stops.
    #[error("the coordinator stops")]
    Stopping,
}
