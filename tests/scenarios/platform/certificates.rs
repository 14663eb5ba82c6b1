//! Who signed what Vault issued: its own authority, and that one the lab's self-signed authority.

use super::{PATIENCE, vault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use tests::lab::TestLab;
use tests::patience::until;

/// What the component asks Vault to sign, to show that it does.
const NAME: &str = "issued-by-vault.cert-manager.svc";

/// The certificate that Vault issued leads to the platform's authority, over Vault's and not without it.
pub(super) fn vault_signs_below_the_platforms_authority(lab: &TestLab) {
    let root = vault::authority(lab).expect("the platform's authority");
    let chain = until("a certificate that Vault issued", PATIENCE, || issued(lab)).expect("issued");
    let (leaf, above) = chain.split_first().expect("a certificate");
    verify(&root, leaf, above, NAME).expect("signed below the platform's authority");
    let refused = verify(&root, leaf, &[], NAME).expect_err("signed by the platform's authority itself");
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["another".to_owned()]).expect("names");
    let another = params.self_signed(&key).expect("an authority").der().clone();
    verify(&another, leaf, above, NAME).expect_err("signed by just anybody");
}

/// The certificate, then what stands above it.
fn issued(lab: &TestLab) -> Result<Vec<CertificateDer<'static>>, String> {
    let words = [
        "-n",
        "cert-manager",
        "get",
        "secret",
        "issued-by-vault",
        "-o",
        "jsonpath={.data.tls\\.crt}",
    ];
    let pem = STANDARD
        .decode(lab.kubectl("mgmt", &words)?)
        .map_err(|e| e.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|e| e.to_string())?;
    if chain.len() < 2 {
        return Err(format!("{} certificates in it", chain.len()));
    }
    Ok(chain)
}

/// As any client would, with this one root.
fn verify(
    root: &CertificateDer<'_>,
    leaf: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    name: &str,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone().into_owned()).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| e.to_string())?;
    let name = ServerName::try_from(name).map_err(|e| e.to_string())?;
    verifier
        .verify_server_cert(leaf, above, &name, &[], UnixTime::now())
        .map(drop)
        .map_err(|e| e.to_string())
}

/// The same three questions on certificates made here, so that the ones above are known to be able to fail.
#[test]
fn a_chain_is_verified_from_end_to_end() {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let authority = |name: &str, path: BasicConstraints| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(path);
        (params, KeyPair::generate().expect("a key"))
    };
    let (params, key) = authority("the first", BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).expect("a root").der().clone();
    let root_issuer = Issuer::new(params, key);
    let (params, key) = authority("below it", BasicConstraints::Constrained(0));
    let middle = params
        .signed_by(&key, &root_issuer)
        .expect("signed")
        .der()
        .clone();
    let middle_issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = |issuer: &Issuer<'_, KeyPair>| {
        let params = CertificateParams::new(vec![NAME.to_owned()]).expect("names");
        params.signed_by(&key, issuer).expect("signed").der().clone()
    };
    let below = leaf(&middle_issuer);
    assert_eq!(verify(&root, &below, std::slice::from_ref(&middle), NAME), Ok(()));
    let refused = verify(&root, &below, &[], NAME).expect_err("without the one between");
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    assert_eq!(verify(&root, &leaf(&root_issuer), &[], NAME), Ok(()));
    verify(&middle, &leaf(&root_issuer), &[], NAME).expect_err("another authority");
    verify(&root, &below, &[middle], "another.svc").expect_err("another name");
}
