//! The agent listener: one session per node, renewal, and the secrets of steps.
//!
//! Nothing is decided here. What agents say is validated and handed to the engine as [`HubEvent`]; what the engine wants
//! said goes out through [`AgentHub::send`]. Who the caller is comes from its certificate only.

mod event;
mod hub;
mod log_waits;
mod secrets;
mod session;

pub use event::{Ending, Hello, HubEvent};
pub use hub::{AgentHub, NotConnected};
pub use log_waits::{LogError, LogText};
pub use secrets::{NoSecrets, NotTaken, SecretBytes, StepSecrets};

use crate::authority::{AuditSink, Authority, Identity, NodeIdentity};
use crate::enrol_grpc::{issued_to_wire, refusal_to_status};
use crate::net::{Clock, peer};
use model::ids::Attempt;
use proto::v1::agent_link_server::{AgentLink, AgentLinkServer};
use proto::{convert, v1};
use secrecy::ExposeSecret;
use shell::tasks::Tasks;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// Largest message from an agent, in bytes; agents cut their batches accordingly.
pub const MAX_FROM_AGENT: usize = 64 * 1024;

/// Largest message to an agent.
const MAX_TO_AGENT: usize = 256 * 1024;

/// What the agent listener needs.
#[derive(Clone)]
pub struct AgentService {
    /// Sessions.
    pub hub: AgentHub,
    /// Renewal and revocation.
    pub authority: Arc<Authority>,
    /// Secrets of dispatched steps.
    pub secrets: Arc<dyn StepSecrets>,
    /// Where refusals are recorded.
    pub audit: AuditSink,
    /// Wall time.
    pub clock: Clock,
    /// Where sessions run.
    pub tasks: Tasks,
}

impl std::fmt::Debug for AgentService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentService")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// All routes of the agent listener.
pub fn agent_routes(service: AgentService) -> Routes {
    let server = AgentLinkServer::new(service)
        .max_decoding_message_size(MAX_FROM_AGENT)
        .max_encoding_message_size(MAX_TO_AGENT);
    Routes::new(server)
}

#[tonic::async_trait]
impl AgentLink for AgentService {
    type SessionStream = ReceiverStream<Result<v1::CoordinatorMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = peer(&request)?.clone();
        let node = node_of(&request)?.clone();
        let (outbound, receiver) = session::outbound();
        let session = session::Session {
            service: self.clone(),
            node,
            peer,
            outbound,
        };
        self.tasks.spawn("session", session.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::EnrolResponse>, Status> {
        let node = node_of(&request)?.clone();
        let (authority, now) = (Arc::clone(&self.authority), (self.clock)());
        let expired = peer(&request)?.expired(now);
        let csr = request.into_inner().csr_der;
        let renewed = tokio::task::spawn_blocking(move || authority.renew(&node, expired, &csr, now));
        let (issued, audit) = renewed
            .await
            .map_err(|_| Status::internal("renewal failed"))?
            .map_err(|error| refusal_to_status(&error))?;
        self.audit.record(audit);
        Ok(Response::new(issued_to_wire(issued)))
    }

    async fn fetch_step_secret(
        &self,
        request: Request<v1::StepSecretRequest>,
    ) -> Result<Response<v1::StepSecret>, Status> {
        let node = node_of(&request)?.name.clone();
        let message = request.into_inner();
        let (step, name) = address(&message.step_id, &message.name)?;
        let value = self
            .secrets
            .fetch(&node, step, Attempt(message.attempt), name)
            .ok_or_else(|| Status::not_found("no such secret for a step that runs on this node"))?;
        Ok(Response::new(v1::StepSecret {
            step_id: message.step_id,
            attempt: message.attempt,
            name: message.name,
            value: value.expose_secret().to_vec(),
        }))
    }

    async fn put_step_secret(
        &self,
        request: Request<v1::StepSecret>,
    ) -> Result<Response<v1::PutStepSecretResponse>, Status> {
        let node = node_of(&request)?.name.clone();
        let message = request.into_inner();
        let (step, name) = address(&message.step_id, &message.name)?;
        let value = SecretBytes::from(message.value);
        self.secrets
            .put(&node, step, Attempt(message.attempt), name, value)
            .map_err(not_taken_to_status)?;
        Ok(Response::new(v1::PutStepSecretResponse {}))
    }
}

/// An agent gives up on a refusal, and tries again for as long as the coordinator is unavailable.
fn not_taken_to_status(reason: NotTaken) -> Status {
    match reason {
        NotTaken::Refused => Status::permission_denied(reason.to_string()),
        NotTaken::NotKept => Status::unavailable(reason.to_string()),
    }
}

fn node_of<T>(request: &Request<T>) -> Result<&NodeIdentity, Status> {
    match &peer(request)?.identity {
        Some(Identity::Node(node)) => Ok(node),
        _ => Err(Status::permission_denied("only nodes are served here")),
    }
}

fn address(step: &[u8], name: &str) -> Result<(model::ids::StepId, model::step::SecretName), Status> {
    let invalid = |error: model::Invalid| Status::invalid_argument(error.to_string());
    Ok((
        convert::step_id(step).map_err(invalid)?,
        convert::secret_name(name).map_err(invalid)?,
    ))
}

#[cfg(test)]
mod tests;
