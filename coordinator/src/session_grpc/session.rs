//! One session from hello to end.

use super::AgentService;
use super::event::{Ending, Hello, HubEvent};
use super::hub::Outbound;
use crate::authority::{AuditEvent, NodeIdentity, audit_text};
use crate::net::Peer;
use domain::event::{AgentPhase, AgentStep, SessionId};
use model::Invalid;
use model::ids::{Attempt, Epoch, Seq};
use model::moment::{ClockOffset, Moment};
use prost::Message as _;
use proto::v1::agent_message::Message;
use proto::v1::coordinator_message::Message as ToAgent;
use proto::{convert, v1};
use rand::Rng;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Status, Streaming};

/// Messages to an agent that may wait; the engine never waits for an agent.
const QUEUE: usize = 256;

/// Longest wait for the first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Without any message for this long the session is over; heartbeats come every 5 s at the slowest.
const SILENCE: Duration = Duration::from_secs(30);

/// Sessions are renewed at this age, give or take a fifth, so that no connection lives forever.
const AGE: Duration = Duration::from_secs(3600);

/// Most events in one batch.
const MAX_BATCH: usize = 256;

/// Events per second that are taken from one node, and how many at once. Of what is no event so many bytes count as one, and of an
/// event that is larger.
const EVENT_RATE: f64 = 500.0;
const EVENT_BURST: f64 = 5000.0;
const EVENT_BYTES: usize = 2048;

/// Heartbeats of a session that are all answered, and how often later ones are.
const ECHO_ALL: u64 = 3;
const ECHO_EVERY: u64 = 8;

/// A clock that is off by more than this, or not known better than this, was not measured.
const CREDIBLE_MICROS: u64 = 400 * 86_400 * 1_000_000;

/// How long a revoked node gets to read why, before its connection is cut.
const LAST_WORD: Duration = Duration::from_millis(500);

pub(super) fn outbound() -> (Outbound, mpsc::Receiver<Result<v1::CoordinatorMessage, Status>>) {
    mpsc::channel(QUEUE)
}

pub(super) struct Session {
    pub(super) service: AgentService,
    pub(super) node: NodeIdentity,
    pub(super) peer: Peer,
    pub(super) outbound: Outbound,
}

impl Session {
    pub(super) async fn run(self, mut inbound: Streaming<v1::AgentMessage>) {
        let ending = match self.hello(&mut inbound).await {
            Ok(hello) => {
                let hub = &self.service.hub;
                let (id, ended) = hub.enter(&self.node.name, hello, self.outbound.clone()).await;
                tracing::info!(node = %self.node.name, session = id.0, "agent connected");
                let ending = self.converse(id, &mut inbound, ended).await;
                tracing::info!(node = %self.node.name, session = id.0, %ending, "agent disconnected");
                hub.leave(&self.node.name, id, ending.clone()).await;
                ending
            }
            Err(ending) => ending,
        };
        self.last_word(ending).await;
    }

