//! Enrolment over real TLS on loopback: what a token opens, and everything that it does not.

use crate::authority::{
    AuditEvent, Authority, Denied, Identity, IssueError, NodeIdentity, TOKEN_LIFE_MS, TokenRefusal,
};
use crate::net::harness::{PATIENCE, Yard, enrol_request, request, spec};
use model::ids::LabName;
use model::moment::Moment;
use proto::v1::EnrolResponse;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ED25519, SanType};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};
use x509_parser::prelude::{FromDer, X509Certificate};

fn refused(result: Result<tonic::Response<EnrolResponse>, Status>) -> (Code, String) {
    let status = result.expect_err("must be refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn a_token_buys_one_certificate_with_our_own_parameters() {
    let mut yard = Yard::start();
    let token = yard.mint("app1-worker");
    let (_, csr) = request(CertificateParams::default());
    let mut client = yard.enrolment().await;
    let before = yard.now();
    let reply = client
        .enrol(enrol_request(&token, "app1-worker", &csr))
        .await
        .expect("enrolled")
        .into_inner();
    assert_eq!(reply.root_der, yard.authority.root().as_ref());
    assert_eq!(reply.chain_der, vec![yard.authority.node_issuer().to_vec()]);

    let leaf = CertificateDer::from(reply.certificate_der.clone());
    let identity = Identity::from_certificate(yard.authority.lab(), &leaf).expect("ours");
    assert_eq!(identity.to_string(), "node/app1-worker/gen/1");
    let other = LabName::new("other").expect("valid");
    assert!(
        Identity::from_certificate(&other, &leaf).is_err(),
        "another lab took it for its own"
    );

    let (_, parsed) = X509Certificate::from_der(&leaf).expect("parses");
    assert!(!parsed.is_ca());
    let usage = parsed.extended_key_usage().expect("parses").expect("there").value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    let life = parsed.validity().not_after.timestamp() - before.0 / 1_000_000;
    assert!((72 * 3600 - 60..=72 * 3600 + 60).contains(&life), "{life} s");
    let lead = before.0 / 1_000_000 - parsed.validity().not_before.timestamp();
    assert!((540..=660).contains(&lead), "starts {lead} s in the past");
    assert!(matches!(
        yard.audit.recv().await,
        Some(AuditEvent::TokenUsed { .. })
    ));
    assert!(matches!(
        yard.audit.recv().await,
        Some(AuditEvent::CertificateIssued { generation: 1, .. })
    ));

    // The reply got lost: same key, same certificate.
    let again = client
        .enrol(enrol_request(&token, "app1-worker", &csr))
        .await
        .expect("again")
        .into_inner();
    assert_eq!(again.certificate_der, reply.certificate_der);
}

#[tokio::test]
async fn a_used_token_with_another_key_is_refused_and_recorded() {
    let mut yard = Yard::start();
    let token = yard.mint("app1-worker");
    let mut client = yard.enrolment().await;
    let (_, first) = request(CertificateParams::default());
    client
        .enrol(enrol_request(&token, "app1-worker", &first))
        .await
        .expect("enrolled");
    let (_, second) = request(CertificateParams::default());
    let (code, text) = refused(client.enrol(enrol_request(&token, "app1-worker", &second)).await);
    assert_eq!(code, Code::PermissionDenied);
    assert!(text.contains("already used with another key"), "{text}");
    let refusal = loop {
        match yard.audit.recv().await.expect("audit") {
            AuditEvent::TokenRefused { reason, .. } => break reason,
            _ => continue,
        }
    };
    assert!(refusal.contains("another key"), "{refusal}");
}

#[tokio::test]
async fn expired_foreign_superseded_and_invented_tokens_are_refused() {
    let yard = Yard::start();
    let (_, csr) = request(CertificateParams::default());
    let mut client = yard.enrolment_open().await;

    let expired = yard.mint("app1-worker");
    yard.advance(Duration::from_secs(15 * 60));
    // Somebody else still has one, so the listener is open.
    let foreign = yard.mint("app1-cp");
    let (code, text) = refused(client.enrol(enrol_request(&expired, "app1-worker", &csr)).await);
    assert_eq!(
        (code, text.contains("15 minutes")),
        (Code::PermissionDenied, true),
        "{text}"
    );

    let (code, text) = refused(client.enrol(enrol_request(&foreign, "app1-worker", &csr)).await);
    assert_eq!(
        (code, text.contains("another node")),
        (Code::PermissionDenied, true),
        "{text}"
    );

    let fresh = yard.mint("app1-cp");
    let (code, text) = refused(client.enrol(enrol_request(&foreign, "app1-cp", &csr)).await);
    assert_eq!(
        (code, text.contains("replaced")),
        (Code::PermissionDenied, true),
        "{text}"
    );

    let mut guess = fresh.clone().into_bytes();
    guess[20] = if guess[20] == b'0' { b'1' } else { b'0' };
    let guess = String::from_utf8(guess).expect("ascii");
    for bad in ["", "x", &guess, &fresh[..40], "../../x.y"] {
        let (code, text) = refused(client.enrol(enrol_request(bad, "app1-cp", &csr)).await);
        assert_eq!(
            (code, text.contains("no such token")),
            (Code::Unauthenticated, true),
            "{bad:?}: {text}"
        );
    }
    client
        .enrol(enrol_request(&fresh, "app1-cp", &csr))
        .await
        .expect("the true one still works");
}

#[tokio::test]
async fn a_request_for_more_than_a_node_may_be_gets_a_node() {
    let yard = Yard::start();
    let token = yard.mint("app1-worker");
    let mut greedy = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.distinguished_name.push(DnType::CommonName, "evil-admin");
    let uri = "spiffe://yard/operator/evil".to_owned().try_into().expect("uri");
    greedy.subject_alt_names.push(SanType::URI(uri));
    let (_, csr) = request(greedy);
    let reply = yard
        .enrolment()
        .await
        .enrol(enrol_request(&token, "app1-worker", &csr))
        .await;
    let leaf = CertificateDer::from(reply.expect("enrolled").into_inner().certificate_der);
    let (_, parsed) = X509Certificate::from_der(&leaf).expect("parses");
    assert!(!parsed.is_ca());
    assert_eq!(parsed.subject().to_string(), "CN=app1-worker");
    let names = parsed.subject_alternative_name().expect("parses").expect("there");
    assert_eq!(names.value.general_names.len(), 1, "{names:?}");
    let identity = Identity::from_certificate(yard.authority.lab(), &leaf).expect("ours");
    assert_eq!(identity.to_string(), "node/app1-worker/gen/1");
}

#[tokio::test]
async fn bad_requests_leave_the_token_unspent() {
    let yard = Yard::start();
    let token = yard.mint("app1-worker");
    let mut client = yard.enrolment().await;
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("key");
    let other = CertificateParams::default()
        .serialize_request(&ed25519)
        .expect("request")
        .der()
        .to_vec();
    let (_, good) = request(CertificateParams::default());
    let mut forged = good.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    let long = [good.clone(), vec![0; 5000]].concat();
    let trailing = [good.clone(), vec![0]].concat();
    for (csr, word) in [
        (other, "P-256"),
        (forged, "malformed"),
        (long, "larger"),
        (trailing, "malformed"),
        (vec![], "malformed"),
        (vec![0x30; 100], "malformed"),
    ] {
        let (code, text) = refused(client.enrol(enrol_request(&token, "app1-worker", &csr)).await);
        assert_eq!(
            (code, text.contains(word)),
            (Code::InvalidArgument, true),
            "{word}: {text}"
        );
    }
    client
        .enrol(enrol_request(&token, "app1-worker", &good))
        .await
        .expect("the token still works");
}

#[tokio::test]
async fn an_oversized_message_is_refused_and_the_listener_lives() {
    let yard = Yard::start();
    let token = yard.mint("app1-worker");
    let mut client = yard.enrolment().await;
    let huge = vec![0; 17 * 1024];
    let (code, _) = refused(client.enrol(enrol_request(&token, "app1-worker", &huge)).await);
    assert_eq!(code, Code::OutOfRange);
    let (_, csr) = request(CertificateParams::default());
    client
        .enrol(enrol_request(&token, "app1-worker", &csr))
        .await
        .expect("enrolled");
}

#[tokio::test]
async fn nobody_gets_in_while_no_token_is_waiting() {
    let yard = Yard::start();
    assert!(
        yard.channel(&yard.enrol, None).await.is_err(),
        "open without a token"
    );
    yard.mint("app1-worker");
    yard.channel(&yard.enrol, None).await.expect("open with one");
    yard.advance(Duration::from_secs(15 * 60));
    assert!(
        yard.channel(&yard.enrol, None).await.is_err(),
        "open after the token's end"
    );
}

#[tokio::test]
async fn a_client_that_pins_another_root_or_name_does_not_talk_to_us() {
    let yard = Yard::start();
    let other = Yard::start();
    yard.mint("app1-worker");
    let server = yard.server(&yard.enrol);
    let wrong_root = shell::channel::connect(server.clone(), other.config(None)).await;
    assert!(wrong_root.is_err(), "another lab's root was enough");
    let server_name = "coordinator.other.drillyard".try_into().expect("valid");
    let wrong_name = shell::channel::ServerAddress {
        server_name,
        ..server
    };
    assert!(
        shell::channel::connect(wrong_name, yard.config(None))
            .await
            .is_err(),
        "any name was enough"
    );
}

#[tokio::test]
async fn the_agents_binary_is_served_to_curl_and_to_nobody_without_a_token_about() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("agent");
    let binary: Vec<u8> = (0..300_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    std::fs::write(&path, &binary).expect("written");
    let target = "x86_64-unknown-linux-gnu";
    let secrets = std::sync::Arc::new(crate::session_grpc::NoSecrets);
    let yard = Yard::start_with(secrets, BTreeMap::from([(target.to_owned(), path)]));
    yard.mint("app1-worker");

    let (head, body) = get(&yard, &format!("/agent/{target}")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-length: 300000"), "{head}");
    assert!(body == binary, "{} bytes", body.len());
    for path in [
        "/agent/other",
        "/agent/",
        "/agent/../pki/root.key",
        "/",
        "/agent/%2e%2e/x",
    ] {
        let (head, body) = get(&yard, path).await;
        assert!(
            head.starts_with("HTTP/1.1 40") && body.len() < 100,
            "{path}: {head}"
        );
    }
}

/// HTTP/1.1 by hand, as the simplest client in a node would speak it.
async fn get(yard: &Yard, path: &str) -> (String, Vec<u8>) {
    let mut config = (*yard.config(None)).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = yard.server(&yard.enrol);
    let exchange = async {
        let mut tls = shell::channel::dial(&server, config.into())
            .await
            .expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        tls.write_all(request.as_bytes()).await.expect("sent");
        let mut reply = Vec::new();
        // The peer may close without a TLS goodbye; what counts is what came.
        drop(tls.read_to_end(&mut reply).await);
        reply
    };
    let reply = tokio::time::timeout(PATIENCE, exchange).await.expect("in time");
    let end = reply
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    (
        String::from_utf8_lossy(&reply[..end]).into_owned(),
        reply[end + 4..].to_vec(),
    )
}

#[test]
fn a_wiped_node_needs_a_replacing_token_and_its_old_identity_dies() {
    let home = tempfile::tempdir().expect("temp dir");
    let lab = LabName::new("yard").expect("valid");
    let now = Moment(shell::clock::unix_micros());
    let authority = Authority::open(home.path(), &lab, now).expect("opens");
    let (token, _) = authority.mint(&spec("app1-worker"), false, now).expect("minted");
    let (_, csr) = request(CertificateParams::default());
    let (old, _) = authority
        .enrol(token.expose(), "app1-worker", &csr, now)
        .expect("enrolled");
    authority.check(&old.identity).expect("alive");
    assert!(
        authority.mint(&spec("app1-worker"), false, now).is_err(),
        "a living node was replaced unasked"
    );
    let (token, _) = authority.mint(&spec("app1-worker"), true, now).expect("replaced");
    assert!(authority.check(&old.identity).is_err(), "the old identity lives");
    // All of it is on disk: a restart knows the same.
    drop(authority);
    let authority = Authority::open(home.path(), &lab, now).expect("opens again");
    let (new, _) = authority
        .enrol(token.expose(), "app1-worker", &csr, now)
        .expect("enrolled");
    assert_eq!((old.identity.generation, new.identity.generation), (1, 2));
    assert!(authority.check(&old.identity).is_err() && authority.check(&new.identity).is_ok());
}

#[test]
fn recoveries_are_counted_and_a_token_clears_the_count() {
    let home = tempfile::tempdir().expect("temp dir");
    let lab = LabName::new("yard").expect("valid");
    let now = Moment(shell::clock::unix_micros());
    let authority = Authority::open(home.path(), &lab, now).expect("opens");
    let (_, csr) = request(CertificateParams::default());
    let enrol = |replaces| {
        let (token, _) = authority
            .mint(&spec("app1-worker"), replaces, now)
            .expect("minted");
        authority
            .enrol(token.expose(), "app1-worker", &csr, now)
            .expect("enrolled")
            .0
            .identity
    };
    let mut identity = enrol(false);
    for _ in 0..5 {
        identity = authority
            .renew(&identity, false, &csr, now)
            .expect("ordinary")
            .0
            .identity;
    }
    for _ in 0..3 {
        identity = authority
            .renew(&identity, true, &csr, now)
            .expect("recovered")
            .0
            .identity;
    }
    let fourth = authority.renew(&identity, true, &csr, now);
    assert!(
        matches!(fourth, Err(IssueError::Denied(Denied::RecoveriesUsedUp))),
        "{fourth:?}"
    );
    authority
        .renew(&identity, false, &csr, now)
        .expect("with a live one it goes on");
    let identity = enrol(true);
    authority
        .renew(&identity, true, &csr, now)
        .expect("counted from nothing");
}

#[test]
fn a_token_that_another_key_used_is_told_so_at_any_age() {
    let home = tempfile::tempdir().expect("temp dir");
    let lab = LabName::new("yard").expect("valid");
    let now = Moment(shell::clock::unix_micros());
    let authority = Authority::open(home.path(), &lab, now).expect("opens");
    let (token, _) = authority.mint(&spec("app1-worker"), false, now).expect("minted");
    let (_, first) = request(CertificateParams::default());
    authority
        .enrol(token.expose(), "app1-worker", &first, now)
        .expect("enrolled");
    let late = now.plus_millis(TOKEN_LIFE_MS);
    let (_, second) = request(CertificateParams::default());
    let another = authority.enrol(token.expose(), "app1-worker", &second, late);
    assert!(
        matches!(another, Err(IssueError::Token(TokenRefusal::UsedByAnother))),
        "{another:?}"
    );
    let same = authority.enrol(token.expose(), "app1-worker", &first, late);
    assert!(
        matches!(same, Err(IssueError::Token(TokenRefusal::Expired))),
        "{same:?}"
    );
}

#[test]
fn renewals_that_no_node_stored_leave_it_the_certificate_that_it_has() {
    let home = tempfile::tempdir().expect("temp dir");
    let lab = LabName::new("yard").expect("valid");
    let now = Moment(shell::clock::unix_micros());
    let authority = Authority::open(home.path(), &lab, now).expect("opens");
    let (token, _) = authority.mint(&spec("app1-worker"), false, now).expect("minted");
    let (_, csr) = request(CertificateParams::default());
    let (enrolled, _) = authority
        .enrol(token.expose(), "app1-worker", &csr, now)
        .expect("enrolled");
    let held = enrolled.identity;
    let renew = |by: &NodeIdentity| {
        let (issued, _) = authority
            .renew(by, false, &csr, now)
            .expect("its certificate counts");
        issued.identity
    };
    let unstored: Vec<_> = (0..5).map(|_| renew(&held)).collect();
    authority.check(&held).expect("the only one that it has");
    let live = unstored.iter().filter(|one| authority.check(one).is_ok());
    assert_eq!(live.count(), 2, "those that nobody stored pile up");
    // Once the node uses what it got, the old one ends.
    let mut stored = unstored[4].clone();
    for _ in 0..3 {
        stored = renew(&stored);
    }
    assert_eq!(authority.check(&held), Err(Denied::DeadSerial));
    authority.check(&stored).expect("the newest");
}

#[test]
fn a_revoked_node_comes_in_again_only_when_somebody_asks() {
    let home = tempfile::tempdir().expect("temp dir");
    let lab = LabName::new("yard").expect("valid");
    let now = Moment(shell::clock::unix_micros());
    let later = now.plus_millis(TOKEN_LIFE_MS);
    let worker = spec("app1-worker");
    for replaces in [false, true] {
        let authority = Authority::open(home.path(), &lab, now).expect("opens");
        authority.mint(&worker, replaces, now).expect("minted");
        authority.revoke(&worker.name).expect("revoked");
        // A restart knows it too.
        drop(authority);
        let authority = Authority::open(home.path(), &lab, now).expect("opens again");
        assert!(!authority.lacks_token(&worker.name, now));
        let unasked = authority.mint_unasked(&worker, now).expect("readable");
        assert!(unasked.is_none(), "a revoked node got a token unasked");
        // It was let in, and its token ran out: that it may come is decided already.
        authority.mint(&worker, replaces, now).expect("asked for");
        assert!(authority.lacks_token(&worker.name, later));
        let unasked = authority.mint_unasked(&worker, later).expect("readable");
        assert!(unasked.is_some(), "a node that was let in stays out");
    }
}
