//! Keeps a session: enrols when there is no certificate, dials, dials again, renews the certificate at half its life, and
//! recovers one that ran out while the node was suspended.

use super::backoff::Backoff;
use super::connect_grpc;
use super::enrol_grpc;
use super::identity::{Files, Identity, IdentityError};
use super::secrets_grpc::Link;
use super::session_grpc::{self, End};
use super::steps::Steps;
use crate::clock;
use crate::seed::Seed;
use model::causes::chain;
use model::event::NodeEventKind;
use model::moment::Moment;
use proto::v1::agent_link_client::AgentLinkClient;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

const MAX_MESSAGE: usize = 64 << 10;
/// Nothing but a new token helps after a refusal; looking for one this often is enough.
const REFUSED: Duration = Duration::from_secs(30);
const WELCOME: Duration = Duration::from_secs(25);

/// A session under way.
struct Held {
    link: Link,
    task: JoinHandle<End>,
    renew_at: Moment,
}

/// Runs for good.
pub(super) async fn keep(files: Files, seed: Seed, steps: Steps, link: watch::Sender<Option<Link>>) {
    let mut backoff = Backoff::new();
    loop {
        let held = match establish(&files, &seed, &steps).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(error = %chain(&*error), "no session");
                tokio::time::sleep(backoff.next()).await;
                continue;
            }
        };
        tracing::info!("session held");
        let since = clock::monotonic_ms();
        let end = attend(&files, &seed, &steps, &link, held).await;
        link.send_replace(None);
        backoff.held(clock::monotonic_ms().saturating_sub(since));
        match end {
            End::Failed(failure) => {
                steps.context.fail(failure);
                // Only a full disk is lived on with, and it is full in the next session too.
                tokio::time::sleep(backoff.next()).await;
            }
            End::Asked(reason) => tracing::info!(reason, "a new session was asked for"),
            End::Renewed => tracing::warn!("the journal began a new life"),
            End::Lost(reason) => {
                tracing::warn!(reason, "session lost");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

/// Stays with a session, and moves to a new one with a new certificate without a gap between them.
async fn attend(
    files: &Files,
    seed: &Seed,
    steps: &Steps,
    link: &watch::Sender<Option<Link>>,
    mut held: Held,
) -> End {
    loop {
        link.send_replace(Some(held.link.clone()));
        let wait = Duration::from_millis(held.renew_at.millis_since(clock::now()));
        tokio::select! {
            end = &mut held.task => return end.unwrap_or_else(|e| End::Lost(e.to_string())),
            () = tokio::time::sleep(wait) => {
                match renew(files, seed, steps, &held).await {
                    Ok(next) => {
                        held.task.abort();
                        held = next;
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&*error), "the certificate was not renewed yet");
                        held.renew_at = clock::now().plus_millis(60_000);
                    }
                }
            }
        }
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn renew(files: &Files, seed: &Seed, steps: &Steps, held: &Held) -> Result<Held, AnyError> {
    let not_after = enrol_grpc::renew(files, held.link.clone()).await?;
    // Told before the move, so that it is not lost should the new session fail.
    let _ = steps
        .context
        .tell(NodeEventKind::CertificateRenewed { not_after })
        .await;
    establish(files, seed, steps).await
}

async fn establish(files: &Files, seed: &Seed, steps: &Steps) -> Result<Held, AnyError> {
    let identity = identity(files, seed, steps).await?;
    let renew_at = half_life(&identity);
    let validity = (identity.not_before, identity.not_after);
    steps.context.certificate.send_replace(Some(validity));
    let link = dial(files, seed, steps, identity).await?;
    let (ready, welcomed) = oneshot::channel();
    let task = tokio::spawn(session_grpc::hold(steps.clone(), link.clone(), ready));
    match tokio::time::timeout(WELCOME, welcomed).await {
        Ok(Ok(())) => Ok(Held { link, task, renew_at }),
        Ok(Err(_)) => match task.await? {
            End::Failed(failure) => {
                steps.context.fail(failure.clone());
                Err(failure.into())
            }
            End::Lost(reason) | End::Asked(reason) => Err(reason.into()),
            End::Renewed => Err("the journal began a new life".into()),
        },
        Err(_) => {
            task.abort();
            Err("no welcome in time".into())
        }
    }
}

async fn dial(files: &Files, seed: &Seed, steps: &Steps, identity: Identity) -> Result<Link, AnyError> {
    let tls = files.tls(Some(identity))?;
    let channel =
        connect_grpc::channel(steps.context.source, seed.agent_url.0, &seed.server_name, tls).await?;
    Ok(AgentLinkClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

/// The stored identity, or a new one for the token. A token that lies there is newer than any identity.
async fn identity(files: &Files, seed: &Seed, steps: &Steps) -> Result<Identity, AnyError> {
    if let Some(token) = files.token()? {
        match enrol_grpc::enrol(files, seed, token, steps.context.source).await {
            Ok(_) => tracing::info!("enrolled"),
            // Used up by an earlier life that was ended just then: the certificate is here.
            Err(error) if error.is_final() && files.identity()?.is_some() => files.used_up()?,
            Err(error) => {
                if error.is_final() {
                    tokio::time::sleep(REFUSED).await;
                }
                return Err(error.into());
            }
        }
    }
    match files.identity()? {
        Some(identity) if clock::now() < identity.not_after => Ok(identity),
        Some(expired) => recover(files, seed, steps, expired).await,
        None => {
            tokio::time::sleep(REFUSED).await;
            Err(
                IdentityError::Certificate("is missing, and there is no token; install with a new one")
                    .into(),
            )
        }
    }
}

/// Trades a certificate that ran out for a new one. The old key opens nothing but this, and the coordinator counts it: after
/// three recoveries, or 30 days, only a new token helps.
async fn recover(files: &Files, seed: &Seed, steps: &Steps, expired: Identity) -> Result<Identity, AnyError> {
    tracing::warn!(ended = %expired.not_after, "the certificate ran out; asking for another one");
    let link = dial(files, seed, steps, expired).await?;
    match enrol_grpc::renew(files, link).await {
        Ok(not_after) => {
            let _ = steps
                .context
                .tell(NodeEventKind::CertificateRenewed { not_after })
                .await;
        }
        Err(error) => {
            if error.is_final() {
                tokio::time::sleep(REFUSED).await;
            }
            return Err(error.into());
        }
    }
    let renewed = files.identity()?;
    Ok(renewed.ok_or(IdentityError::Certificate("is missing"))?)
}

/// Half of the certificate's life from now on, a little earlier at random so that nodes do not all come at once.
fn half_life(identity: &Identity) -> Moment {
    let life = identity.not_after.millis_since(identity.not_before);
    let jitter = clock::random().map_or(0, u64::from_be_bytes) % (life / 20).max(1);
    identity.not_before.plus_millis((life / 2).saturating_sub(jitter))
}
