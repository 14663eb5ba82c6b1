//! Performs effects, and turns what comes back into events. Nothing is decided here; a message that cannot be sent is
//! dropped, since the machine asks again when the agent is back.

use crate::engine::EngineHandle;
use crate::host_steps::executor::Host;
use crate::session_grpc::AgentHub;
use domain::effect::Effect;
use domain::event::Event;
use model::ids::{Attempt, Epoch, NodeName, StepId};
use model::step::StepOrder;
use proto::convert;
use proto::v1::{self, coordinator_message::Message};
use shell::tasks::Tasks;
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Everything that effects need.
#[derive(Debug)]
pub struct Performer {
    /// Sessions.
    pub hub: AgentHub,
    /// Host steps.
    pub host: Host,
    /// The loop, for answers.
    pub engine: EngineHandle,
    /// Of this process.
    pub epoch: Epoch,
    /// Where host steps run.
    pub tasks: Tasks,
}

impl Performer {
    /// Performs until the engine has ended. A host step ends with the daemon as it does with a killed one: the next life probes.
    pub async fn run(self, mut effects: mpsc::UnboundedReceiver<Effect>) {
        let mut running: HashMap<(StepId, Attempt), CancellationToken> = HashMap::new();
        while let Some(effect) = effects.recv().await {
            running.retain(|_, token| !token.is_cancelled());
            match effect {
                Effect::RunHost { step, attempt } => {
                    let key = (step.id, attempt);
                    if running.contains_key(&key) {
                        continue;
                    }
                    let token = self.tasks.token().child_token();
                    running.insert(key, token.clone());
                    let host = self.host.clone();
                    self.tasks.spawn("host step", async move {
                        let done = token.clone();
                        token.run_until_cancelled(host.run(step, attempt)).await;
                        done.cancel();
                    });
                }
                Effect::CancelHost { step, attempt } => {
                    if let Some(token) = running.remove(&(step, attempt)) {
                        token.cancel();
                    }
                    let outcome = model::step::StepOutcome::Cancelled;
                    self.engine.submit(Event::HostStepFinished {
                        step,
                        attempt,
                        outcome,
                    });
                }
                Effect::ProbeHost { step, attempt } => {
                    let host = self.host.clone();
                    let probe = self.tasks.until_stop(host.probe(step, attempt));
                    self.tasks.spawn("host probe", probe);
                }
                other => self.tell_agent(other),
            }
        }
    }

    fn tell_agent(&self, effect: Effect) {
        match effect {
            Effect::Dispatch { node, order } => {
                self.send(&node, Message::RunStep(convert::run_step(&order, self.epoch)));
            }
            Effect::ListSteps { node } => {
                self.send(&node, Message::ListSteps(v1::ListSteps { epoch: self.epoch.0 }))
            }
            Effect::Probe { node, order } => self.send(&node, Message::ProbeStep(self.probe(&order))),
            Effect::Cancel { node, step, attempt } => {
                let message = v1::CancelStep {
                    epoch: self.epoch.0,
                    step_id: step.0.to_vec(),
                    attempt: attempt.0,
                };
                self.send(&node, Message::CancelStep(message));
            }
            Effect::AckEvents { node, upto, .. } => {
                self.send(&node, Message::Ack(v1::Ack { durable_upto: upto.0 }))
            }
            Effect::Rewind { node, expected } => {
                self.send(
                    &node,
                    Message::Rewind(v1::Rewind {
                        expected_seq: expected.0,
                    }),
                );
            }
            Effect::CloseSession { node, reason } => self.hub.close(&node, reason),
            Effect::RunHost { .. } | Effect::ProbeHost { .. } | Effect::CancelHost { .. } => {}
        }
    }

    fn probe(&self, order: &StepOrder) -> v1::ProbeStep {
        v1::ProbeStep {
            epoch: self.epoch.0,
            step_id: order.step.0.to_vec(),
            attempt: order.attempt.0,
            body: Some(v1::Step::from(&order.body)),
        }
    }

    fn send(&self, node: &NodeName, message: Message) {
        if self.hub.send(node, message).is_err() {
            tracing::debug!(%node, "no session; the machine asks again");
        }
    }
}
