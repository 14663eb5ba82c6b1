//! The PKI's two phases as the management cluster's API shows them: issuers, their age, and who signed Vault's certificate.

use super::Seen;
use crate::host_steps::kube::{Cluster, is_ready};
use ::kube::api::DynamicObject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::drill::contracts::{AUTHORITY_ENDS, LISTENER_ENDS, PkiFigure};
use x509_parser::pem::{Pem, parse_x509_pem};

const ISSUERS: (&str, &str) = ("cert-manager.io/v1", "ClusterIssuer");

/// Where both phases are looked for.
#[derive(Debug)]
pub struct PkiWatch {
    /// Cluster.
    pub cluster: Cluster,
    /// Namespace in which ClusterIssuers have their Secrets.
    pub namespace: String,
    /// ClusterIssuer of the self-signed authority.
    pub authority: String,
    /// ClusterIssuer that signs through Vault.
    pub issuer: String,
    /// Namespace and name of the Secret with the certificate of Vault's listener.
    pub listener: (String, String),
}

impl PkiWatch {
    /// Looks once. Good when the authority issues, was there first, and signed the listener's certificate.
    pub(super) async fn look(&self) -> Seen {
        let (authority, issuer) = tokio::join!(self.issuer(&self.authority), self.issuer(&self.issuer));
        let (authority, issuer) = match (authority, issuer) {
            (Ok(authority), Ok(issuer)) => (authority, issuer),
            (Err(error), _) | (_, Err(error)) => return Seen::bad(error),
        };
        let ready = authority.as_ref().is_some_and(is_ready);
        let first = issuer.as_ref().map(|issuer| is_older(authority.as_ref(), issuer));
        let both = match &authority {
            Some(authority) => self.certificates(authority).await,
            None => Err(format!("there is no issuer {}", self.authority)),
        };
        // The authority's key signed the certificate itself: a chain that leads to it over Vault does not count.
        let signed = match &both {
            Ok((above, below)) => signed_by(above, below),
            Err(error) => Err(error.clone()),
        };
        let mut wrong = Vec::new();
        if !ready {
            wrong.push(format!("issuer {} is not ready", self.authority));
        }
        if first == Some(false) {
            wrong.push(format!("issuer {} is older than {}", self.issuer, self.authority));
        }
        match &signed {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{} did not sign {}", self.authority, self.listener.1)),
            Err(error) => wrong.push(error.clone()),
        }
        let mut seen = if wrong.is_empty() {
            Seen::good()
        } else {
            Seen::bad(wrong.join("; "))
        };
        for (figure, value) in [
            (PkiFigure::AuthorityReady, Some(ready)),
            (PkiFigure::IssuerPresent, Some(issuer.is_some())),
            (PkiFigure::AuthorityFirst, first),
            (PkiFigure::ListenerByAuthority, signed.ok()),
        ] {
            if let Some(value) = value {
                seen = seen.with(figure.name(), f64::from(u8::from(value)));
            }
        }
        if let Ok((above, below)) = &both {
            for (figure, certificate) in [(AUTHORITY_ENDS, above), (LISTENER_ENDS, below)] {
                if let Some(at) = ends(certificate) {
                    seen = seen.with(figure, at);
                }
            }
        }
        seen
    }

    async fn issuer(&self, name: &str) -> Result<Option<DynamicObject>, String> {
        let (version, kind) = ISSUERS;
        let found = self.cluster.object(version, kind, None, name).await;
        found.map_err(|e| crate::exit::chain(&e))
    }

    /// Those of the authority and of Vault's listener.
    async fn certificates(&self, authority: &DynamicObject) -> Result<(Pem, Pem), String> {
        let secret = authority.data["spec"]["ca"]["secretName"]
            .as_str()
            .ok_or_else(|| format!("issuer {} has no authority of its own", self.authority))?;
        let (namespace, name) = &self.listener;
        let (above, below) = tokio::join!(
            self.certificate(&self.namespace, secret),
            self.certificate(namespace, name)
        );
        Ok((above?, below?))
    }