    async fn hello(&self, inbound: &mut Streaming<v1::AgentMessage>) -> Result<Hello, Ending> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, inbound.message()).await;
        let first = first
            .map_err(|_| Ending::Silent)?
            .map_err(|status| broken(&status))?;
        let message = first.ok_or(Ending::AgentClosed)?.message;
        let Some(Message::Hello(hello)) = message else {
            return Err(Ending::Refused("the first message must be Hello".to_owned()));
        };
        if hello.node != self.node.name.as_str() {
            self.service.audit.record([AuditEvent::CallDenied {
                actor: self.peer.label(),
                method: "/drillyard.v1.AgentLink/Session".to_owned(),
                reason: format!("it called itself {}", audit_text(&hello.node)),
            }]);
            return Err(Ending::Refused("the name is not the certificate's".to_owned()));
        }
        read_hello(hello).map_err(refused)
    }

    async fn converse(
        &self,
        id: SessionId,
        inbound: &mut Streaming<v1::AgentMessage>,
        mut ended: watch::Receiver<Option<Ending>>,
    ) -> Ending {
        let mut revocations = self.service.authority.revocations();
        let mut bucket = Bucket {
            tokens: EVENT_BURST,
            at: Instant::now(),
        };
        let mut reconnect_at = Instant::now() + AGE.mul_f64(rand::rng().random_range(0.8..1.2));
        let mut silent_at = Instant::now() + SILENCE;
        // Revoked between the check of the call and the first look at `revocations`.
        if self.service.authority.check(&self.node).is_err() {
            return Ending::Revoked;
        }
        loop {
            tokio::select! {
                biased;
                ending = self.cut_off(&mut ended, &mut revocations) => return ending,
                () = tokio::time::sleep_until(silent_at) => return Ending::Silent,
                () = tokio::time::sleep_until(reconnect_at) => {
                    reconnect_at += AGE;
                    let message = ToAgent::Reconnect(v1::Reconnect { reason: "the session is old".to_owned() });
                    let message = v1::CoordinatorMessage { message: Some(message) };
                    if self.outbound.try_send(Ok(message)).is_err() {
                        return Ending::SlowReader;
                    }
                }
                message = inbound.message() => {
                    match message {
                        Ok(Some(message)) => {
                            // Whoever is held back must hear of its end all the same.
                            let taken = tokio::select! {
                                biased;
                                ending = self.cut_off(&mut ended, &mut revocations) => return ending,
                                taken = self.take(id, message, &mut bucket) => taken,
                            };
                            if let Err(invalid) = taken {
                                return refused(invalid);
                            }
                        }
                        Ok(None) => return Ending::AgentClosed,
                        Err(status) => return broken(&status),
                    }
                    // It was not silent while it was held back.
                    silent_at = Instant::now() + SILENCE;
                }
            }
        }
    }

    /// Waits until somebody else ends the session: the daemon's stop, a newer session of the node, a revocation.
    async fn cut_off(
        &self,
        ended: &mut watch::Receiver<Option<Ending>>,
        revocations: &mut watch::Receiver<u64>,
    ) -> Ending {
        let stopping = self.service.tasks.token();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Ending::Stopping,
                reason = end_asked_for(ended) => return reason,
                // After its authority nobody revokes any more.
                Ok(()) = revocations.changed() => {
                    if self.service.authority.check(&self.node).is_err() {
                        return Ending::Revoked;
                    }
                }
            }
        }
    }

    async fn take(
        &self,
        session: SessionId,
        message: v1::AgentMessage,
        bucket: &mut Bucket,
    ) -> Result<(), Invalid> {
        let cost = cost(&message);
        let event = self.read(session, message)?;
        bucket.take(cost).await;
        if let Some(event) = event {
            self.service.hub.tell(event).await;
        }
        Ok(())
    }

    /// What the engine is to hear of a message, if anything.
    fn read(&self, session: SessionId, message: v1::AgentMessage) -> Result<Option<HubEvent>, Invalid> {
        let node = self.node.name.clone();
        let event = match message.message {
            Some(Message::Heartbeat(beat)) => {
                let at = (self.service.clock)();
                self.echo(&beat, at);
                HubEvent::Heartbeat {
                    node,
                    session,
                    at,
                    node_time: Moment(beat.time_micros),
                    monotonic_ms: beat.monotonic_ms,
                    offset: offset_of(&beat),
                }
            }
            Some(Message::Events(batch)) => {
                if batch.events.len() > MAX_BATCH {
                    let found = batch.events.len().to_string();
                    return Err(Invalid::new(
                        "events",
                        found,
                        format!("are more than {MAX_BATCH}"),
                    ));
                }
                let events = batch.events.into_iter().map(convert::event_from_wire);
                HubEvent::Events {
                    node,
                    session,
                    events: events.collect::<Result<_, _>>()?,
                }
            }
            Some(Message::StepStates(states)) => {
                let states = states
                    .states
                    .into_iter()
                    .map(read_state)
                    .collect::<Result<_, _>>()?;
                HubEvent::StepStates {
                    node,
                    session,
                    states,
                }
            }
            Some(Message::Probe(answer)) => HubEvent::Probe {
                node,
                session,
                step: convert::step_id(&answer.step_id)?,
                attempt: Attempt(answer.attempt),
                result: convert::probe_from_wire(&answer.result_json)?,
            },
            Some(Message::Faults(answer)) => HubEvent::Faults {
                node,
                request: answer.request,
                survey: convert::survey_from_wire(&answer.survey_json)?,
            },
            Some(Message::Log(part)) => {
                self.service.hub.log_part(&node, part);
                return Ok(None);
            }
            Some(Message::Hello(_)) => return Err(Invalid::new("hello", "", "was said before")),
            None => return Err(Invalid::new("message", "", "is empty or of an unknown kind")),
        };
        Ok(Some(event))
    }

    /// Answers the first heartbeats and then each eighth, so that the agent can measure its clock. One that does not fit
    /// into the queue is left out: it would measure the queue.
    fn echo(&self, beat: &v1::Heartbeat, received: Moment) {
        if beat.sent > ECHO_ALL && !beat.sent.is_multiple_of(ECHO_EVERY) {
            return;
        }
        let echo = v1::HeartbeatEcho {
            sent: beat.sent,
            node_micros: beat.time_micros,
            received_micros: received.0,
            time_micros: (self.service.clock)().0,
        };
        let message = v1::CoordinatorMessage {
            message: Some(ToAgent::HeartbeatEcho(echo)),
        };
        drop(self.outbound.try_send(Ok(message)));
    }

    /// Tells the agent why; a revoked one also loses its connection, with whatever else runs on it.
    async fn last_word(self, ending: Ending) {
        let text = ending.to_string();
        let status = match ending {
            Ending::Revoked => Status::unauthenticated(text),
            Ending::Refused(_) => Status::invalid_argument(text),
            Ending::Replaced => Status::aborted(text),
            _ => Status::unavailable(text),
        };
        drop(self.outbound.try_send(Err(status)));
        drop(self.outbound);
        if ending == Ending::Revoked {
            tokio::time::sleep(LAST_WORD).await;
            self.peer.cut.cancel();
        }
    }
}

