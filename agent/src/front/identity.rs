//! The node's key and certificate: made here, kept 0600 in one file, replaced as one.

use crate::durable;
use crate::seed::Seed;
use model::moment::Moment;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others may read a key.
    #[error("{} may be read by others", .0.display())]
    Exposed(PathBuf),
    /// A key or request could not be made.
    #[error("cannot make a key")]
    Key(#[source] rcgen::Error),
    /// A certificate cannot be used.
    #[error("the certificate {0}")]
    Certificate(&'static str),
    /// TLS refuses what it was given.
    #[error("TLS refuses key or certificate")]
    Tls(#[source] rustls::Error),
}

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

/// A key with its certificate chain.
#[derive(Debug)]
pub(super) struct Identity {
    key: PrivateKeyDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    pub(super) not_before: Moment,
    pub(super) not_after: Moment,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The seed's document as installed.
    pub(super) fn seed(&self) -> Result<Seed, IdentityError> {
        let path = self.path("agent.json");
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        serde_json::from_slice(&bytes).map_err(|e| at(&path)(e.into()))
    }

    /// The token, while it is not used up.
    pub(super) fn token(&self) -> Result<Option<String>, IdentityError> {
        let path = self.path("token");
        match std::fs::read_to_string(&path) {
            Ok(_) if durable::is_exposed(&path).map_err(at(&path))? => Err(IdentityError::Exposed(path)),
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// The key to enrol with: the same one until it succeeds, so that an answer lost on the way can be asked for again.
    pub(super) fn pending_key(&self) -> Result<KeyPair, IdentityError> {
        let path = self.path("pending.key");
        match std::fs::read(&path) {
            Ok(bytes) => {
                if let Some(key) = parsed(&bytes) {
                    return Ok(key);
                }
                // What holds no key never asked for anything, and would keep the node out for ever.
                tracing::warn!(path = %path.display(), "the file holds no key; it is made anew");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(&path)(error)),
        }
        let key = new_key()?;
        durable::replace(&path, key.serialize_pem().as_bytes(), 0o600).map_err(at(&path))?;
        Ok(key)
    }

    /// The identity, valid or expired, if there is one.
    pub(super) fn identity(&self) -> Result<Option<Identity>, IdentityError> {
        let path = self.path("identity.pem");
        if !path.exists() {
            return Ok(None);
        }
        if durable::is_exposed(&path).map_err(at(&path))? {
            return Err(IdentityError::Exposed(path));
        }
        let pem = std::fs::read(&path).map_err(at(&path))?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| IdentityError::Certificate("has no key"))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
        let leaf = chain.first().ok_or(IdentityError::Certificate("is missing"))?;
        let (not_before, not_after) = validity(leaf)?;
        Ok(Some(Identity {
            key,
            chain,
            not_before,
            not_after,
        }))
    }

    /// Token and pending key are of no more use.
    pub(super) fn used_up(&self) -> Result<(), IdentityError> {
        for used in ["token", "pending.key"] {
            durable::remove(&self.path(used)).map_err(at(&self.path(used)))?;
        }
        Ok(())
    }

    /// Takes over an issued certificate.
    pub(super) fn store(
        &self,
        key: &KeyPair,
        leaf: &[u8],
        chain: &[Vec<u8>],
    ) -> Result<Moment, IdentityError> {
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|_| IdentityError::Certificate("cannot be read"))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(IdentityError::Certificate("is for another key"));
        }
        let (_, not_after) = validity(leaf)?;
        let mut pem = key.serialize_pem();
        for certificate in std::iter::once(leaf).chain(chain.iter().map(Vec::as_slice)) {
            pem.push_str(&to_pem(certificate));
        }
        let path = self.path("identity.pem");
        durable::replace(&path, pem.as_bytes(), 0o600).map_err(at(&path))?;
        Ok(not_after)
    }

    /// TLS 1.3 towards a server of the pinned authority, with `identity` where there is one.
    pub(super) fn tls(&self, identity: Option<Identity>) -> Result<Arc<ClientConfig>, IdentityError> {
        let path = self.path("ca.pem");
        let roots = roots(&path)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(IdentityError::Tls)?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(id) => builder
                .with_client_auth_cert(id.chain, id.key)
                .map_err(IdentityError::Tls)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would pass a revocation by.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// A request to sign this key; the coordinator takes nothing else from it.
pub(super) fn request(key: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    let request = CertificateParams::default()
        .serialize_request(key)
        .map_err(IdentityError::Key)?;
    Ok(request.der().to_vec())
}

/// A key that was never used.
pub(super) fn new_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate().map_err(IdentityError::Key)
}

fn parsed(pem: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()
}

fn roots(path: &Path) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(path).map_err(at(path))?;
    for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
        roots.add(certificate).map_err(IdentityError::Tls)?;
    }
    if roots.is_empty() {
        Err(IdentityError::Certificate("of the pinned authority is missing"))
    } else {
        Ok(roots)
    }
}