    async fn certificate(&self, namespace: &str, secret: &str) -> Result<Pem, String> {
        let found = self.cluster.object("v1", "Secret", Some(namespace), secret).await;
        let object = found
            .map_err(|e| crate::exit::chain(&e))?
            .ok_or_else(|| format!("there is no Secret {namespace}/{secret}"))?;
        let unusable = || format!("Secret {namespace}/{secret} holds no certificate");
        let text = object.data["data"]["tls.crt"].as_str().ok_or_else(unusable)?;
        let pem = STANDARD.decode(text).map_err(|_| unusable())?;
        // The first one is the Secret's own; what follows stands above it.
        parse_x509_pem(&pem)
            .map(|(_, first)| first)
            .map_err(|_| unusable())
    }
}

fn signed_by(above: &Pem, below: &Pem) -> Result<bool, String> {
    let above = above.parse_x509().map_err(|e| format!("the authority: {e}"))?;
    let below = below.parse_x509().map_err(|e| format!("the listener: {e}"))?;
    Ok(below.verify_signature(Some(above.public_key())).is_ok())
}

/// When it ends, seconds since 1970.
fn ends(certificate: &Pem) -> Option<f64> {
    let parsed = certificate.parse_x509().ok()?;
    let at = u32::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some(f64::from(at))
}

/// Whether `authority` is there and was made no later than `issuer`; the API tells whole seconds.
fn is_older(authority: Option<&DynamicObject>, issuer: &DynamicObject) -> bool {
    let made = |object: &DynamicObject| object.metadata.creation_timestamp.clone();
    match (authority.and_then(made), made(issuer)) {
        (Some(authority), Some(issuer)) => authority <= issuer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_steps::component_secrets::{server_certificate, sign_authority};
    use rcgen::{CertificateParams, Issuer, KeyPair};
    use serde_json::json;

    fn pem(bytes: &[u8]) -> Pem {
        parse_x509_pem(bytes).expect("PEM").1
    }

    #[test]
    fn a_certificate_out_of_vault_is_not_taken_for_the_authorities() {
        let dir = tempfile::tempdir().expect("temp");
        let server = server_certificate(dir.path(), "tls", "ca", vec!["192.0.2.1".into()]).expect("made");
        let server = pem(&STANDARD.decode(server.cert).expect("base64"));
        let ca = pem(&std::fs::read(dir.path().join("ca.crt")).expect("the authority"));
        assert_eq!(signed_by(&ca, &server), Ok(true));
        let in_ten_years = crate::clock::now().0 / 1_000_000 + 3650 * 86_400;
        let in_ten_years = f64::from(u32::try_from(in_ten_years).expect("this century"));
        for certificate in [&server, &ca] {
            let ends = ends(certificate).expect("an end");
            assert!((ends - in_ten_years).abs() < 60.0, "{ends}");
        }
        // As in Vault: an authority below the lab's, and a server below that one.
        let key = KeyPair::generate().expect("a key");
        let request = CertificateParams::default()
            .serialize_request(&key)
            .expect("a request");
        let vault = sign_authority(dir.path(), "ca", &request.pem().expect("PEM")).expect("signed");
        let issuer = Issuer::from_ca_cert_pem(&vault, key).expect("an issuer");
        let own = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["192.0.2.1".to_owned()]).expect("names");
        let leaf = pem(leaf.signed_by(&own, &issuer).expect("signed").pem().as_bytes());
        assert_eq!(signed_by(&ca, &pem(vault.as_bytes())), Ok(true));
        assert_eq!(signed_by(&ca, &leaf), Ok(false));
        assert_eq!(signed_by(&pem(vault.as_bytes()), &leaf), Ok(true));
    }

    #[test]
    fn an_issuer_without_an_earlier_authority_comes_first() {
        let made = |at: &str| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer",
                "metadata": {"name": "x", "creationTimestamp": at},
            }))
            .expect("an object")
        };
        let (early, late) = (made("2026-01-01T00:00:00Z"), made("2026-01-01T00:00:05Z"));
        assert!(is_older(Some(&early), &late));
        assert!(is_older(Some(&early), &early));
        assert!(!is_older(Some(&late), &early));
        assert!(!is_older(None, &early));
    }
}
