//! Secrets travel by calls of their own, never in orders, events or the journal.

use super::backoff::Backoff;
use super::context::Context;
use crate::secret::Secret;
use model::step::{SecretName, StepOrder};
use proto::convert;
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::{StepSecret, StepSecretRequest};
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The client of the present session.
pub(super) type Link = AgentLinkClient<Channel>;

const ANSWER: Duration = Duration::from_secs(10);
/// A coordinator that was restarted may need a moment before it knows the step again.
const REFUSALS: u32 = 5;

/// Gets the secret of a step; waits for a session as long as it takes. The error is for people.
pub(super) async fn fetch(context: &Context, order: &StepOrder, name: SecretName) -> Result<Secret, String> {
    let mut backoff = Backoff::new();
    let mut refusals = 0;
    loop {
        let mut link = present(context).await;
        let request = StepSecretRequest {
            step_id: order.step.0.to_vec(),
            attempt: order.attempt.0,
            name: convert::secret_name_to_wire(name),
        };
        match timed(link.fetch_step_secret(request)).await {
            Ok(response) => match String::from_utf8(response.into_inner().value) {
                Ok(text) => return Ok(Secret::new(text)),
                Err(_) => return Err("the coordinator's secret is no text".into()),
            },
            Err(status) if is_transient(&status) => {}
            Err(status) => {
                refusals += 1;
                if refusals >= REFUSALS {
                    return Err(format!(
                        "the coordinator did not give the secret: {}",
                        status.message()
                    ));
                }
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Hands a yielded secret over; tries until the coordinator has it, or will never take it. Says whether it has it.
pub(super) async fn put(context: &Context, order: &StepOrder, secret: &Secret) -> bool {
    let Some(name) = order.body.yields_secret() else {
        return true;
    };
    let mut backoff = Backoff::new();
    let mut refusals = 0;
    while refusals < REFUSALS {
        let mut link = present(context).await;
        let message = StepSecret {
            step_id: order.step.0.to_vec(),
            attempt: order.attempt.0,
            name: convert::secret_name_to_wire(name),
            value: secret.expose().as_bytes().to_vec(),
        };
        match timed(link.put_step_secret(message)).await {
            Ok(_) => return true,
            Err(status) if is_transient(&status) => {}
            // A coordinator that refuses knows the step no more, or has moved on: its own records decide.
            Err(status) => {
                refusals += 1;
                tracing::warn!(step = %order.step.short(), reason = status.message(), "the yielded secret was refused");
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
    false
}

async fn present(context: &Context) -> Link {
    let mut link = context.link.clone();
    loop {
        if let Ok(found) = link.wait_for(Option::is_some).await
            && let Some(link) = found.clone()
        {
            return link;
        }
        // The sender lives as long as the process; without it there is nothing to wait for but the end.
        tokio::time::sleep(ANSWER).await;
    }
}

async fn timed<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(ANSWER, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))
}

fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled | Code::Internal
    )
}
