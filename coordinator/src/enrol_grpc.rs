//! The enrolment listener: a token for a certificate, and the agent's binary to ask with.

use crate::authority::{AuditEvent, AuditSink, Authority, IssueError, Issued, TokenRefusal, audit_text};
use crate::net::{Clock, peer};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use model::ids::NodeName;
use proto::v1;
use proto::v1::enrolment_server::{Enrolment, EnrolmentServer};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tonic::service::Routes;
use tonic::{Request, Status};

/// Largest enrolment request: a token and a certificate request.
const MAX_REQUEST: usize = 16 * 1024;

/// Largest enrolment reply.
const MAX_REPLY: usize = 256 * 1024;

/// Bytes of the binary that are in memory at a time, per download.
const CHUNK: usize = 64 * 1024;

/// Agent binaries by target triple, for example `x86_64-unknown-linux-gnu`.
pub type AgentBinaries = BTreeMap<String, PathBuf>;

/// All routes of the enrolment listener: `Enrolment` and `GET /agent/TARGET`.
pub fn enrol_routes(
    authority: Arc<Authority>,
    audit: AuditSink,
    clock: Clock,
    binaries: AgentBinaries,
) -> Routes {
    let service = EnrolmentServer::new(EnrolmentService {
        authority,
        audit,
        clock,
    })
    .max_decoding_message_size(MAX_REQUEST)
    .max_encoding_message_size(MAX_REPLY);
    let download = axum::Router::new()
        .route("/agent/{target}", axum::routing::get(agent_binary))
        .with_state(Arc::new(binaries));
    Routes::from(Routes::new(service).into_axum_router().merge(download))
}

struct EnrolmentService {
    authority: Arc<Authority>,
    audit: AuditSink,
    clock: Clock,
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<tonic::Response<v1::EnrolResponse>, Status> {
        let from = peer(&request)?.label();
        let message = request.into_inner();
        let claimed = audit_text(&message.node);
        let named = NodeName::new(message.node.clone()).ok();
        let (authority, now) = (Arc::clone(&self.authority), (self.clock)());
        // Waits for the disk: the token is used up durably before the certificate leaves.
        let redeemed = tokio::task::spawn_blocking(move || {
            authority.enrol(&message.token, &message.node, &message.csr_der, now)
        });
        match redeemed.await.map_err(|_| Status::internal("enrolment failed"))? {
            Ok((issued, audit)) => {
                self.audit.record(audit);
                tracing::info!(node = %issued.identity.name, "node enrolled");
                Ok(tonic::Response::new(issued_to_wire(issued)))
            }
            Err(error) => {
                if let IssueError::Token(refusal) = &error {
                    let spent = named.filter(|_| *refusal == TokenRefusal::UsedByAnother);
                    self.audit.record([AuditEvent::TokenRefused {
                        claimed,
                        peer: from,
                        reason: refusal.to_string(),
                        spent,
                    }]);
                }
                Err(refusal_to_status(&error))
            }
        }
    }
}

/// The reply to an enrolment and to a renewal.
pub(crate) fn issued_to_wire(issued: Issued) -> v1::EnrolResponse {
    v1::EnrolResponse {
        certificate_der: issued.certificate.to_vec(),
        chain_der: issued
            .chain
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
        root_der: issued.root.to_vec(),
    }
}

/// What a refused caller is told. Our own faults are logged and not described.
pub(crate) fn refusal_to_status(error: &IssueError) -> Status {
    let text = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    match error {
        IssueError::Token(TokenRefusal::Unknown) | IssueError::Denied(_) => Status::unauthenticated(text),
        IssueError::Token(_) => Status::permission_denied(text),
        IssueError::Csr(_) => Status::invalid_argument(text),
        IssueError::Sign(_) | IssueError::Registry(_) => {
            tracing::error!(error = text, "no certificate was issued");
            Status::internal("no certificate was issued")
        }
    }
}

async fn agent_binary(State(binaries): State<Arc<AgentBinaries>>, Path(target): Path<String>) -> Response {
    let Some(path) = binaries.get(&target) else {
        return (StatusCode::NOT_FOUND, "no agent for this target\n").into_response();
    };
    match open(path).await {
        Ok((file, length)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_LENGTH, length.to_string()),
            ];
            (
                headers,
                Body::from_stream(futures_util::stream::try_unfold(file, next_chunk)),
            )
                .into_response()
        }
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "the agent's binary cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn open(path: &PathBuf) -> io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok((file, length))
}

async fn next_chunk(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    let mut chunk = vec![0; CHUNK];
    let length = file.read(&mut chunk).await?;
    chunk.truncate(length);
    Ok((length > 0).then(|| (Bytes::from(chunk), file)))
}

#[cfg(test)]
mod tests;
