//! The node's part: a typed step on its faults lane, sent until its outcome is known.

use super::news::News;
use super::{FaultError, Timing};
use crate::clock;
use crate::offsets::ClockOffsets;
use crate::session_grpc::AgentHub;
use model::ids::{Attempt, Epoch, NodeName};
use model::lab::Lab;
use model::lease::{LeaseStatus, Span, Survey};
use model::moment::ClockOffset;
use model::step::{NodeStep, StepOrder, StepOutcome};
use proto::convert;
use proto::v1::{self, coordinator_message::Message};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a new session is looked for while an outcome is awaited.
const LOOK: Duration = Duration::from_millis(250);

/// Longest wait for a node's survey.
const SURVEY: Duration = Duration::from_secs(30);

/// Sends steps about faults to nodes.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    pub(super) lab: Arc<Lab>,
    pub(super) hub: AgentHub,
    pub(super) epoch: Epoch,
    pub(super) news: News,
    pub(super) offsets: ClockOffsets,
}

impl Nodes {
    /// Runs one attempt of a step. The order is sent again on every new session: the agent knows it by its id, and answers
    /// one that it did with the outcome that it kept.
    pub(super) async fn run(
        &self,
        node: &NodeName,
        body: NodeStep,
        attempt: Attempt,
        limit: Duration,
    ) -> Result<Span, FaultError> {
        let step = body.id(self.lab.name.as_str(), node);
        let order = StepOrder {
            step,
            attempt,
            body,
            budget_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        let mut outcome = self.news.outcome(step, attempt);
        let (began, from) = (Instant::now(), clock::now());
        let mut sent_on = None;
        loop {
            let session = self.hub.session(node);
            if session.is_some() && session != sent_on {
                let message = Message::RunStep(convert::run_step(&order, self.epoch));
                if self.hub.send(node, message).is_ok() {
                    sent_on = session;
                }
            }
            match tokio::time::timeout(LOOK, &mut outcome).await {
                Ok(Ok(outcome)) => {
                    return ended(node, outcome).map(|()| Span {
                        from,
                        to: clock::now(),
                    });
                }
                Ok(Err(_)) => return Err(FaultError::Ending),
                Err(_) if sent_on.is_none() => return Err(FaultError::NotConnected(node.to_string())),
                Err(_) if began.elapsed() > limit => {
                    return Err(FaultError::Unknown {
                        node: node.to_string(),
                        seconds: limit.as_secs(),
                    });
                }
                Err(_) => {}
            }
        }
    }

    /// Asks the node's root helper to look.
    pub(super) async fn survey(&self, node: &NodeName) -> Result<Survey, FaultError> {
        let (request, survey) = self.news.survey(node);
        let message = Message::SurveyFaults(v1::SurveyFaults { request });
        self.hub
            .send(node, message)
            .map_err(|_| FaultError::NotConnected(node.to_string()))?;
        match tokio::time::timeout(SURVEY, survey).await {
            Ok(Ok(survey)) => Ok(survey),
            _ => Err(FaultError::Unknown {
                node: node.to_string(),
                seconds: SURVEY.as_secs(),
            }),
        }
    }
}

/// When a call took effect, where its lease says so. `offset` is that of the place's clock, as far as it is known.
pub(super) fn timing(called: Span, at: Option<Span>, offset: Option<ClockOffset>) -> Option<Timing> {
    let timing = Timing::new(called, at?);
    Some(offset.map_or(timing, |offset| timing.knowing(offset)))
}

/// The first state that is followed: what was intended.
pub(super) fn intended(lease: model::ids::LeaseId, ttl_ms: u64) -> LeaseStatus {
    let now = clock::now();
    LeaseStatus {
        lease,
        state: model::lease::LeaseState::Armed,
        armed: now,
        deadline: now.plus_millis(ttl_ms),
        injected: None,
        undone: None,
        cause: None,
        trouble: None,
    }
}

fn ended(node: &NodeName, outcome: StepOutcome) -> Result<(), FaultError> {
    let failed = |code: &str, message: String| {
        Err(FaultError::Failed {
            node: node.to_string(),
            code: code.to_owned(),
            message,
        })
    };
    match outcome {
        StepOutcome::Succeeded { .. } => Ok(()),
        StepOutcome::Failed { code, message, .. } => failed(&code, message),
        StepOutcome::Unknown { reason } => failed("DY-0170", format!("nobody knows how it went: {reason}")),
        StepOutcome::Cancelled => failed("DY-0170", "it was stopped on request".into()),
    }
}
