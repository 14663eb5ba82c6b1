//! Enrolment and renewal: a key made here, a request, a certificate back.

use super::connect_grpc::{self, ConnectError};
use super::identity::{self, Files, IdentityError};
use crate::seed::Seed;
use model::moment::Moment;
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::v1::{EnrolRequest, EnrolResponse, RenewRequest};
use std::net::IpAddr;
use std::time::Duration;
use tonic::transport::Channel;

const ANSWER: Duration = Duration::from_secs(10);
const MAX_MESSAGE: usize = 16 << 10;

/// Why there is no certificate yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnrolError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the coordinator refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the coordinator did not answer in time")]
    Silent,
}

impl EnrolError {
    /// Whether the same request again could succeed.
    pub(super) fn is_final(&self) -> bool {
        use tonic::Code;
        let EnrolError::Refused(status) = self else {
            return false;
        };
        matches!(
            status.code(),
            Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument
        )
    }
}

/// Trades the token for a certificate.
pub(super) async fn enrol(
    files: &Files,
    seed: &Seed,
    token: String,
    source: Option<IpAddr>,
) -> Result<Moment, EnrolError> {
    let key = files.pending_key()?;
    let csr_der = identity::request(&key)?;
    let channel =
        connect_grpc::channel(source, seed.enrol_url.0, &seed.server_name, files.tls(None)?).await?;
    let mut client = EnrolmentClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let request = EnrolRequest {
        token,
        csr_der,
        node: seed.node.to_string(),
    };
    let response = answer(client.enrol(request)).await?;
    let not_after = files.store(&key, &response.certificate_der, &response.chain_der)?;
    files.used_up()?;
    Ok(not_after)
}

/// Trades the present certificate for a new one with a new key.
pub(super) async fn renew(files: &Files, mut link: AgentLinkClient<Channel>) -> Result<Moment, EnrolError> {
    let key = identity::new_key()?;
    let request = RenewRequest {
        csr_der: identity::request(&key)?,
    };
    let response = answer(link.renew(request)).await?;
    Ok(files.store(&key, &response.certificate_der, &response.chain_der)?)
}

async fn answer(
    call: impl Future<Output = Result<tonic::Response<EnrolResponse>, tonic::Status>>,
) -> Result<EnrolResponse, EnrolError> {
    let answered = tokio::time::timeout(ANSWER, call)
        .await
        .map_err(|_| EnrolError::Silent)?;
    Ok(answered
        .map_err(|status| EnrolError::Refused(Box::new(status)))?
        .into_inner())
}
