//! Tokens, generations and live certificates, in one file that changes as a whole.
//!
//! The file is the truth: a change is written first and taken over in memory only when it is on disk.

use super::NodeSpec;
use super::audit::AuditEvent;
use super::identity::{NodeIdentity, Serial};
use super::token::{self, TOKEN_LIFE_MS, Token};
use model::ids::{ClusterName, NodeName};
use model::moment::Moment;
use model::step::Role;
use serde::{Deserialize, Serialize};
use shell::private_file::{self, PrivateFileError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Dead tokens are remembered this long, so that using one is answered with the reason.
const REMEMBER_MS: u64 = 24 * 3600 * 1000;

/// How often a node may renew with a certificate that ran out, before it needs a token.
const MAX_RECOVERIES: u32 = 3;

/// Live certificates per node: the present one, its successor, and one that a lost reply never delivered.
const MAX_LIVE: usize = 3;

/// Why a token was refused. Only [`TokenRefusal::Unknown`] may be told to somebody who did not know the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// No such token, or another secret.
    #[error("no such token")]
    Unknown,
    /// Older than 15 minutes.
    #[error("the token is older than 15 minutes")]
    Expired,
    /// It names another node.
    #[error("the token is for another node")]
    OtherNode,
    /// A newer token or a revocation ended it.
    #[error("the token was replaced or revoked")]
    Superseded,
    /// It was redeemed with another key: the seed leaked, or the node was wiped.
    #[error("the token was already used with another key")]
    UsedByAnother,
}

/// Why a certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// This authority never issued for that name, or for it in another cluster.
    #[error("the node is not known here")]
    UnknownNode,
    /// The node was revoked or replaced.
    #[error("the node's identity was revoked or replaced")]
    OldGeneration,
    /// Renewed long ago, or never issued.
    #[error("the certificate is not among the node's live ones")]
    DeadSerial,
    /// It ran out, and the node came back from that too often.
    #[error("the certificate ran out, and {MAX_RECOVERIES} recoveries are used up; the node needs a token")]
    RecoveriesUsedUp,
}

