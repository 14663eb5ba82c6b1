//! One session: hello, then events and heartbeats out, orders in, until either side ends it.

use super::context::{Context, Failure};
use super::log_grpc;
use super::offset::Offset;
use super::outbox::{BATCH_BYTES, BATCH_EVENTS, Expectation, Outbox};
use super::secrets_grpc::Link;
use super::steps::Steps;
use crate::clock;
use crate::exec::protocol::{Reply, Request};
use crate::failpoint::{Arrow, reach};
use crate::journal::{self, StepPhase};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, Epoch, Incarnation, Seq};
use model::lease::Survey;
use model::moment::Moment;
use model::step::ProbeResult;
use proto::convert;
use proto::v1::agent_message::Message as Out;
use proto::v1::coordinator_message::Message as In;
use proto::v1::step_state::Phase;
use proto::v1::{
    AgentMessage, CoordinatorMessage, EventBatch, FaultSurvey, Heartbeat, Hello, ProbeAnswer, ProbeStep,
    StepState, StepStates, SurveyFaults, Welcome,
};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const ANSWER: Duration = Duration::from_secs(10);
const HEARTBEAT_MS: std::ops::RangeInclusive<u64> = 500..=5000;
/// Ledger entries told at most, latest first: one message must hold them.
const LISTED: usize = 500;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The connection broke, or the other side was silent or spoke nonsense.
    Lost(String),
    /// The coordinator asked for a new session.
    Asked(String),
    /// This node began a new life of its journal and must say so.
    Renewed,
    /// The journal failed.
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

/// Holds a session over `link`; `ready` is told when the coordinator has welcomed it.
pub(super) async fn hold(steps: Steps, link: Link, ready: oneshot::Sender<()>) -> End {
    let (out, stream) = mpsc::channel(16);
    match open(&steps, link, &out, stream).await {
        Ok((session, inbound, welcome)) => {
            let _ = ready.send(());
            session.run(steps, inbound, out, welcome).await
        }
        Err(end) => end,
    }
}

struct Session {
    context: Context,
    incarnation: Incarnation,
    outbox: Outbox,
    queue: VecDeque<Out>,
    answers: mpsc::UnboundedSender<Out>,
    answered: mpsc::UnboundedReceiver<Out>,
    offset: Offset,
}

