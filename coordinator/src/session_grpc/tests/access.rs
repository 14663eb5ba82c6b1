//! Who gets a session, a renewal or a secret, and who does not.

use super::*;

#[tokio::test]
async fn each_listener_takes_its_own_certificates_only() {
    let yard = Yard::start();
    let other = Yard::start();
    let node = yard.credentials("app1-worker");
    let operator = yard.operator_identity();

    // A client learns of a refused certificate with its first call: TLS 1.3 ends its side earlier.
    let session = async |identity| -> Result<Agent, String> {
        let channel = yard
            .channel(&yard.agent, identity)
            .await
            .map_err(|error| error.to_string())?;
        let opened = Agent::open(&mut AgentLinkClient::new(channel), hello("app1-worker")).await;
        opened.map_err(|status| status.to_string())
    };
    assert!(session(None).await.is_err(), "no certificate on the agent port");
    assert!(
        session(Some(operator)).await.is_err(),
        "an operator on the agent port"
    );
    let foreign = other.credentials("app1-worker").identity();
    assert!(session(Some(foreign)).await.is_err(), "another lab's node");
    assert!(session(Some(node.identity())).await.is_ok(), "our own node");

    let status = async |identity| -> Result<Vec<u8>, String> {
        let channel = yard
            .channel(&yard.operator, identity)
            .await
            .map_err(|error| error.to_string())?;
        let reply = OperatorClient::new(channel)
            .get_status(v1::GetStatusRequest {})
            .await;
        reply
            .map(|reply| reply.into_inner().status_json)
            .map_err(|status| status.to_string())
    };
    assert!(status(None).await.is_err(), "no certificate on the operator port");
    assert!(
        status(Some(node.identity())).await.is_err(),
        "a node on the operator port"
    );
    assert!(
        status(Some(other.operator_identity())).await.is_err(),
        "another lab's operator"
    );
    assert_eq!(
        status(Some(yard.operator_identity())).await.expect("our own"),
        b"operator/jane"
    );
    assert!(
        yard.operator
            .metrics
            .failed
            .load(std::sync::atomic::Ordering::Relaxed)
            >= 3
    );
}

#[tokio::test]
async fn an_expired_certificate_opens_renewal_and_nothing_else() {
    let mut yard = Yard::start();
    let week_ago = Moment(yard.now().0 - 7 * 24 * 3600 * 1_000_000);
    let old = yard.credentials_at("app1-worker", week_ago);
    let mut link = yard.link(&old).await;
    let refused = Agent::open(&mut link, hello("app1-worker"))
        .await
        .err()
        .expect("no session");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let (_, csr) = request(CertificateParams::default());
    let reply = link
        .renew(v1::RenewRequest { csr_der: csr.clone() })
        .await
        .expect("recovered")
        .into_inner();
    // The reply may have been lost, so the old certificate may ask once more.
    link.renew(v1::RenewRequest { csr_der: csr })
        .await
        .expect("recovered again");
    assert!(!reply.certificate_der.is_empty());
    assert!(matches!(
        yard.audit.recv().await,
        Some(AuditEvent::CallDenied { .. })
    ));

    let long_ago = Moment(yard.now().0 - 34 * 24 * 3600 * 1_000_000);
    let ancient = yard.credentials_at("app1-cp", long_ago);
    let opened = match yard.channel(&yard.agent, Some(ancient.identity())).await {
        Ok(channel) => {
            let (_, csr) = request(CertificateParams::default());
            AgentLinkClient::new(channel)
                .renew(v1::RenewRequest { csr_der: csr })
                .await
                .is_ok()
        }
        Err(_) => false,
    };
    assert!(
        !opened,
        "31 days after its end a certificate still opened something"
    );
}

