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

#[test]
fn what_the_host_makes_for_components_is_seen() {
    let home = tempfile::tempdir().expect("temp");
    let places = places(home.path());
    let mut seen = Seen::default();
    files::secrets(&places, &mut seen);
    assert!(
        seen.certificates.is_empty() && seen.unseen.is_empty(),
        "none was made"
    );
    crate::host_steps::component_secrets::certificate_authority(&places.secrets(), "platform_ca")
        .expect("made");
    std::fs::write(places.secrets().join("vault_tls.crt"), "half a file").expect("written");
    files::secrets(&places, &mut seen);
    let names: Vec<_> = seen.certificates.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["component platform_ca"]);
    assert_eq!(seen.unseen.len(), 1, "{:?}", seen.unseen);
    assert!(seen.unseen[0].contains("vault_tls.crt"), "{:?}", seen.unseen);
}

/// What kubeadm and kubelet keep on nodes is told by name; a server's certificate is seen instead.
#[test]
fn what_nobody_looks_at_is_named() {
    let home = tempfile::tempdir().expect("temp");
    let lab = Lab::default();
    let unseen = files(&lab, &places(home.path())).unseen;
    let of = |node: &str| {
        let mine = format!(" of {node}: ");
        unseen.iter().filter(|line| line.contains(&mine)).count()
    };
    assert_eq!((of("mgmt-cp"), of("mgmt-worker")), (11, 1), "{unseen:#?}");
    for file in ["admin.conf", "pki/etcd/ca.crt", "pki/front-proxy-client.crt"] {
        let line = format!("app1 /etc/kubernetes/{file} of app1-cp: ");
        assert!(unseen.iter().any(|l| l.starts_with(&line)), "{line}\n{unseen:#?}");
    }
    assert!(
        unseen
            .iter()
            .any(|line| line.starts_with("mgmt Vault's authority"))
    );
    assert!(
        !unseen.iter().any(|line| line.contains("apiserver.crt")),
        "{unseen:#?}"
    );
}

/// Without a daemon the coordinator's own is told as not seen, at the operator's port.
#[tokio::test]
async fn the_coordinators_own_certificate_is_asked_for() {
    let home = tempfile::tempdir().expect("temp");
    let mut lab = Lab::default();
    lab.clusters.clear();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("address").port();
    drop(silent);
    lab.network.coordinator_port = port - OPERATOR_PORT;
    let unseen = look(&lab, &places(home.path())).await.unseen;
    let line = format!("drillyard coordinator serving at 127.0.0.1:{port}: ");
    assert!(unseen.iter().any(|l| l.starts_with(&line)), "{unseen:?}");
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
