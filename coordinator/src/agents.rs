//! From sessions to the engine: hub events become events of the machine, heartbeats stay in memory, time passes.

use crate::authority::AuditEvent;
use crate::clock;
use crate::engine::EngineHandle;
use crate::faults::News;
use crate::metrics::Metrics;
use crate::offsets::ClockOffsets;
use crate::session_grpc::{AgentHub, HubEvent};
use domain::event::{Event, SessionId};
use domain::record::Record;
use model::ids::{Epoch, Incarnation, LogId, NodeName, Seq};
use model::moment::Moment;
use proto::v1::{self, coordinator_message::Message};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Events of sessions that are looked at together.
const TOGETHER: usize = 256;

/// When each agent was last heard, by the coordinator's clock.
pub type LastSeen = Arc<Mutex<HashMap<NodeName, Moment>>>;

/// What is known of agents beside the log.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When each was last heard.
    pub seen: LastSeen,
    /// How far their clocks are off.
    pub offsets: ClockOffsets,
    /// The heartbeat interval that they are told, milliseconds.
    pub heartbeat_ms: u32,
    /// Where heartbeats are counted.
    pub metrics: Metrics,
}

/// Feeds the engine from the hub until either ends. While the engine is busy for long, what agents tell waits in the hub, which holds
/// them back.
pub async fn listen(
    hub: AgentHub,
    mut events: mpsc::Receiver<HubEvent>,
    engine: EngineHandle,
    known: Known,
    news: News,
    epoch: Epoch,
    log_id: LogId,
) {
    let Known {
        seen,
        offsets,
        heartbeat_ms,
        metrics,
    } = known;
    let mut waiting = Vec::new();
    while events.recv_many(&mut waiting, TOGETHER).await > 0 {
        let expected = expected(&engine, &waiting).await;
        let of_engine = waiting.iter().filter(|event| is_of_engine(event)).count();
        let mut room = engine.room(of_engine).await;
        for event in waiting.drain(..) {
            let event = match event {
                HubEvent::Heartbeat { node, at, offset, .. } => {
                    metrics.heartbeat();
                    note(&seen, &node, at);
                    if let Some(offset) = offset {
                        offsets.note(&node, offset);
                    }
                    None
                }
                HubEvent::Connected { node, session, hello } => {
                    note(&seen, &node, clock::now());
                    let welcome = v1::Welcome {
                        epoch: epoch.0,
                        log_id: log_id.0.to_vec(),
                        expected_seq: expected.get(&session).copied().unwrap_or_default().0,
                        heartbeat_ms,
                        time_micros: clock::now().0,
                    };
                    // Before the machine hears of the session: the agent must know the epoch before any order can reach it.
                    drop(hub.send(&node, Message::Welcome(welcome)));
                    Some(Event::AgentConnected {
                        node,
                        session,
                        version: hello.version,
                        boot: hello.boot,
                        incarnation: hello.incarnation,
                        first_unacked: hello.first_unacked,
                        last_seq: hello.last_seq,
                    })
                }
                HubEvent::Disconnected {
                    node,
                    session,
                    reason,
                } => Some(Event::AgentDisconnected {
                    node,
                    session,
                    reason: reason.to_string(),
                }),
                HubEvent::Events {
                    node,
                    session,
                    events,
                } => {
                    note(&seen, &node, clock::now());
                    news.events(&events);
                    Some(Event::NodeEvents {
                        node,
                        session,
                        events,
                    })
                }
                HubEvent::StepStates {
                    node,
                    session,
                    states,
                } => Some(Event::StepStates {
                    node,
                    session,
                    states,
                }),
                HubEvent::Faults {
                    node,
                    request,
                    survey,
                } => {
                    news.surveyed(&node, request, survey);
                    None
                }
                HubEvent::Probe {
                    node,
                    session,
                    step,
                    attempt,
                    result,
                } => Some(Event::ProbeAnswered {
                    node,
                    session,
                    step,
                    attempt,
                    result,
                }),
            };
            if let Some(event) = event {
                engine.submit_in(&mut room, event);
            }
        }
    }
}

/// Whether the engine hears of it; the rest is noted beside it.
fn is_of_engine(event: &HubEvent) -> bool {
    !matches!(event, HubEvent::Heartbeat { .. } | HubEvent::Faults { .. })
}

