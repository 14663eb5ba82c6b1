//! The decision: what an event means for the state, as records to make durable and effects to perform afterwards.

mod agents;
mod deadlines;
mod diagnosed;
mod draft;
mod gates;
mod outcomes;
mod probes;
mod reach;
mod reconcile;
mod runs;
mod schedule;

use crate::effect::Effect;
use crate::event::Event;
use crate::record::Record;
use model::ids::{Epoch, RunId};
use model::moment::Moment;

use agents::Hello;
use draft::Draft;

pub use crate::state::State;

/// What follows from an event: first the records, durably and in this order, in one batch; then the effects.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Decision {
    /// To be appended, fsynced and applied.
    pub records: Vec<Record>,
    /// To be performed after that.
    pub effects: Vec<Effect>,
    /// Why an operator's request was not followed; nothing was recorded then.
    pub refused: Option<Refused>,
}

/// Why a request was not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another coordinator had the same or a higher epoch.
    #[error("epoch {found} is not above {last}")]
    StaleEpoch {
        /// The log's.
        last: Epoch,
        /// The one that came.
        found: Epoch,
    },
    /// Another plan is being carried out.
    #[error("run {0} with another plan is active")]
    RunActive(RunId),
    /// There is no run to confirm or cancel.
    #[error("no such run is active")]
    NoActiveRun,
    /// The run is not waiting at that gate.
    #[error("the run does not wait at the gate of phase {0}")]
    NotAtGate(u8),
}

/// Decides. Pure: the same state, event and moment give the same decision.
pub fn step(state: &State, event: Event, now: Moment) -> Decision {
    advance(&mut state.clone(), event, now, |_, _| {})
}

/// Decides, and leaves in `state` what the records led to: the same as [`step`] and [`State::apply`] of each, without a copy of a
/// state that grows with the lab. `recorded` sees every record with the state right after it.
pub fn advance(
    state: &mut State,
    event: Event,
    now: Moment,
    mut recorded: impl FnMut(&State, &Record),
) -> Decision {
    let mut draft = Draft::new(std::mem::take(state), now, &mut recorded);
    match event {
        Event::Started { epoch } => draft.started(epoch),
        Event::UpRequested {
            run,
            through,
            yes,
            plan,
        } => draft.up_requested(run, through, yes, plan),
        Event::GateConfirmed { run, phase, go_on } => draft.gate_confirmed(run, phase, go_on),
        Event::CancelRequested => draft.cancel_requested(),
        Event::NodesRemoved => draft.nodes_removed(),
        Event::AgentConnected {
            node,
            session,
            version,
            boot,
            incarnation,
            first_unacked: _,
            last_seq,
        } => {
            draft.connected(Hello {
                node,
                session,
                version,
                boot,
                incarnation,
                last_seq,
            });
        }
        Event::AgentDisconnected {
            node,
            session,
            reason,
        } => draft.disconnected(node, session, reason),
        Event::NodeEvents {
            node,
            session,
            events,
        } => draft.node_events(&node, session, events),
        Event::StepStates {
            node,
            session,
            states,
        } => draft.reconcile(&node, session, &states),
        Event::ProbeAnswered {
            node,
            session,
            step,
            attempt,
            result,
        } => {
            if draft.is_session(&node, session) {
                draft.probed(step, attempt, result);
            }
        }
        Event::HostStepFinished {
            step,
            attempt,
            outcome,
        } => draft.host_finished(step, attempt, outcome),
        Event::HostProbeAnswered {
            step,
            attempt,
            result,
        } => draft.probed(step, attempt, result),
        Event::HostProgress {
            step,
            attempt,
            message,
        } => draft.host_progress(step, attempt, message),
        Event::HostEvidence {
            step,
            attempt,
            evidence,
        } => draft.diagnosed(step, attempt, &evidence, None),
        Event::Reachability {
            node,
            signs,
            silent_ms,
        } => draft.reachability(node, signs, silent_ms),
        Event::TokenSpent { node } => draft.token_spent(&node),
        Event::Logged(record) => draft.record(record),
        Event::Tick {
            last_seen,
            heartbeat_ms,
        } => draft.tick(&last_seen, heartbeat_ms),
    }
    draft.schedule();
    *state = draft.state;
    draft.decision
}
