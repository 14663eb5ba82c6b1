//! What the authority and the listeners did or refused, as values; the engine writes them to the log.

use super::identity::Serial;
use model::ids::NodeName;
use model::moment::Moment;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// One fact for the audit trail. No secret is ever in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "audit", rename_all = "snake_case")]
pub enum AuditEvent {
    /// A token was made.
    TokenMinted {
        /// For whom.
        node: NodeName,
        /// Public half of the token.
        token: String,
        /// Generation that it grants.
        generation: u64,
        /// End of its life.
        expires: Moment,
    },
    /// A token was redeemed.
    TokenUsed {
        /// By whom.
        node: NodeName,
        /// Public half of the token.
        token: String,
        /// SHA-256 of the public key that it was redeemed with, hexadecimal.
        spki: String,
    },
    /// A token was refused.
    TokenRefused {
        /// The name that the caller claimed, shortened and without control characters.
        claimed: String,
        /// Where the call came from.
        peer: String,
        /// Why.
        reason: String,
        /// The node whose own token it was, with the right secret, spent with another key. Nobody else can cause this.
        spent: Option<NodeName>,
    },
    /// A certificate left the authority.
    CertificateIssued {
        /// For whom.
        node: NodeName,
        /// Generation.
        generation: u64,
        /// Its serial.
        serial: Serial,
        /// End of validity.
        not_after: Moment,
    },
    /// All certificates and tokens of a node ended.
    NodeRevoked {
        /// Which node.
        node: NodeName,
        /// Its generation from now on.
        generation: u64,
    },
    /// A call was refused.
    CallDenied {
        /// Who called: the identity, or the address of somebody without one.
        actor: String,
        /// Full method path.
        method: String,
        /// Why.
        reason: String,
    },
}

/// Where listeners put audit events. Full or closed, it drops them with a log line: an attacker must not be able to stop
/// the service by causing refusals.
#[derive(Debug, Clone)]
pub struct AuditSink(mpsc::Sender<AuditEvent>);

impl AuditSink {
    /// A sink and the engine's end of it.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<AuditEvent>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Hands events over without waiting.
    pub fn record(&self, events: impl IntoIterator<Item = AuditEvent>) {
        for event in events {
            if let Err(error) = self.0.try_send(event) {
                tracing::warn!(%error, "an audit event was dropped");
            }
        }
    }
}

/// Text of a stranger, fit for a log and a terminal: no control characters, at most 80 characters.
pub(crate) fn audit_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