async fn open(
    steps: &Steps,
    mut link: Link,
    out: &mpsc::Sender<AgentMessage>,
    stream: mpsc::Receiver<AgentMessage>,
) -> Result<(Session, Streaming<CoordinatorMessage>, Welcome), End> {
    let context = steps.context.clone();
    let position = *context.journal.position().borrow();
    let hello = Hello {
        node: context.node.to_string(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        boot_id: context.boot.0.to_vec(),
        incarnation: position.incarnation.0.to_vec(),
        highest_epoch: steps.epoch().0,
        first_unacked_seq: position.first_unacked.0,
        last_seq: position.last.0,
    };
    let lost = |what: &str| End::Lost(what.to_owned());
    out.send(AgentMessage {
        message: Some(Out::Hello(hello)),
    })
    .await
    .map_err(|_| lost("no stream"))?;
    let call = link.session(ReceiverStream::new(stream));
    let answered = tokio::time::timeout(ANSWER, call)
        .await
        .map_err(|_| lost("no answer"))?;
    let mut inbound = answered
        .map_err(|status| End::Lost(status.message().to_owned()))?
        .into_inner();
    let first = tokio::time::timeout(ANSWER, inbound.message())
        .await
        .map_err(|_| lost("no welcome"))?;
    let Ok(Some(CoordinatorMessage {
        message: Some(In::Welcome(welcome)),
    })) = first
    else {
        return Err(lost("something else came before the welcome"));
    };
    if !steps.obey(Epoch(welcome.epoch)).await? {
        return Err(lost("the coordinator's epoch is over"));
    }
    let (answers, answered) = mpsc::unbounded_channel();
    let (outbox, _) = Outbox::expect(Seq(1), position);
    let (incarnation, queue) = (position.incarnation, VecDeque::new());
    Ok((
        Session {
            context,
            incarnation,
            outbox,
            queue,
            answers,
            answered,
            offset: Offset::default(),
        },
        inbound,
        welcome,
    ))
}

impl Session {
    async fn run(
        mut self,
        steps: Steps,
        mut inbound: Streaming<CoordinatorMessage>,
        out: mpsc::Sender<AgentMessage>,
        welcome: Welcome,
    ) -> End {
        let every = Duration::from_millis(
            u64::from(welcome.heartbeat_ms).clamp(*HEARTBEAT_MS.start(), *HEARTBEAT_MS.end()),
        );
        let mut heartbeat = tokio::time::interval(every);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut beats = 0;
        if let Err(end) = self.expect(Seq(welcome.expected_seq)).await {
            return end;
        }
        let mut position = self.context.journal.position();
        loop {
            let pending = !self.queue.is_empty() || self.outbox.next(position.borrow().last).is_some();
            let done = tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => self.received(&steps, message).await,
                    Ok(None) => Err(End::Lost("the coordinator closed the session".into())),
                    Err(status) => Err(End::Lost(status.message().to_owned())),
                },
                permit = out.reserve(), if pending => match permit {
                    Ok(permit) => self.next(&mut position).await.map(|message| {
                        if let Some(message) = message {
                            permit.send(AgentMessage { message: Some(message) });
                        }
                    }),
                    Err(_) => Err(End::Lost("the stream is closed".into())),
                },
                Some(answer) = self.answered.recv() => {
                    self.queue.push_back(answer);
                    Ok(())
                }
                changed = position.changed() => match changed {
                    Ok(()) if position.borrow().incarnation != self.incarnation => Err(End::Renewed),
                    Ok(()) => Ok(()),
                    Err(_) => Err(End::Lost("the journal ended".into())),
                },
                _ = heartbeat.tick() => {
                    beats += 1;
                    self.beat(beats);
                    Ok(())
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// One heartbeat waits at most: an older one that was not sent yet says nothing that this one does not.
    fn beat(&mut self, sent: u64) {
        self.queue.retain(|out| !matches!(out, Out::Heartbeat(_)));
        let known = self.offset.best();
        self.queue.push_front(Out::Heartbeat(Heartbeat {
            monotonic_ms: clock::monotonic_ms(),
            time_micros: clock::now().0,
            sent,
            offset_micros: known.map(|known| known.offset_micros),
            bound_micros: known.map(|known| known.bound_micros),
        }));
    }

    /// What goes out next: answers and heartbeats before events.
    async fn next(
        &mut self,
        position: &mut tokio::sync::watch::Receiver<journal::Position>,
    ) -> Result<Option<Out>, End> {
        if let Some(message) = self.queue.pop_front() {
            return Ok(Some(message));
        }
        let known = *position.borrow_and_update();
        let Some(from) = self.outbox.next(known.last) else {
            return Ok(None);
        };
        let events = self
            .context
            .journal
            .read(from, BATCH_EVENTS)
            .await
            .map_err(Failure::from)?;
        if events.is_empty() {
            self.outbox
                .nothing_kept(known.last, position.borrow().first_unacked);
            return Ok(None);
        }
        let mut size = 0;
        let mut batch = Vec::new();
        for event in events {
            let wire = convert::event_to_wire(&event);
            size += wire.body_json.len() + 128;
            if size > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            self.outbox.sent(event.seq);
            batch.push(wire);
        }
        Ok(Some(Out::Events(EventBatch { events: batch })))
    }

    /// Moves the window to where the coordinator wants it.
    async fn expect(&mut self, expected: Seq) -> Result<(), End> {
        let position = *self.context.journal.position().borrow();
        let (outbox, expectation) = Outbox::expect(expected, position);
        self.outbox = outbox;
        match expectation {
            // An acknowledgement that got lost is said by what is expected too.
            Expectation::Fits => {
                let forgettable = self.outbox.forgettable();
                let acked = self.context.journal.ack(forgettable).await;
                Ok(acked.map_err(Failure::from)?)
            }
            Expectation::Gone { from, to } => {
                let stamp = self.context.draft(NodeEventKind::StoreLost {
                    reason: String::new(),
                });
                let stamp = NodeEvent {
                    incarnation: position.incarnation,
                    seq: to,
                    time: stamp.time,
                    monotonic_ms: stamp.monotonic_ms,
                    boot: stamp.boot,
                    kind: stamp.kind,
                };
                let event = journal::dropped(&stamp, from, to, "acknowledged earlier, and removed since");
                let events = vec![convert::event_to_wire(&event)];
                self.queue.push_back(Out::Events(EventBatch { events }));
                Ok(())
            }
            Expectation::Ahead => {
                let reason = format!(
                    "the coordinator has events up to {}, the journal ends at {}",
                    expected, position.last
                );
                let stamp = self.context.draft(NodeEventKind::StoreLost {
                    reason: String::new(),
                });
                self.context
                    .journal
                    .renew(reason, stamp)
                    .await
                    .map_err(Failure::from)?;
                Err(End::Renewed)
            }
        }
    }

    async fn received(&mut self, steps: &Steps, message: CoordinatorMessage) -> Result<(), End> {
        match message.message {
            Some(In::RunStep(run)) => {
                let epoch = Epoch(run.epoch);
                match convert::order(run) {
                    Ok(order) => steps.order(epoch, order).await?,
                    // Without a valid body there is no step to refuse by; the coordinator's own tests catch this.
                    Err(invalid) => {
                        tracing::error!(%invalid, "an order that breaks the model's rules was dropped")
                    }
                }
            }
            Some(In::CancelStep(cancel)) => {
                if let Ok(step) = convert::step_id(&cancel.step_id) {
                    steps
                        .cancel(Epoch(cancel.epoch), step, Attempt(cancel.attempt))
                        .await?;
                }
            }
            Some(In::ListSteps(_)) => self.queue.push_back(Out::StepStates(listed(steps))),
            Some(In::ProbeStep(probe)) => self.probe(steps, probe),
            Some(In::SurveyFaults(SurveyFaults { request })) => self.survey(request),
            Some(In::ReadLog(wanted)) => log_grpc::read(&self.context.helper, &self.answers, wanted),
            Some(In::Ack(ack)) => {
                self.outbox.acked(Seq(ack.durable_upto));
                self.context
                    .journal
                    .ack(self.outbox.forgettable())
                    .await
                    .map_err(Failure::from)?;
                reach(Arrow::Acknowledged);
            }
            Some(In::Rewind(rewind)) => self.expect(Seq(rewind.expected_seq)).await?,
            Some(In::HeartbeatEcho(echo)) => {
                let [asked, taken, answered] =
                    [echo.node_micros, echo.received_micros, echo.time_micros].map(Moment);
                self.offset.heard(asked, taken, answered, clock::now());
                self.context.clock.send_replace(self.offset.best());
            }
            Some(In::Reconnect(reconnect)) => return Err(End::Asked(reconnect.reason)),
            Some(In::Welcome(_)) => return Err(End::Lost("a second welcome".into())),
            // A message of a later release: nothing this one could do with it.
            None => {}
        }
        Ok(())
    }

    /// Looks in a task of its own. A helper that cannot look is told as residue: nothing may pass for clean unseen.
    fn survey(&self, request: u64) {
        let (helper, answers) = (self.context.helper.clone(), self.answers.clone());
        tokio::spawn(async move {
            let survey = match helper.ask(&Request::Survey).await {
                Ok(Reply::Surveyed { survey }) => survey,
                other => Survey {
                    residue: vec![format!("the node could not be looked at: {other:?}")],
                    ..Survey::default()
                },
            };
            let survey_json = convert::survey_to_wire(&survey);
            let _ = answers.send(Out::Faults(FaultSurvey { request, survey_json }));
        });
    }

    /// Looks in a task of its own, since looking takes time; a lower epoch gets no answer. A helper that is away says nothing
    /// of the step, so it is asked until it answers or the session is over.
    fn probe(&self, steps: &Steps, probe: ProbeStep) {
        let epoch = Epoch(probe.epoch);
        let Ok(order) = convert::probe_step(probe) else {
            return;
        };
        if epoch < steps.epoch() {
            return;
        }
        let (helper, answers) = (self.context.helper.clone(), self.answers.clone());
        tokio::spawn(async move {
            let (step_id, attempt) = (order.step.0.to_vec(), order.attempt.0);
            let request = Request::Probe { order };
            let reply = tokio::select! {
                reply = helper.ask_until(&request) => reply,
                () = answers.closed() => return,
            };
            let result = match reply {
                Reply::Probed { result } => result,
                other => ProbeResult::Broken {
                    detail: format!("the root helper answered {other:?}"),
                },
            };
            let result_json = convert::probe_to_wire(&result);
            // The session may have ended meanwhile; the next one is asked again.
            let _ = answers.send(Out::Probe(ProbeAnswer {
                step_id,
                attempt,
                result_json,
            }));
        });
    }
}

fn listed(steps: &Steps) -> StepStates {
    let mut records = steps.records();
    records.sort_unstable_by_key(|r| std::cmp::Reverse(r.at));
    let state = |record: &journal::StepRecord| StepState {
        step_id: record.step().0.to_vec(),
        attempt: record.attempt().0,
        phase: match record.phase {
            StepPhase::Accepted => Phase::Accepted,
            StepPhase::Started { .. } => Phase::Started,
            StepPhase::Finished { .. } | StepPhase::Reported { .. } => Phase::Finished,
        }
        .into(),
    };
    StepStates {
        states: records.iter().take(LISTED).map(state).collect(),
    }
}
