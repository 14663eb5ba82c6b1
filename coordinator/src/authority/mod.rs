//! The lab's certificate authority: who may speak, under which name, for how long, and who no longer may.
//!
//! Every decision that matters later is on disk before it leaves this module: a token is marked used before its
//! certificate is handed out, a revocation is written before it is announced. What happened is returned as
//! [`AuditEvent`] values; logging them is the caller's part.

mod audit;
mod identity;
mod issue;
mod pki;
mod registry;
mod token;

pub(crate) use audit::audit_text;
pub use audit::{AuditEvent, AuditSink};
pub use identity::{Identity, NodeIdentity, OperatorName, Serial};
pub use issue::{CsrError, LEAF_LIFE_MS, SignError};
pub use pki::PkiError;
pub use registry::{Denied, RegistryError, TokenRefusal};
pub use token::{TOKEN_LIFE_MS, Token};

use issue::check_csr;
use model::ids::{ClusterName, LabName, NodeName};
use model::lab::{Cluster, Node};
use model::moment::Moment;
use model::step::Role;
use pki::Pki;
use registry::{Redemption, Registry};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why the authority could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Keys or certificates.
    #[error("the certificate authority cannot be used")]
    Pki(#[from] PkiError),
    /// Tokens and live certificates.
    #[error("the registry of nodes cannot be used")]
    Registry(#[from] RegistryError),
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The token does not entitle the caller.
    #[error("the enrolment token was refused")]
    Token(#[from] TokenRefusal),
    /// The caller's present certificate does not count any more.
    #[error("the present certificate was refused")]
    Denied(#[from] Denied),
    /// The request is not one we sign.
    #[error("the certificate request was refused")]
    Csr(#[from] CsrError),
    /// Signing failed.
    #[error("signing failed")]
    Sign(#[from] SignError),
    /// The decision could not be made durable, so it was not made.
    #[error("the registry of nodes cannot be written")]
    Registry(#[from] RegistryError),
}

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// What it will be.
    pub role: Role,
}

impl NodeSpec {
    /// A node of the lab document.
    pub fn of(cluster: &Cluster, node: &Node) -> Self {
        Self {
            cluster: cluster.name.clone(),
            name: node.name.clone(),
            role: node.role,
        }
    }
}

/// A certificate with the way up to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whom it names.
    pub identity: NodeIdentity,
    /// The leaf.
    pub certificate: CertificateDer<'static>,
    /// Issuing certificates, the leaf's issuer first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The root to pin.
    pub root: CertificateDer<'static>,
    /// End of validity.
    pub not_after: Moment,
}

/// A listener's certificate with its key.
#[derive(Debug)]
pub struct ServerIdentity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key; it never touches a disk.
    pub key: PrivateKeyDer<'static>,
    /// End of validity.
    pub not_after: Moment,
}

/// The authority of one lab. Shared by all listeners; calls that change something wait for the disk.
#[derive(Debug)]
pub struct Authority {
    home: PathBuf,
    lab: LabName,
    pki: Pki,
    registry: Mutex<Registry>,
    revocations: watch::Sender<u64>,
}

impl Authority {
    /// Opens the authority under `home/pki`, or makes it: root, node and operator issuing keys.
    pub fn open(home: &Path, lab: &LabName, now: Moment) -> Result<Self, OpenError> {
        let pki = Pki::open(&home.join("pki"), lab, now)?;
        let registry = Registry::open(&home.join("pki/registry.json"))?;
        Ok(Self {
            home: home.to_owned(),
            lab: lab.clone(),
            pki,
            registry: Mutex::new(registry),
            revocations: watch::Sender::new(0),
        })
    }

    /// The lab that this authority speaks for.
    pub fn lab(&self) -> &LabName {
        &self.lab
    }

    /// The name in every listener's certificate: `coordinator.LAB.drillyard`.
    pub fn server_name(&self) -> String {
        format!("coordinator.{}.drillyard", self.lab)
    }

    /// The root that nodes and operators pin, as PEM.
    pub fn root_pem(&self) -> &str {
        self.pki.root_pem()
    }

    /// The root that nodes and operators pin.
    pub fn root(&self) -> &CertificateDer<'static> {
        self.pki.root()
    }

    /// The only trust anchor of the agent listener.
    pub fn node_issuer(&self) -> &CertificateDer<'static> {
        self.pki.node_issuer()
    }

    /// The only trust anchor of the operator listener.
    pub fn operator_issuer(&self) -> &CertificateDer<'static> {
        self.pki.operator_issuer()
    }

    /// Makes a single-use token for `node`, 15 minutes valid; an earlier unused one of that node dies. For a node that
    /// holds a live certificate `replaces` must be set: its generation rises and its certificates die now. For one that
    /// holds none `replaces` changes nothing. A revoked node may come in again with it.
    pub fn mint(
        &self,
        node: &NodeSpec,
        replaces: bool,
        now: Moment,
    ) -> Result<(Token, Vec<AuditEvent>), registry::MintError> {
        let minted = self.registry().mint(node, replaces, now)?;
        if replaces {
            self.announce_revocation();
        }
        Ok(minted)
    }

    /// As [`Self::mint`], with nobody asking: only for a node that [lacks a token](Self::lacks_token). Looked at again under
    /// the same lock, since a revocation may come between a look and the token.
    pub fn mint_unasked(
        &self,
        node: &NodeSpec,
        now: Moment,
    ) -> Result<Option<(Token, Vec<AuditEvent>)>, registry::MintError> {
        let mut registry = self.registry();
        if !registry.lacks_token(&node.name, now) {
            return Ok(None);
        }
        registry.mint(node, false, now).map(Some)
    }

    /// Ends a token that could not be delivered, unless it was redeemed already.
    pub fn withdraw(&self, token: &Token) -> Result<(), RegistryError> {
        self.registry().withdraw(token.id())
    }

    /// Whether the enrolment listener has anybody to wait for: some token is within its time.
    pub fn enrolment_open(&self, now: Moment) -> bool {
        self.registry().has_current_token(now)
    }

    /// Whether `node` has no certificate and no token that would still get it one: it cannot join by itself. One that was
    /// revoked lacks nothing.
    pub fn lacks_token(&self, node: &NodeName, now: Moment) -> bool {
        self.registry().lacks_token(node, now)
    }

    /// Redeems a token for a certificate. The same token with the same key gets the same certificate again while the
    /// token lives, so that a lost reply does no harm; with another key it is refused.
    pub fn enrol(
        &self,
        token: &str,
        claimed_node: &str,
        csr_der: &[u8],
        now: Moment,
    ) -> Result<(Issued, Vec<AuditEvent>), IssueError> {
        let key = check_csr(csr_der)?;
        let mut registry = self.registry();
        match registry.redeem(token, claimed_node, &key.spki_sha256(), now)? {
            Redemption::Again {
                identity,
                certificate,
                not_after,
            } => Ok((
                self.issued(identity, CertificateDer::from(certificate), not_after),
                Vec::new(),
            )),
            Redemption::First(grant) => {
                let identity = grant.identity(Serial::random());
                let leaf = self.pki.sign_node(&self.lab, &identity, &key, now)?;
                let audit = registry.commit(grant, &identity, &leaf.certificate, leaf.not_after)?;
                Ok((self.issued(identity, leaf.certificate, leaf.not_after), audit))
            }
        }
    }

    /// A new certificate for a node that proved itself with a live one, or a few times with one that `expired`.
    pub fn renew(
        &self,
        caller: &NodeIdentity,
        expired: bool,
        csr_der: &[u8],
        now: Moment,
    ) -> Result<(Issued, Vec<AuditEvent>), IssueError> {
        let key = check_csr(csr_der)?;
        let mut registry = self.registry();
        registry.check_renewal(caller, expired)?;
        let identity = NodeIdentity {
            serial: Serial::random(),
            ..caller.clone()
        };
        let leaf = self.pki.sign_node(&self.lab, &identity, &key, now)?;
        let audit = registry.add_serial(&identity, caller.serial, expired, leaf.not_after)?;
        Ok((self.issued(identity, leaf.certificate, leaf.not_after), audit))
    }

    /// Whether `node` ever got a token here.
    pub fn knows(&self, node: &NodeName) -> bool {
        self.registry().knows(node)
    }

    /// Ends all certificates and tokens of a node now; returns the generation that a new token will carry.
    pub fn revoke(&self, node: &NodeName) -> Result<(u64, Vec<AuditEvent>), RegistryError> {
        let (generation, audit) = self.registry().revoke(node)?;
        self.announce_revocation();
        Ok((generation, audit))
    }

    /// Whether this certificate still counts; asked at session start and again at every call.
    pub fn check(&self, identity: &NodeIdentity) -> Result<(), Denied> {
        self.registry().check(identity)
    }

    /// Changes whenever some node was revoked; holders of open streams then ask [`Self::check`] again.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// A fresh certificate and key for the listeners, valid for [`LEAF_LIFE_MS`].
    pub fn server_identity(&self, addresses: &[IpAddr], now: Moment) -> Result<ServerIdentity, SignError> {
        let (leaf, key) = self.pki.sign_server(&self.server_name(), addresses, now)?;
        let chain = vec![leaf.certificate, self.pki.operator_issuer().clone()];
        Ok(ServerIdentity {
            chain,
            key,
            not_after: leaf.not_after,
        })
    }

    /// Makes a fresh client certificate for an operator and returns chain and key as one PEM text.
    pub fn operator_identity_pem(&self, name: &OperatorName, now: Moment) -> Result<String, SignError> {
        self.pki.sign_operator(&self.lab, name, now)
    }

    /// Where the local operator's identity is kept: `home/pki/operator`.
    pub fn operator_dir(&self) -> PathBuf {
        self.home.join("pki/operator")
    }

    fn issued(
        &self,
        identity: NodeIdentity,
        certificate: CertificateDer<'static>,
        not_after: Moment,
    ) -> Issued {
        let chain = vec![self.pki.node_issuer().clone()];
        Issued {
            identity,
            certificate,
            chain,
            root: self.pki.root().clone(),
            not_after,
        }
    }

    fn announce_revocation(&self) {
        self.revocations
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A panic while it was held cannot have left it half changed: it changes by replacing the whole.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest live certificate of each node under `home`: who, which generation, until when. Reads the file only.
pub fn newest_certificates(home: &Path) -> Result<Vec<(NodeName, u64, Moment)>, RegistryError> {
    registry::newest_certificates(&home.join("pki/registry.json"))
}

pub use registry::MintError;
