//! Looks around a step that runs for longer than is usual, and tells what it sees. One task per attempt, ended with it.

use super::context::Context;
use crate::exec::protocol::{Reply, Request};
use model::event::NodeEventKind;
use model::evidence::Evidence;
use model::step::{InitPhase, NodeStep, StepOrder};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Between two looks at first, and at most: a look costs a few tenths of a second of one CPU.
const AGAIN: Duration = Duration::from_secs(15);
const AGAIN_MOST: Duration = Duration::from_secs(60);

/// The task; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Looking(JoinHandle<()>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to look after a while; None for a step that nothing can be seen around.
pub(super) fn look(context: &Context, order: &StepOrder) -> Option<Looking> {
    let patience = patience(&order.body)?;
    let (context, order) = (context.clone(), order.clone());
    Some(Looking(tokio::spawn(async move {
        let began = Instant::now();
        let mut told = Vec::new();
        let mut pause = AGAIN;
        tokio::time::sleep(patience).await;
        loop {
            let request = Request::Gather { order: order.clone() };
            if let Ok(Reply::Gathered { evidence }) = context.helper.ask(&request).await
                && !evidence.is_empty()
                && evidence != told
            {
                told.clone_from(&evidence);
                tell(&context, &order, began, evidence).await;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(AGAIN_MOST);
        }
    })))
}

async fn tell(context: &Context, order: &StepOrder, began: Instant, evidence: Vec<Evidence>) {
    let kind = NodeEventKind::StepEvidence {
        step: order.step,
        attempt: order.attempt,
        waited_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        evidence,
    };
    if let Err(failure) = context.tell(kind).await {
        // A full disk is told by its condition, and what was seen there by the next look.
        tracing::debug!(%failure, "evidence is not kept");
    }
}

/// Several times what the step usually takes, so that a busy host is not diagnosed.
fn patience(step: &NodeStep) -> Option<Duration> {
    let seconds = match step {
        NodeStep::ImportImages { .. } => 60,
        NodeStep::KubeadmInit {
            phase: InitPhase::WaitControlPlane,
            ..
        }
        | NodeStep::KubeadmJoin { .. } => 20,
        NodeStep::PrepareNode { .. } | NodeStep::KubeadmInit { .. } | NodeStep::MintKubeconfig { .. } => 15,
        NodeStep::InjectFault { .. }
        | NodeStep::RenewFault { .. }
        | NodeStep::ReleaseFault { .. }
        | NodeStep::HealFaults { .. } => return None,
    };
    Some(Duration::from_secs(seconds))
}
