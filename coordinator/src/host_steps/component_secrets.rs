//! Secrets that components ask for: made once, kept 0600 below the lab's home, handed over on standard input only.

use crate::files::write_private;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
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

/// A certificate with its key, of an authority or a server, as charts and Secrets want it: base64 of PEM.
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
        write(dir, name, make(name))?;
    }
    load(dir, name)
}

/// The certificate of the authority `name` below `dir`, PEM; the authority is made where there is none.
pub fn authority_pem(dir: &Path, name: &str) -> Result<String, SecretError> {
    certificate_authority(dir, name)?;
    let path = dir.join(format!("{name}.crt"));
    std::fs::read_to_string(&path).map_err(|source| file_error(&path, source))
}

/// Certificate and key of the authority `name` below `dir`, both PEM.
fn authority_pair(dir: &Path, name: &str) -> Result<(String, String), SecretError> {
    let cert = authority_pem(dir, name)?;
    let path = dir.join(format!("{name}.key"));
    let key = std::fs::read_to_string(&path).map_err(|source| file_error(&path, source))?;
    Ok((cert, key))
}

/// Reads the server certificate `name` below `dir`, or makes it: P-256, as long as its authority is good for, for
/// `subjects`, names and addresses. It is made again when its authority or its subjects changed.
pub fn server_certificate(
    dir: &Path,
    name: &str,
    authority: &str,
    subjects: Vec<String>,
) -> Result<CaSecret, SecretError> {
    let (authority_cert, authority_key) = authority_pair(dir, authority)?;
    // What it was made from stands beside it, so that a change is seen.
    let made_from = dir.join(format!("{name}.for"));
    let wanted = format!("{authority_cert}{}\n", subjects.join("\n"));
    if std::fs::read_to_string(&made_from).ok().as_deref() != Some(wanted.as_str()) {
        write(dir, name, sign(name, &authority_cert, &authority_key, subjects))?;
        write_private(&made_from, wanted.as_bytes()).map_err(|source| file_error(&made_from, source))?;
    }
    load(dir, name)
}

/// Signs the request `csr`, PEM, of an authority that stands below the authority `name` in `dir` and has none below itself; PEM.
/// It is good as long as other certificates made here.
pub fn sign_authority(dir: &Path, name: &str, csr: &str) -> Result<String, SecretError> {
    let (authority_cert, authority_key) = authority_pair(dir, name)?;
    let signed = || {
        let issuer = Issuer::from_ca_cert_pem(&authority_cert, KeyPair::from_pem(&authority_key)?)?;
        let mut request = CertificateSigningRequestParams::from_pem(csr)?;
        request.params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        request.params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        request.params.use_authority_key_identifier_extension = true;
        set_validity(&mut request.params);
        Ok(request.signed_by(&issuer)?.pem())
    };
    signed().map_err(|source| SecretError::Make {
        name: name.to_owned(),
        source,
    })
}

fn write(dir: &Path, name: &str, made: Result<(String, String), rcgen::Error>) -> Result<(), SecretError> {
    let (cert, key) = made.map_err(|source| SecretError::Make {
        name: name.to_owned(),
        source,
    })?;
    // The key first: a certificate without its key would be taken for a whole secret.
    for (path, content) in [
        (dir.join(format!("{name}.key")), key),
        (dir.join(format!("{name}.crt")), cert),
    ] {
        write_private(&path, content.as_bytes()).map_err(|source| file_error(&path, source))?;
    }
    Ok(())
}

fn load(dir: &Path, name: &str) -> Result<CaSecret, SecretError> {
    let read = |extension: &str| {
        let path = dir.join(format!("{name}.{extension}"));
        std::fs::read(&path).map_err(|source| file_error(&path, source))
    };
    Ok(CaSecret {
        cert: STANDARD.encode(read("crt")?),
        key: STANDARD.encode(read("key")?),
    })
}

fn sign(
    name: &str,
    authority_cert: &str,
    authority_key: &str,
    subjects: Vec<String>,
) -> Result<(String, String), rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(authority_cert, KeyPair::from_pem(authority_key)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(subjects)?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("drillyard {name}"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params);
    Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}

fn set_validity(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::minutes(10);
    params.not_after = now + Duration::days(3650);
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
    set_validity(&mut params);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn file_error(path: &Path, source: std::io::Error) -> SecretError {
    SecretError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_certificate_lasts_until_what_it_was_made_from_changes() {
        let dir = tempfile::tempdir().expect("temp");
        let made = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            server_certificate(dir.path(), "tls", "ca", names)
                .expect("made")
                .cert
        };
        let first = made(&["a.example", "192.0.2.1"]);
        assert_eq!(made(&["a.example", "192.0.2.1"]), first);
        let second = made(&["b.example"]);
        assert_ne!(second, first);
        std::fs::remove_file(dir.path().join("ca.crt")).expect("removed");
        assert_ne!(made(&["b.example"]), second, "another authority");
    }

    #[test]
    fn a_client_that_trusts_the_authority_accepts_the_server() {
        let dir = tempfile::tempdir().expect("temp");
        let server = server_certificate(dir.path(), "tls", "ca", vec!["192.0.2.1".into()]).expect("made");
        let pem = |text: &str| pem_of(&STANDARD.decode(text).expect("base64"));
        let authority = certificate_authority(dir.path(), "ca").expect("there");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem(&authority.cert)).expect("an authority");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .expect("a verifier");
        let verify = |name: &'static str| {
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &*verifier,
                &pem(&server.cert),
                &[],
                &name.try_into().expect("a name"),
                &[],
                rustls_pki_types::UnixTime::now(),
            )
        };
        verify("192.0.2.1").expect("accepted");
        verify("192.0.2.2").expect_err("another address");
    }

    #[test]
    fn an_authority_below_another_signs_servers_and_no_further_authorities() {
        let dir = tempfile::tempdir().expect("temp");
        let key = KeyPair::generate().expect("a key");
        let request = CertificateParams::default()
            .serialize_request(&key)
            .expect("a request");
        let signed = sign_authority(dir.path(), "ca", &request.pem().expect("PEM")).expect("signed");
        let (_, pem) = x509_parser::pem::parse_x509_pem(signed.as_bytes()).expect("PEM");
        let certificate = pem.parse_x509().expect("a certificate");
        let constraints = certificate
            .basic_constraints()
            .expect("well formed")
            .expect("there");
        assert!(constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let (_, above) = x509_parser::pem::parse_x509_pem(
            &std::fs::read(dir.path().join("ca.crt")).expect("the authority"),
        )
        .expect("PEM");
        let above = above.parse_x509().expect("a certificate");
        assert_eq!(certificate.issuer(), above.subject());
    }

    fn pem_of(bytes: &[u8]) -> rustls_pki_types::CertificateDer<'static> {
        use rustls_pki_types::pem::PemObject;
        rustls_pki_types::CertificateDer::from_pem_slice(bytes).expect("PEM")
    }
}