/// The registry cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file.
    #[error("the registry's file cannot be used")]
    File(#[from] PrivateFileError),
    /// Its content.
    #[error("the registry's file does not hold what it should")]
    Content(#[source] serde_json::Error),
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The node is alive.
    #[error("node {0} holds a live certificate; a new token must replace it")]
    Enrolled(NodeName),
    /// The decision could not be made durable.
    #[error("the token could not be stored")]
    Registry(#[from] RegistryError),
}

/// The newest live certificate of each node, read from the file without taking part in it: who, which generation, until when.
pub(super) fn newest_certificates(path: &Path) -> Result<Vec<(NodeName, u64, Moment)>, RegistryError> {
    let content: Content =
        serde_json::from_slice(&private_file::read(path)?).map_err(RegistryError::Content)?;
    let newest = |entry: &NodeEntry| entry.live.iter().map(|live| live.not_after).max();
    Ok(content
        .nodes
        .iter()
        .filter_map(|(node, entry)| Some((node.clone(), entry.generation, newest(entry)?)))
        .collect())
}

/// The outcome of presenting a token.
pub(super) enum Redemption {
    First(Grant),
    Again {
        identity: NodeIdentity,
        certificate: Vec<u8>,
        not_after: Moment,
    },
}

/// A token that may be used now.
pub(super) struct Grant {
    id: String,
    spki: String,
    cluster: ClusterName,
    node: NodeName,
    generation: u64,
}

impl Grant {
    pub(super) fn identity(&self, serial: Serial) -> NodeIdentity {
        NodeIdentity {
            cluster: self.cluster.clone(),
            name: self.node.clone(),
            generation: self.generation,
            serial,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    nodes: BTreeMap<NodeName, NodeEntry>,
    tokens: BTreeMap<String, TokenEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeEntry {
    cluster: ClusterName,
    generation: u64,
    recoveries: u32,
    live: Vec<Live>,
    /// An operator put it out, and only an operator, or a new machine in its place, lets it in again.
    #[serde(default)]
    revoked: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Live {
    serial: Serial,
    not_after: Moment,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    secret_sha256: String,
    cluster: ClusterName,
    node: NodeName,
    role: Role,
    generation: u64,
    expires: Moment,
    state: TokenState,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum TokenState {
    Minted,
    Superseded,
    Used {
        spki_sha256: String,
        serial: Serial,
        certificate: String,
        not_after: Moment,
    },
}

#[derive(Debug)]
pub(super) struct Registry {
    path: PathBuf,
    content: Content,
}

impl Registry {
    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        let content = match private_file::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(RegistryError::Content)?,
            Err(error) if error.is_absent() => Content::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            path: path.to_owned(),
            content,
        })
    }

    pub(super) fn mint(
        &mut self,
        spec: &NodeSpec,
        replaces: bool,
        now: Moment,
    ) -> Result<(Token, Vec<AuditEvent>), MintError> {
        let mut next = self.content.clone();
        next.tokens
            .retain(|_, token| token.expires.plus_millis(REMEMBER_MS) > now);
        let mut audit = Vec::new();
        let node = next.nodes.entry(spec.name.clone()).or_insert_with(|| NodeEntry {
            cluster: spec.cluster.clone(),
            generation: 1,
            recoveries: 0,
            live: Vec::new(),
            revoked: false,
        });
        if node.live.iter().any(|live| live.not_after > now) && !replaces {
            return Err(MintError::Enrolled(spec.name.clone()));
        }
        // A generation that no certificate was ever issued for needs no successor.
        if replaces && !node.live.is_empty() {
            node.generation += 1;
            node.live.clear();
            audit.push(AuditEvent::NodeRevoked {
                node: spec.name.clone(),
                generation: node.generation,
            });
        }
        node.cluster = spec.cluster.clone();
        node.revoked = false;
        let generation = node.generation;
        next.end_tokens(&spec.name);
        let token = Token::generate();
        let (id, secret_sha256) = token::parse(token.expose())
            .map(|(id, hash)| (id.to_owned(), hash))
            .unwrap_or_default();
        let expires = now.plus_millis(TOKEN_LIFE_MS);
        let entry = TokenEntry {
            secret_sha256,
            cluster: spec.cluster.clone(),
            node: spec.name.clone(),
            role: spec.role,
            generation,
            expires,
            state: TokenState::Minted,
        };
        next.tokens.insert(id.clone(), entry);
        self.replace(next)?;
        audit.push(AuditEvent::TokenMinted {
            node: spec.name.clone(),
            token: id,
            generation,
            expires,
        });
        Ok((token, audit))
    }

    pub(super) fn knows(&self, node: &NodeName) -> bool {
        self.content.nodes.contains_key(node)
    }

    pub(super) fn has_current_token(&self, now: Moment) -> bool {
        self.content
            .tokens
            .values()
            .any(|token| token.expires > now && !matches!(token.state, TokenState::Superseded))
    }

    /// Whether `node` has no certificate and no token that would still get it one, and nobody wanted it so.
    pub(super) fn lacks_token(&self, node: &NodeName, now: Moment) -> bool {
        let settled = self
            .content
            .nodes
            .get(node)
            .is_some_and(|entry| entry.revoked || !entry.live.is_empty());
        let current = |token: &TokenEntry| {
            token.node == *node && token.expires > now && matches!(token.state, TokenState::Minted)
        };
        !settled && !self.content.tokens.values().any(current)
    }

    /// Ends a token that nobody was given. One that was redeemed meanwhile did arrive, and stays.
    pub(super) fn withdraw(&mut self, id: &str) -> Result<(), RegistryError> {
        let mut next = self.content.clone();
        let Some(token) = next.tokens.get_mut(id) else {
            return Ok(());
        };
        if matches!(token.state, TokenState::Minted) {
            token.state = TokenState::Superseded;
            self.replace(next)?;
        }
        Ok(())
    }

    pub(super) fn redeem(
        &self,
        presented: &str,
        claimed: &str,
        spki: &str,
        now: Moment,
    ) -> Result<Redemption, TokenRefusal> {
        let (id, hash) = token::parse(presented).ok_or(TokenRefusal::Unknown)?;
        let token = self.content.tokens.get(id).ok_or(TokenRefusal::Unknown)?;
        if token.secret_sha256 != hash {
            return Err(TokenRefusal::Unknown);
        }
        if token.node.as_str() != claimed {
            return Err(TokenRefusal::OtherNode);
        }
        // Looked at before the time: that somebody else used it matters at any age.
        if matches!(&token.state, TokenState::Used { spki_sha256, .. } if spki_sha256 != spki) {
            return Err(TokenRefusal::UsedByAnother);
        }
        if token.expires <= now {
            return Err(TokenRefusal::Expired);
        }
        let grant = Grant {
            id: id.to_owned(),
            spki: spki.to_owned(),
            cluster: token.cluster.clone(),
            node: token.node.clone(),
            generation: token.generation,
        };
        match &token.state {
            TokenState::Superseded => Err(TokenRefusal::Superseded),
            TokenState::Minted => Ok(Redemption::First(grant)),
            TokenState::Used {
                serial,
                certificate,
                not_after,
                ..
            } => Ok(Redemption::Again {
                identity: grant.identity(*serial),
                certificate: hex::decode(certificate).unwrap_or_default(),
                not_after: *not_after,
            }),
        }
    }

    pub(super) fn commit(
        &mut self,
        grant: Grant,
        identity: &NodeIdentity,
        certificate: &[u8],
        not_after: Moment,
    ) -> Result<Vec<AuditEvent>, RegistryError> {
        let mut next = self.content.clone();
        if let Some(token) = next.tokens.get_mut(&grant.id) {
            token.state = TokenState::Used {
                spki_sha256: grant.spki.clone(),
                serial: identity.serial,
                certificate: hex::encode(certificate),
                not_after,
            };
        }
        if let Some(node) = next.nodes.get_mut(&identity.name) {
            node.recoveries = 0;
        }
        let issued = next.add_live(identity, not_after);
        self.replace(next)?;
        let used = AuditEvent::TokenUsed {
            node: grant.node,
            token: grant.id,
            spki: grant.spki,
        };
        Ok(vec![used, issued])
    }

    /// Whether a node may renew; with a certificate that ran out it may do so a few times only.
    pub(super) fn check_renewal(&self, identity: &NodeIdentity, expired: bool) -> Result<(), Denied> {
        self.check(identity)?;
        let used = self
            .content
            .nodes
            .get(&identity.name)
            .map_or(0, |node| node.recoveries);
        if expired && used >= MAX_RECOVERIES {
            Err(Denied::RecoveriesUsedUp)
        } else {
            Ok(())
        }
    }

    /// Adds the renewal of the certificate `held`.
    pub(super) fn add_serial(
        &mut self,
        identity: &NodeIdentity,
        held: Serial,
        expired: bool,
        not_after: Moment,
    ) -> Result<Vec<AuditEvent>, RegistryError> {
        let mut next = self.content.clone();
        if let Some(node) = next.nodes.get_mut(&identity.name) {
            node.recoveries += u32::from(expired);
            // The node proved that it has this one; those that it got since it may have failed to store. So this one is
            // pushed out last.
            node.live.sort_by_key(|live| live.serial == held);
        }
        let issued = next.add_live(identity, not_after);
        self.replace(next)?;
        Ok(vec![issued])
    }

    pub(super) fn revoke(&mut self, node: &NodeName) -> Result<(u64, Vec<AuditEvent>), RegistryError> {
        let mut next = self.content.clone();
        let Some(entry) = next.nodes.get_mut(node) else {
            return Ok((1, Vec::new()));
        };
        entry.generation += 1;
        entry.live.clear();
        entry.revoked = true;
        let generation = entry.generation;
        next.end_tokens(node);
        self.replace(next)?;
        Ok((
            generation,
            vec![AuditEvent::NodeRevoked {
                node: node.clone(),
                generation,
            }],
        ))
    }

    pub(super) fn check(&self, identity: &NodeIdentity) -> Result<(), Denied> {
        let node = self
            .content
            .nodes
            .get(&identity.name)
            .ok_or(Denied::UnknownNode)?;
        if node.cluster != identity.cluster {
            return Err(Denied::UnknownNode);
        }
        if node.generation != identity.generation {
            return Err(Denied::OldGeneration);
        }
        match node.live.iter().any(|live| live.serial == identity.serial) {
            true => Ok(()),
            false => Err(Denied::DeadSerial),
        }
    }

    fn replace(&mut self, next: Content) -> Result<(), RegistryError> {
        let bytes = serde_json::to_vec_pretty(&next).map_err(RegistryError::Content)?;
        private_file::write(&self.path, &bytes)?;
        self.content = next;
        Ok(())
    }
}

impl Content {
    fn end_tokens(&mut self, node: &NodeName) {
        for token in self.tokens.values_mut().filter(|token| token.node == *node) {
            token.state = TokenState::Superseded;
        }
    }

    fn add_live(&mut self, identity: &NodeIdentity, not_after: Moment) -> AuditEvent {
        if let Some(node) = self.nodes.get_mut(&identity.name) {
            // One that ran out stays until it is pushed out: its node may come back and never have got this reply.
            node.live.push(Live {
                serial: identity.serial,
                not_after,
            });
            let excess = node.live.len().saturating_sub(MAX_LIVE);
            node.live.drain(..excess);
        }
        AuditEvent::CertificateIssued {
            node: identity.name.clone(),
            generation: identity.generation,
            serial: identity.serial,
            not_after,
        }
    }
}
