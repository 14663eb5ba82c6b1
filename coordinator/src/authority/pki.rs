//! The keys on disk: a root that signs two issuing keys once and then may be taken away, and those two.
//!
//! `pki/` is made whole under another name and renamed, so it is complete or absent. The node key signs nodes; the
//! operator key signs operators and, with server use only, the listeners: a node's issuer can thus never make a server.

use super::identity::{NodeIdentity, OperatorName, Serial};
use super::issue::{Leaf, LeafKind, RequestKey, SignError, common_name, sign_leaf, validity};
use model::ids::LabName;
use model::moment::Moment;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use shell::private_file::{self, PrivateFileError};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file.
    #[error("a file of the authority cannot be used")]
    File(#[from] PrivateFileError),
    /// The finished folder could not be moved into place.
    #[error("{path} cannot be moved into place")]
    Rename {
        /// Its final path.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A key or certificate does not parse.
    #[error("{name} does not hold what it should")]
    Content {
        /// File name below `pki`.
        name: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Making keys or certificates failed.
    #[error("keys could not be made")]
    Make(#[from] rcgen::Error),
}

/// Root certificate and the two issuers.
#[derive(Debug)]
pub(super) struct Pki {
    root_pem: String,
    root: CertificateDer<'static>,
    node: Signer,
    operator: Signer,
}

#[derive(Debug)]
struct Signer {
    pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(super) fn open(dir: &Path, lab: &LabName, now: Moment) -> Result<Self, PkiError> {
        if !dir.exists() {
            create(dir, lab, now)?;
        }
        private_file::ensure_dir(dir)?;
        let root_pem = text(dir, "root.pem")?;
        let root = certificate("root.pem", &root_pem)?;
        Ok(Self {
            root,
            root_pem,
            node: Signer::load(dir, "node")?,
            operator: Signer::load(dir, "operator")?,
        })
    }

    pub(super) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub(super) fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    pub(super) fn node_issuer(&self) -> &CertificateDer<'static> {
        &self.node.certificate
    }

    pub(super) fn operator_issuer(&self) -> &CertificateDer<'static> {
        &self.operator.certificate
    }

    pub(super) fn sign_node(
        &self,
        lab: &LabName,
        node: &NodeIdentity,
        key: &RequestKey,
        now: Moment,
    ) -> Result<Leaf, SignError> {
        let kind = LeafKind {
            common_name: node.name.to_string(),
            names: vec![SanType::URI(node.uri(lab).try_into()?)],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            serial: node.serial,
        };
        sign_leaf(kind, key.key(), &self.node.issuer, now)
    }

    pub(super) fn sign_operator(
        &self,
        lab: &LabName,
        name: &OperatorName,
        now: Moment,
    ) -> Result<String, SignError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let kind = LeafKind {
            common_name: name.as_str().to_owned(),
            names: vec![SanType::URI(name.uri(lab).try_into()?)],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            serial: Serial::random(),
        };
        let leaf = sign_leaf(kind, &key, &self.operator.issuer, now)?;
        Ok(leaf.pem + &self.operator.pem + &key.serialize_pem())
    }

    pub(super) fn sign_server(
        &self,
        name: &str,
        addresses: &[IpAddr],
        now: Moment,
    ) -> Result<(Leaf, PrivateKeyDer<'static>), SignError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut names = vec![SanType::DnsName(name.try_into()?)];
        names.extend(addresses.iter().copied().map(SanType::IpAddress));
        let kind = LeafKind {
            common_name: name.to_owned(),
            names,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            serial: Serial::random(),
        };
        let leaf = sign_leaf(kind, &key, &self.operator.issuer, now)?;
        Ok((leaf, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }
}

impl Signer {
    fn load(dir: &Path, name: &str) -> Result<Self, PkiError> {
        let (pem_name, key_name) = (format!("{name}.pem"), format!("{name}.key"));
        let pem = text(dir, &pem_name)?;
        let certificate = certificate(&pem_name, &pem)?;
        let content = |source: rcgen::Error| PkiError::Content {
            name: key_name.clone(),
            source: source.into(),
        };
        let key = KeyPair::from_pem(&text(dir, &key_name)?).map_err(content)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(content)?;
        Ok(Self {
            pem,
            certificate,
            issuer,
        })
    }
}

/// Makes all keys. `root.key` is not read again; whoever wants it offline may move it away.
fn create(dir: &Path, lab: &LabName, now: Moment) -> Result<(), PkiError> {
    let fresh = dir.with_extension("new");
    let renaming = |source| PkiError::Rename {
        path: dir.to_owned(),
        source,
    };
    if fresh.exists() {
        // Left by a crash before the rename below; nothing was signed with it.
        fs::remove_dir_all(&fresh).map_err(renaming)?;
    }
    private_file::ensure_dir(&fresh)?;
    let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    private_file::write(&fresh.join("root.key"), root_key.serialize_pem().as_bytes())?;
    let root = CertifiedIssuer::self_signed(ca_params(lab, "root", 1, now), root_key)?;
    private_file::write(&fresh.join("root.pem"), root.pem().as_bytes())?;
    for name in ["node", "operator"] {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = ca_params(lab, name, 0, now);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &root)?;
        private_file::write(&fresh.join(format!("{name}.key")), key.serialize_pem().as_bytes())?;
        private_file::write(&fresh.join(format!("{name}.pem")), certificate.pem().as_bytes())?;
    }
    fs::rename(&fresh, dir).map_err(renaming)?;
    match dir.parent() {
        Some(parent) => fs::File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(renaming),
        None => Ok(()),
    }
}

fn ca_params(lab: &LabName, name: &str, below: u8, now: Moment) -> CertificateParams {
    let day_before = Moment(now.0.saturating_sub(24 * 3600 * 1_000_000));
    let mut params = validity(day_before, now.plus_millis(10 * YEAR_MS));
    params.distinguished_name = common_name(&format!("drillyard {lab} {name}"));
    params.serial_number = Some(SerialNumber::from_slice(Serial::random().as_bytes()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn text(dir: &Path, name: &str) -> Result<String, PkiError> {
    let bytes = private_file::read(&dir.join(name))?;
    String::from_utf8(bytes).map_err(|source| PkiError::Content {
        name: name.to_owned(),
        source: source.into(),
    })
}

fn certificate(name: &str, pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|source| PkiError::Content {
        name: name.to_owned(),
        source: Box::new(source),
    })
}
