//! One attempt of one step, from where the journal left it to its report.

use super::context::Failure;
use super::evidence;
use super::helper::result_of;
use super::secrets_grpc;
use super::steps::Steps;
use crate::codes;
use crate::exec::protocol::{Reply, Request};
use crate::failpoint::{Arrow, reach};
use crate::journal::{StepPhase, StepRecord};
use crate::secret::Secret;
use crate::step::StepResult;
use model::event::NodeEventKind;
use model::step::StepOutcome;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a full disk is waited out between tries to write what must be written.
const FULL: Duration = Duration::from_secs(2);

/// The task's own end.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) steps: Steps,
    pub(super) record: StepRecord,
    pub(super) ended: mpsc::UnboundedReceiver<StepResult>,
    pub(super) cancelled: watch::Receiver<bool>,
}

impl Attempt {
    /// Runs to the report.
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        loop {
            match self.record.phase.clone() {
                StepPhase::Accepted => self.start().await?,
                StepPhase::Started { boot } if boot == self.steps.context.boot => {
                    // Found in the journal: it holds its lane until it ends, as it did before.
                    let steps = self.steps.clone();
                    let _turn = steps.turn(self.record.order.body.lane()).await;
                    self.attend(None).await?;
                }
                StepPhase::Started { .. } => self.after_reboot().await?,
                StepPhase::Finished { outcome } => self.report(outcome).await?,
                StepPhase::Reported { .. } => return Ok(()),
            }
        }
    }

    /// Waits for the lane, gets the secret, has the unit started, and stays until it ended.
    async fn start(&mut self) -> Result<(), Failure> {
        let steps = self.steps.clone();
        let _turn = steps.turn(self.record.order.body.lane()).await;
        if *self.cancelled.borrow() {
            return self.finish(StepOutcome::Cancelled).await;
        }
        let secret = match self.secret().await {
            Ok(secret) => secret,
            Err(outcome) => return self.finish(outcome).await,
        };
        let boot = self.steps.context.boot;
        let unit = format!(
            "drillyard-step-{}-{}.service",
            self.record.step().short(),
            self.record.attempt()
        );
        let (step, attempt) = (self.record.step(), self.record.attempt());
        let event = NodeEventKind::StepStarted { step, attempt, unit };
        self.advance(StepPhase::Started { boot }, Some(event)).await?;
        reach(Arrow::Started);
        self.attend(Some(secret)).await
    }

    /// Asks the helper to start it, or where it is, until it has ended. Asking to start again is harmless.
    async fn attend(&mut self, secret: Option<Option<Secret>>) -> Result<(), Failure> {
        let context = self.steps.context.clone();
        let (step, attempt) = (self.record.step(), self.record.attempt());
        let mut connected = context.helper.connected.clone();
        connected.mark_unchanged();
        let mut reply = match secret {
            Some(secret) => {
                let request = Request::Start {
                    order: self.record.order.clone(),
                    secret,
                };
                Some(context.helper.ask_until(&request).await)
            }
            None => context.helper.look(step, attempt).await,
        };
        reach(Arrow::Dispatched);
        let _looking = evidence::look(&context, &self.record.order);
        loop {
            match reply {
                // The helper never heard of it: we were ended between writing and asking.
                None => return self.advance(StepPhase::Accepted, None).await,
                Some(Reply::Running { .. }) => {}
                Some(Reply::Refused { code, reason }) => {
                    return self
                        .finish(StepOutcome::Failed {
                            code,
                            message: reason,
                            output: String::new(),
                        })
                        .await;
                }
                Some(other) => {
                    if let Some(result) = result_of(other) {
                        return self.finish(result.outcome).await;
                    }
                }
            }
            reply = tokio::select! {
                // Closed, it would be ready at every turn: then only a look may tell.
                Some(result) = self.ended.recv() => {
                    if result.attempt == attempt {
                        Some(Reply::Finished { result })
                    } else {
                        context.helper.look(step, attempt).await
                    }
                },
                // While nobody listened it may have ended.
                _ = connected.changed() => context.helper.look(step, attempt).await,
            };
        }
    }

    /// The unit went with the boot; its result may be there all the same.
    async fn after_reboot(&mut self) -> Result<(), Failure> {
        let known = self
            .steps
            .context
            .helper
            .look(self.record.step(), self.record.attempt())
            .await;
        let outcome = match known.and_then(result_of) {
            Some(result) => result.outcome,
            None => StepOutcome::Unknown {
                reason: "the node rebooted".into(),
            },
        };
        self.finish(outcome).await
    }

    /// The outcome is kept; where a secret has to be handed over first, the report waits for that.
    async fn finish(&mut self, outcome: StepOutcome) -> Result<(), Failure> {
        let hands_over = self.hands_over(&outcome);
        if hands_over {
            self.advance(StepPhase::Finished { outcome }, None).await?;
            reach(Arrow::Finished);
            return Ok(());
        }
        self.advance_reported(outcome).await
    }

    async fn report(&mut self, outcome: StepOutcome) -> Result<(), Failure> {
        let outcome = if self.hands_over(&outcome) {
            let (step, attempt) = (self.record.step(), self.record.attempt());
            let reply = self
                .steps
                .context
                .helper
                .ask_until(&Request::YieldedSecret { step, attempt })
                .await;
            match reply {
                Reply::Secret { value: Some(secret) } => {
                    let taken = secrets_grpc::put(&self.steps.context, &self.record.order, &secret).await;
                    reach(Arrow::HandedOver);
                    self.steps
                        .context
                        .helper
                        .ask_until(&Request::Forget { step, attempt })
                        .await;
                    if taken {
                        outcome
                    } else {
                        // A success whose yield is nowhere would be one for good; this has the coordinator look, and run it again.
                        StepOutcome::Unknown {
                            reason: "the coordinator did not take what the step yielded".into(),
                        }
                    }
                }
                _ => StepOutcome::Unknown {
                    reason: "what the step yielded went with a reboot".into(),
                },
            }
        } else {
            outcome
        };
        self.advance_reported(outcome).await
    }

    fn hands_over(&self, outcome: &StepOutcome) -> bool {
        matches!(outcome, StepOutcome::Succeeded { .. }) && self.record.order.body.yields_secret().is_some()
    }

    async fn advance_reported(&mut self, outcome: StepOutcome) -> Result<(), Failure> {
        let (step, attempt) = (self.record.step(), self.record.attempt());
        let event = NodeEventKind::StepFinished {
            step,
            attempt,
            outcome: outcome.clone(),
        };
        self.advance(StepPhase::Reported { outcome }, Some(event)).await?;
        reach(Arrow::Reported);
        Ok(())
    }

    /// Writes the next phase. A transition of a running step must not be lost to a full disk: it is tried until it fits.
    async fn advance(&mut self, phase: StepPhase, event: Option<NodeEventKind>) -> Result<(), Failure> {
        self.record.phase = phase;
        self.record.at = crate::clock::now();
        loop {
            match self.steps.write(&self.record, event.clone()).await {
                Err(Failure::Full) => tokio::time::sleep(FULL).await,
                other => return other,
            }
        }
    }

    /// The secret the step takes, or the outcome when there is none to be had.
    async fn secret(&mut self) -> Result<Option<Secret>, StepOutcome> {
        let Some(name) = self.record.order.body.needs_secret() else {
            return Ok(None);
        };
        let context = self.steps.context.clone();
        let order = self.record.order.clone();
        tokio::select! {
            fetched = secrets_grpc::fetch(&context, &order, name) => fetched.map(Some).map_err(|message| {
                StepOutcome::Failed { code: codes::SECRET.into(), message, output: String::new() }
            }),
            _ = self.cancelled.wait_for(|cancelled| *cancelled) => Err(StepOutcome::Cancelled),
        }
    }
}