fn validity(leaf: &[u8]) -> Result<(Moment, Moment), IdentityError> {
    let (_, parsed) =
        X509Certificate::from_der(leaf).map_err(|_| IdentityError::Certificate("cannot be read"))?;
    let moment = |time: x509_parser::time::ASN1Time| Moment(time.timestamp().saturating_mul(1_000_000));
    Ok((
        moment(parsed.validity().not_before),
        moment(parsed.validity().not_after),
    ))
}

fn to_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> IdentityError + use<> {
    let path = path.to_owned();
    move |source| IdentityError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertifiedIssuer, IsCa};

    fn issue(key: &KeyPair) -> (Vec<u8>, Vec<u8>) {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(ca, new_key().expect("key")).expect("ca");
        let leaf = CertificateParams::default()
            .signed_by(key, &issuer)
            .expect("leaf");
        (leaf.der().to_vec(), issuer.der().to_vec())
    }

    #[test]
    fn a_lost_answer_can_be_asked_for_again_and_success_uses_the_token_up() {
        let dir = tempfile::tempdir().expect("temp");
        let files = Files::new(dir.path().to_owned());
        durable::create_private(&dir.path().join("token"), b"id.secret\n").expect("token");
        assert_eq!(files.token().expect("read").as_deref(), Some("id.secret"));
        let key = files.pending_key().expect("made");
        assert_eq!(
            files.pending_key().expect("read").serialize_der(),
            key.serialize_der()
        );
        let (leaf, ca) = issue(&key);
        files.store(&key, &leaf, &[ca]).expect("stored");
        files.used_up().expect("removed");
        assert_eq!(files.token().expect("gone"), None);
        assert_eq!(files.identity().expect("read").expect("there").chain.len(), 2);
    }

    #[test]
    fn a_half_written_key_is_made_anew() {
        for half in [
            &b""[..],
            b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49",
            &[0xff; 64],
        ] {
            let dir = tempfile::tempdir().expect("temp");
            let files = Files::new(dir.path().to_owned());
            let path = dir.path().join("pending.key");
            durable::create_private(&path, half).expect("half");
            let key = files.pending_key().expect("made anew");
            assert_eq!(
                files.pending_key().expect("read").serialize_der(),
                key.serialize_der()
            );
            assert!(!durable::is_exposed(&path).expect("stat"));
        }
    }

    #[test]
    fn another_key_s_certificate_and_an_exposed_file_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("temp");
        let files = Files::new(dir.path().to_owned());
        let (key, other) = (new_key().expect("key"), new_key().expect("key"));
        let (leaf, ca) = issue(&other);
        assert!(matches!(
            files.store(&key, &leaf, std::slice::from_ref(&ca)),
            Err(IdentityError::Certificate(_))
        ));
        files.store(&other, &leaf, &[ca]).expect("stored");
        let path = dir.path().join("identity.pem");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("opened");
        assert!(matches!(files.identity(), Err(IdentityError::Exposed(_))));
    }
}