/// How many events a message is worth. Any kind takes memory until the engine has read it.
fn cost(message: &v1::AgentMessage) -> usize {
    let events = match &message.message {
        Some(Message::Events(batch)) => batch.events.len(),
        _ => 1,
    };
    events.max(message.encoded_len().div_ceil(EVENT_BYTES))
}

/// Limits the rate of messages by holding the reader back, which holds the agent back; nothing is dropped.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    async fn take(&mut self, count: usize) {
        let now = Instant::now();
        let earned = (now - self.at).as_secs_f64() * EVENT_RATE;
        let wanted = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.tokens = (self.tokens + earned).min(EVENT_BURST) - wanted;
        self.at = now;
        if self.tokens < 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.tokens / EVENT_RATE)).await;
        }
    }
}

/// The hub's reason; a hub that forgot the session did so for a newer one.
async fn end_asked_for(ended: &mut watch::Receiver<Option<Ending>>) -> Ending {
    let asked = ended.wait_for(Option::is_some).await;
    asked
        .ok()
        .and_then(|reason| reason.clone())
        .unwrap_or(Ending::Replaced)
}

fn read_hello(hello: v1::Hello) -> Result<Hello, Invalid> {
    Ok(Hello {
        version: audit_text(&hello.agent_version),
        boot: convert::boot_id(&hello.boot_id)?,
        incarnation: convert::incarnation(&hello.incarnation)?,
        highest_epoch: Epoch(hello.highest_epoch),
        first_unacked: Seq(hello.first_unacked_seq),
        last_seq: Seq(hello.last_seq),
    })
}

fn read_state(state: v1::StepState) -> Result<AgentStep, Invalid> {
    use v1::step_state::Phase;
    let phase = match Phase::try_from(state.phase) {
        Ok(Phase::Accepted) => AgentPhase::Accepted,
        Ok(Phase::Started) => AgentPhase::Started,
        Ok(Phase::Finished) => AgentPhase::Finished,
        Ok(Phase::Unspecified) | Err(_) => {
            return Err(Invalid::new(
                "phase",
                state.phase.to_string(),
                "is not a phase of a step",
            ));
        }
    };
    Ok(AgentStep {
        step: convert::step_id(&state.step_id)?,
        attempt: Attempt(state.attempt),
        phase,
    })
}

fn offset_of(beat: &v1::Heartbeat) -> Option<ClockOffset> {
    let (offset_micros, bound_micros) = (beat.offset_micros?, beat.bound_micros?);
    (offset_micros.unsigned_abs().max(bound_micros) <= CREDIBLE_MICROS).then_some(ClockOffset {
        offset_micros,
        bound_micros,
    })
}

fn refused(invalid: Invalid) -> Ending {
    Ending::Refused(invalid.to_string())
}

fn broken(status: &Status) -> Ending {
    Ending::Broken(audit_text(status.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(message: Message) -> usize {
        cost(&v1::AgentMessage {
            message: Some(message),
        })
    }

    #[test]
    fn every_message_costs_by_its_events_or_its_bytes() {
        let events = |count, bytes| {
            let event = v1::NodeEvent {
                body_json: vec![b' '; bytes],
                ..v1::NodeEvent::default()
            };
            Message::Events(v1::EventBatch {
                events: vec![event; count],
            })
        };
        assert_eq!(costs(events(200, 300)), 200);
        assert_eq!(costs(events(1, 10 * EVENT_BYTES)), 11);
        assert_eq!(costs(Message::Heartbeat(v1::Heartbeat::default())), 1);
        let state = v1::StepState {
            step_id: vec![1; 32],
            ..v1::StepState::default()
        };
        let states = vec![state; super::super::MAX_FROM_AGENT / 40];
        let ledger = costs(Message::StepStates(v1::StepStates { states }));
        assert!(ledger > 20, "a full one costs {ledger}");
    }
}
