//! Secrets that components ask for: made once, kept 0600 below the lab's home, handed over on standard input only.

use crate::files::write_private;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::path::Path;
use time::{Duration, OffsetDateTime};

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("secret file {path}")]
    File {
        /// Path of the file.
        path: String,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be made.
    #[error("certificate authority {name} cannot be made")]
    Make {
        /// Name of the secret.
        name: String,
        /// First cause.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate authority as charts want it: base64 of PEM.
#[derive(serde::Serialize)]
pub struct CaSecret {
    /// Certificate.
    pub cert: String,
    /// Private key.
    pub key: String,
}

impl std::fmt::Debug for CaSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CaSecret(..)")
    }
}

/// Reads the authority `name` below `dir`, or makes it: P-256, ten years.
pub fn certificate_authority(dir: &Path, name: &str) -> Result<CaSecret, SecretError> {
    let (cert_path, key_path) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
    if !(cert_path.exists() && key_path.exists()) {
        let (cert, key) = make(name).map_err(|source| SecretError::Make {
            name: name.to_owned(),
            source,
        })?;
        // The key first: a certificate without its key would be taken for a whole authority.
        for (path, content) in [(&key_path, key), (&cert_path, cert)] {
            write_private(path, content.as_bytes()).map_err(|source| file_error(path, source))?;
        }
    }
    let read = |path: &Path| std::fs::read(path).map_err(|source| file_error(path, source));
    Ok(CaSecret {
        cert: STANDARD.encode(read(&cert_path)?),
        key: STANDARD.encode(read(&key_path)?),
    })
}

fn make(name: &str) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("drillyard {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::minutes(10);
    params.not_after = now + Duration::days(3650);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn file_error(path: &Path, source: std::io::Error) -> SecretError {
    SecretError::File {
        path: path.display().to_string(),
        source,
    }
}