/// The next number wanted of each agent that begins a session in `waiting`: one question for all of them, since each waits for a
/// write of the log, and a coordinator that comes back is met by all agents at once. What is before a hello in `waiting` is not
/// counted; an agent that is asked for too much repeats itself, which does no harm.
async fn expected(engine: &EngineHandle, waiting: &[HubEvent]) -> HashMap<SessionId, Seq> {
    let hellos: Vec<_> = waiting
        .iter()
        .filter_map(|event| match event {
            HubEvent::Connected { node, session, hello } => Some((node.clone(), *session, hello.incarnation)),
            _ => None,
        })
        .collect();
    if hellos.is_empty() {
        return HashMap::new();
    }
    let asked = engine.ask(move |state| {
        let of = |(node, session, life): &(NodeName, SessionId, Incarnation)| {
            (*session, state.expected_seq(node, *life))
        };
        hellos.iter().map(of).collect()
    });
    asked.await.unwrap_or_default()
}

/// Writes the audit trail into the log.
pub async fn audit(mut events: mpsc::Receiver<AuditEvent>, engine: EngineHandle) {
    while let Some(event) = events.recv().await {
        let spent = match &event {
            AuditEvent::TokenRefused { spent, .. } => spent.clone(),
            _ => None,
        };
        engine.submit(Event::Logged(record(event)));
        if let Some(node) = spent {
            engine.submit(Event::TokenSpent { node });
        }
    }
}

fn note(seen: &LastSeen, node: &NodeName, at: Moment) {
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(node.clone(), at);
}

fn record(event: AuditEvent) -> Record {
    match event {
        AuditEvent::TokenMinted {
            node,
            token,
            generation,
            expires,
        } => Record::TokenMinted {
            node,
            generation,
            token,
            expires,
        },
        AuditEvent::TokenUsed { node, token, spki } => Record::Audit {
            actor: node.to_string(),
            action: "token_used".into(),
            target: format!("token {token}, key {spki}"),
            outcome: "allowed".into(),
        },
        AuditEvent::TokenRefused {
            claimed,
            peer,
            reason,
            ..
        } => Record::Audit {
            actor: peer,
            action: "enrol".into(),
            target: claimed,
            outcome: reason,
        },
        AuditEvent::CertificateIssued {
            node,
            generation,
            serial,
            not_after,
        } => Record::CertificateIssued {
            subject: format!("{node} generation {generation}"),
            serial: hex::encode(serial.as_bytes()),
            not_after,
        },
        AuditEvent::NodeRevoked { node, generation } => Record::NodeRevoked { node, generation },
        AuditEvent::CallDenied {
            actor,
            method,
            reason,
        } => Record::Audit {
            actor,
            action: method,
            target: String::new(),
            outcome: reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, FROM_AGENTS};
    use crate::envelope::Stamper;
    use crate::journal::MemoryJournal;

    const ID: LogId = LogId([7; 16]);

    /// Tells more than can wait, and says how much of it was taken.
    async fn tell_all(sender: &mpsc::Sender<HubEvent>) -> usize {
        let mut told = 0;
        for _ in 0..4 * FROM_AGENTS {
            let event = HubEvent::StepStates {
                node: NodeName::new("app1-cp").expect("valid"),
                session: SessionId(1),
                states: Vec::new(),
            };
            told += usize::from(sender.try_send(event).is_ok());
            tokio::task::yield_now().await;
        }
        told
    }

    #[tokio::test]
    async fn agents_are_held_back_while_the_engine_is_stuck() {
        let journal = Box::new(MemoryJournal::new(ID));
        let (mut engine, handle, _effects) =
            Engine::open(journal, Stamper::default(), |_| None).expect("folds");
        let (hub, _events) = AgentHub::new(1);
        let (sender, receiver) = mpsc::channel(8);
        let news = News::default();
        tokio::spawn(listen(
            hub,
            receiver,
            handle,
            Known::default(),
            news,
            Epoch(1),
            ID,
        ));
        let told = tell_all(&sender).await;
        assert!(
            (FROM_AGENTS..FROM_AGENTS + TOGETHER).contains(&told),
            "{told} were taken"
        );
        while engine.turn().expect("written") {}
        assert!(tell_all(&sender).await > FROM_AGENTS / 2, "they go on");
    }
}
