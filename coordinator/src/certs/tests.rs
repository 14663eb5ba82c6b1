//! A home with a real authority and kubeconfig, and a real server that shows an expired certificate.

use super::*;
use crate::authority::{Authority, OperatorName};
use crate::operator_auth::grant_local_operator;
use base64::Engine as _;
use model::ids::LabName;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

fn places(home: &Path) -> Places {
    Places {
        home: home.to_owned(),
        cache: home.join("cache"),
        project: home.to_owned(),
        program: home.join("coordinator"),
    }
}

/// A self-signed certificate of those years.
fn made(from: i32, to: i32) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("params");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    (params.self_signed(&key).expect("signed"), key)
}

#[tokio::test]
async fn files_of_the_home_are_read_and_what_is_missing_is_told() {
    let home = tempfile::tempdir().expect("temp");
    let lab = LabName::new("yard").expect("valid");
    let authority = Authority::open(home.path(), &lab, crate::clock::now()).expect("authority");
    let jane = OperatorName::new("jane").expect("valid");
    grant_local_operator(&authority, &jane, ([127, 0, 0, 1], 1).into(), crate::clock::now())
        .expect("granted");
    let encode = |pem: String| base64::engine::general_purpose::STANDARD.encode(pem);
    let kubeconfig = format!(
        "clusters: [{{cluster: {{certificate-authority-data: {}}}}}]\nusers: [{{user: {{client-certificate-data: {}}}}}]\n",
        encode(made(2020, 2040).0.pem()),
        encode(made(2020, 2021).0.pem())
    );
    std::fs::create_dir(home.path().join("kubeconfig")).expect("made");
    std::fs::write(home.path().join("kubeconfig/mgmt"), kubeconfig).expect("written");

    let mut seen = Seen::default();
    let places = places(home.path());
    files::authority(&places, &mut seen);
    for cluster in ["mgmt", "app1"] {
        files::kubeconfig(cluster, &places, &mut seen);
    }
    let horizon = domain::certs::horizon(seen.certificates, seen.unseen, crate::clock::now(), None);
    let names: Vec<_> = horizon
        .certificates
        .iter()
        .map(|l| l.certificate.name.as_str())
        .collect();
    assert_eq!(names[0], "kubeconfig client", "expired in 2021: {names:?}");
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(names.contains(&"root") && names.contains(&"operator identity"));
    assert_eq!(horizon.lost().count(), 1);
    assert_eq!(
        horizon.unseen.len(),
        2,
        "no registry and no kubeconfig of app1: {:?}",
        horizon.unseen
    );
}

#[tokio::test]
async fn a_server_shows_its_certificate_even_when_it_has_run_out() {
    let (certificate, key) = made(2020, 2021);
    let config = ServerConfig::builder_with_provider(shell::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("key"),
        )
        .expect("config");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("accepted");
        let _ = acceptor.accept(tcp).await;
    });
    let der = handshake::shown(address).await.expect("shown");
    let mut seen = Seen::default();
    seen.add("mgmt", "apiserver serving", "here", &der, Renewal::Manual);
    assert_eq!(
        seen.certificates[0].not_after.to_string(),
        "2021-01-01T00:00:00.000000Z"
    );
    assert!(
        handshake::shown(address).await.is_err(),
        "the listener is gone after one connection"
    );
}