#[tokio::test]
async fn a_session_is_refused_without_a_truthful_hello() {
    let mut yard = Yard::start();
    let credentials = yard.credentials("app1-worker");
    let mut link = yard.link(&credentials).await;
    let mut short = v1::Hello {
        node: "app1-worker".to_owned(),
        ..Default::default()
    };
    short.boot_id = vec![1; 3];
    for first in [
        hello("mgmt-cp"),
        Message::Hello(short),
        Message::Heartbeat(v1::Heartbeat::default()),
        batch([event(1)]),
    ] {
        let mut agent = Agent::open(&mut link, first).await.expect("opened");
        assert_eq!(agent.ending().await, Code::InvalidArgument);
    }
    assert!(
        yard.events.try_recv().is_err(),
        "the engine heard of a session that never was"
    );
    match yard.audit.recv().await {
        Some(AuditEvent::CallDenied { reason, .. }) => assert!(reason.contains("mgmt-cp"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// Holds one secret for one node's attempt, and what was put.
#[derive(Default)]
struct OneSecret(Mutex<Vec<(NodeName, Vec<u8>)>>);

impl StepSecrets for OneSecret {
    fn fetch(
        &self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        name: SecretName,
    ) -> Option<SecretBytes> {
        let mine = node.as_str() == "app1-worker" && step == StepId([5; 32]) && attempt == Attempt(2);
        (mine && name == SecretName::JoinToken).then(|| SecretBytes::from(b"canary".to_vec()))
    }

    fn put(
        &self,
        node: &NodeName,
        _: StepId,
        attempt: Attempt,
        _: SecretName,
        value: SecretBytes,
    ) -> Result<(), NotTaken> {
        match attempt {
            Attempt(2) => {}
            Attempt(4) => return Err(NotTaken::NotKept),
            _ => return Err(NotTaken::Refused),
        }
        let mut kept = self.0.lock().expect("lock");
        kept.push((node.clone(), value.expose_secret().to_vec()));
        Ok(())
    }
}

#[tokio::test]
async fn secrets_go_to_the_callers_own_node_and_a_running_step_only() {
    let secrets = Arc::<OneSecret>::default();
    let yard = Yard::start_with(Arc::<OneSecret>::clone(&secrets), AgentBinaries::new());
    let mut mine = yard.link(&yard.credentials("app1-worker")).await;
    let mut other = yard.link(&yard.credentials("app1-cp")).await;
    let ask = |attempt, name: &str| v1::StepSecretRequest {
        step_id: vec![5; 32],
        attempt,
        name: name.to_owned(),
    };
    let got = mine
        .fetch_step_secret(ask(2, "join_token"))
        .await
        .expect("given")
        .into_inner();
    assert_eq!(got.value, b"canary");
    let code = |result: Result<_, Status>| {
        result
            .map(|_: tonic::Response<_>| ())
            .expect_err("refused")
            .code()
    };
    assert_eq!(
        code(other.fetch_step_secret(ask(2, "join_token")).await),
        Code::NotFound
    );
    assert_eq!(
        code(mine.fetch_step_secret(ask(1, "join_token")).await),
        Code::NotFound
    );
    assert_eq!(
        code(mine.fetch_step_secret(ask(2, "../x")).await),
        Code::InvalidArgument
    );

    let put = |attempt| v1::StepSecret {
        step_id: vec![5; 32],
        attempt,
        name: "kubeconfig".to_owned(),
        value: b"config".to_vec(),
    };
    mine.put_step_secret(put(2)).await.expect("taken");
    let refused = mine.put_step_secret(put(3)).await.expect_err("not running");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let later = mine.put_step_secret(put(4)).await.expect_err("no room");
    assert_eq!(later.code(), Code::Unavailable);
    assert_eq!(
        *secrets.0.lock().expect("lock"),
        vec![(node("app1-worker"), b"config".to_vec())]
    );
}

#[tokio::test]
async fn the_local_operator_finds_its_way_in() {
    let yard = Yard::start();
    let (address, now) = (yard.operator.address, yard.now());
    let name = crate::operator_auth::local_operator();
    crate::operator_auth::grant_local_operator(&yard.authority, &name, address, now).expect("granted");
    let channel = crate::operator_auth::connect_operator(yard.home.path())
        .await
        .expect("connected");
    let reply = OperatorClient::new(channel)
        .get_status(v1::GetStatusRequest {})
        .await
        .expect("answered");
    assert_eq!(
        reply.into_inner().status_json,
        format!("operator/{}", name.as_str()).into_bytes()
    );
    let nowhere = tempfile::tempdir().expect("temp dir");
    assert!(
        crate::operator_auth::connect_operator(nowhere.path())
            .await
            .is_err()
    );
}
