//! Sessions over real mTLS on loopback: who gets in, what passes, how they end.

use super::{AgentHub, Ending, HubEvent, SecretBytes, StepSecrets};
use crate::authority::AuditEvent;
use crate::enrol_grpc::AgentBinaries;
use crate::net::harness::{Credentials, PATIENCE, Yard, node, request, spec};
use domain::event::{AgentPhase, SessionId};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, Incarnation, NodeName, Seq, StepId};
use model::moment::Moment;
use model::step::{ProbeResult, SecretName};
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::agent_message::Message;
use proto::v1::coordinator_message::Message as ToAgent;
use proto::v1::operator_client::OperatorClient;
use proto::{convert, v1};
use rcgen::CertificateParams;
use secrecy::ExposeSecret;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// The agent's end of a session.
struct Agent {
    to: mpsc::Sender<v1::AgentMessage>,
    from: Streaming<v1::CoordinatorMessage>,
}

impl Agent {
    async fn open(link: &mut AgentLinkClient<Channel>, first: Message) -> Result<Self, Status> {
        let (to, receiver) = mpsc::channel(16);
        to.send(v1::AgentMessage { message: Some(first) }).await.expect("queued");
        let from = link.session(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { to, from })
    }

    async fn say(&self, message: Message) {
        self.to.send(v1::AgentMessage { message: Some(message) }).await.expect("queued");
    }

    async fn hear(&mut self) -> Result<Option<ToAgent>, Status> {
        let heard = tokio::time::timeout(PATIENCE, self.from.message()).await.expect("an answer in time");
        Ok(heard?.and_then(|message| message.message))
    }

    /// Reads until the stream ends and says how.
    async fn ending(&mut self) -> Code {
        loop {
            match self.hear().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}

fn hello(name: &str) -> Message {
    Message::Hello(v1::Hello {
        node: name.to_owned(),
        agent_version: "0.1.0".to_owned(),
        boot_id: vec![1; 16],
        incarnation: vec![2; 16],
        highest_epoch: 3,
        first_unacked_seq: 4,
        last_seq: 9,
    })
}

fn event(seq: u64) -> NodeEvent {
    NodeEvent {
        incarnation: Incarnation([2; 16]),
        seq: Seq(seq),
        time: Moment(5),
        monotonic_ms: 6,
        boot: BootId([1; 16]),
        kind: NodeEventKind::AgentStarted { version: "0.1.0".to_owned() },
    }
}

fn batch(events: impl IntoIterator<Item = NodeEvent>) -> Message {
    Message::Events(v1::EventBatch { events: events.into_iter().map(|e| convert::event_to_wire(&e)).collect() })
}

async fn connected(yard: &mut Yard) -> SessionId {
    match yard.event().await {
        HubEvent::Connected { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

async fn disconnected(yard: &mut Yard) -> (SessionId, Ending) {
    loop {
        if let HubEvent::Disconnected { session, reason, .. } = yard.event().await {
            return (session, reason);
        }
    }
}

async fn session(yard: &mut Yard, name: &str) -> (Credentials, AgentLinkClient<Channel>, Agent, SessionId) {
    let credentials = yard.credentials(name);
    let mut link = yard.link(&credentials).await;
    let agent = Agent::open(&mut link, hello(name)).await.expect("a session");
    let id = connected(yard).await;
    (credentials, link, agent, id)
}

#[tokio::test]
async fn what_an_agent_says_reaches_the_engine_and_back() {
    let mut yard = Yard::start();
    let credentials = yard.credentials("app1-worker");
    let mut link = yard.link(&credentials).await;
    let mut agent = Agent::open(&mut link, hello("app1-worker")).await.expect("a session");
    let HubEvent::Connected { node: name, session, hello } = yard.event().await else { panic!("not connected") };
    assert_eq!((name.as_str(), hello.first_unacked, hello.last_seq), ("app1-worker", Seq(4), Seq(9)));
    assert_eq!(yard.hub.connected(), vec![name.clone()]);

    let welcome = ToAgent::Welcome(v1::Welcome { epoch: 7, heartbeat_ms: 500, ..Default::default() });
    yard.hub.send(&name, welcome.clone()).expect("connected");
    assert_eq!(agent.hear().await.expect("heard"), Some(welcome));

    agent.say(batch((1..=3).map(event))).await;
    let expected = HubEvent::Events { node: name.clone(), session, events: (1..=3).map(event).collect() };
    assert_eq!(yard.event().await, expected);

    let phase = v1::step_state::Phase::Started.into();
    let state = v1::StepState { step_id: vec![5; 32], attempt: 2, phase };
    agent.say(Message::StepStates(v1::StepStates { states: vec![state] })).await;
    match yard.event().await {
        HubEvent::StepStates { states, .. } => {
            assert_eq!((states[0].step, states[0].phase), (StepId([5; 32]), AgentPhase::Started));
        }
        other => panic!("{other:?}"),
    }
    let result_json = convert::probe_to_wire(&ProbeResult::Done);
    agent.say(Message::Probe(v1::ProbeAnswer { step_id: vec![5; 32], attempt: 2, result_json })).await;
    assert!(matches!(yard.event().await, HubEvent::Probe { result: ProbeResult::Done, .. }));

    agent.say(Message::Heartbeat(v1::Heartbeat { monotonic_ms: 1, time_micros: 2, sent: 1 })).await;
    let beat = tokio::time::timeout(PATIENCE, yard.events.recv()).await.expect("in time");
    assert!(matches!(beat, Some(HubEvent::Heartbeat { node_time: Moment(2), .. })), "{beat:?}");

    drop(agent.to);
    assert_eq!(disconnected(&mut yard).await, (session, Ending::AgentClosed));
    assert!(yard.hub.send(&name, ToAgent::Ack(v1::Ack { durable_upto: 1 })).is_err());
}

#[tokio::test]
async fn each_listener_takes_its_own_certificates_only() {
    let yard = Yard::start();
    let other = Yard::start();
    let node = yard.credentials("app1-worker");
    let operator = yard.operator_identity();

    // A client learns of a refused certificate with its first call: TLS 1.3 ends its side earlier.
    let session = async |identity| -> Result<Agent, String> {
        let channel = yard.channel(&yard.agent, identity).await.map_err(|error| error.to_string())?;
        let opened = Agent::open(&mut AgentLinkClient::new(channel), hello("app1-worker")).await;
        opened.map_err(|status| status.to_string())
    };
    assert!(session(None).await.is_err(), "no certificate on the agent port");
    assert!(session(Some(operator)).await.is_err(), "an operator on the agent port");
    let foreign = other.credentials("app1-worker").identity();
    assert!(session(Some(foreign)).await.is_err(), "another lab's node");
    assert!(session(Some(node.identity())).await.is_ok(), "our own node");

    let status = async |identity| -> Result<Vec<u8>, String> {
        let channel = yard.channel(&yard.operator, identity).await.map_err(|error| error.to_string())?;
        let reply = OperatorClient::new(channel).get_status(v1::GetStatusRequest {}).await;
        reply.map(|reply| reply.into_inner().status_json).map_err(|status| status.to_string())
    };
    assert!(status(None).await.is_err(), "no certificate on the operator port");
    assert!(status(Some(node.identity())).await.is_err(), "a node on the operator port");
    assert!(status(Some(other.operator_identity())).await.is_err(), "another lab's operator");
    assert_eq!(status(Some(yard.operator_identity())).await.expect("our own"), b"operator/jane");
    assert!(yard.operator.metrics.failed.load(std::sync::atomic::Ordering::Relaxed) >= 3);
}

#[tokio::test]
async fn a_revoked_node_is_cut_in_the_middle_of_its_session() {
    let mut yard = Yard::start();
    let (_credentials, mut link, mut agent, id) = session(&mut yard, "app1-worker").await;
    let (_, mut other_link, mut other, _) = session(&mut yard, "app1-cp").await;
    yard.authority.revoke(&node("app1-worker")).expect("revoked");
    let code = agent.ending().await;
    assert!(matches!(code, Code::Unauthenticated | Code::Unknown | Code::Unavailable), "{code:?}");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Revoked));
    let (_, csr) = request(CertificateParams::default());
    let renewal = link.renew(v1::RenewRequest { csr_der: csr.clone() }).await.expect_err("revoked");
    assert!(matches!(renewal.code(), Code::Unauthenticated | Code::Unknown | Code::Unavailable), "{renewal}");
    let again = Agent::open(&mut link, hello("app1-worker")).await;
    assert!(again.is_err(), "a revoked node came back");
    // Nobody else noticed.
    yard.hub.send(&node("app1-cp"), ToAgent::Ack(v1::Ack { durable_upto: 1 })).expect("still connected");
    assert!(other.hear().await.expect("heard").is_some());
    other_link.renew(v1::RenewRequest { csr_der: csr }).await.expect("still live");
}

#[tokio::test]
async fn renewal_does_not_drop_the_session_and_both_certificates_work() {
    let mut yard = Yard::start();
    let (old, mut link, mut agent, id) = session(&mut yard, "app1-worker").await;
    let (key, csr) = request(CertificateParams::default());
    let renewed = link.renew(v1::RenewRequest { csr_der: csr }).await.expect("renewed").into_inner();
    let chain = [vec![renewed.certificate_der], renewed.chain_der].concat().into_iter().map(Into::into);
    let new = Credentials { chain: chain.collect(), key };
    assert_ne!(new.chain[0], old.chain[0]);
    // The listeners' own certificate is exchanged too.
    yard.network.certificate.renew(yard.now()).expect("renewed");

    agent.say(batch([event(1)])).await;
    assert!(matches!(yard.event().await, HubEvent::Events { session, .. } if session == id));
    yard.hub.send(&node("app1-worker"), ToAgent::Ack(v1::Ack { durable_upto: 1 })).expect("connected");
    assert!(agent.hear().await.expect("heard").is_some());

    // The agent moves: a session with the new certificate takes over from the old one.
    let mut moved = Agent::open(&mut yard.link(&new).await, hello("app1-worker")).await.expect("moved");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Replaced));
    assert_eq!(agent.ending().await, Code::Aborted);
    connected(&mut yard).await;
    yard.hub.send(&node("app1-worker"), ToAgent::Ack(v1::Ack { durable_upto: 1 })).expect("connected");
    assert!(moved.hear().await.expect("heard").is_some());
}

#[tokio::test]
async fn an_expired_certificate_opens_renewal_and_nothing_else() {
    let mut yard = Yard::start();
    let week_ago = Moment(yard.now().0 - 7 * 24 * 3600 * 1_000_000);
    let old = yard.credentials_at("app1-worker", week_ago);
    let mut link = yard.link(&old).await;
    let refused = Agent::open(&mut link, hello("app1-worker")).await.err().expect("no session");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let (_, csr) = request(CertificateParams::default());
    let reply = link.renew(v1::RenewRequest { csr_der: csr.clone() }).await.expect("recovered").into_inner();
    // The reply may have been lost, so the old certificate may ask once more.
    link.renew(v1::RenewRequest { csr_der: csr }).await.expect("recovered again");
    assert!(!reply.certificate_der.is_empty());
    assert!(matches!(yard.audit.recv().await, Some(AuditEvent::CallDenied { .. })));

    let long_ago = Moment(yard.now().0 - 34 * 24 * 3600 * 1_000_000);
    let ancient = yard.credentials_at("app1-cp", long_ago);
    let opened = match yard.channel(&yard.agent, Some(ancient.identity())).await {
        Ok(channel) => {
            let (_, csr) = request(CertificateParams::default());
            AgentLinkClient::new(channel).renew(v1::RenewRequest { csr_der: csr }).await.is_ok()
        }
        Err(_) => false,
    };
    assert!(!opened, "31 days after its end a certificate still opened something");
}

#[tokio::test]
async fn a_session_is_refused_without_a_truthful_hello() {
    let mut yard = Yard::start();
    let credentials = yard.credentials("app1-worker");
    let mut link = yard.link(&credentials).await;
    let mut short = v1::Hello { node: "app1-worker".to_owned(), ..Default::default() };
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
    assert!(yard.events.try_recv().is_err(), "the engine heard of a session that never was");
    match yard.audit.recv().await {
        Some(AuditEvent::CallDenied { reason, .. }) => assert!(reason.contains("mgmt-cp"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn malformed_and_oversized_messages_end_the_session_and_only_it() {
    let mut yard = Yard::start();
    let (_, mut link, first, _) = session(&mut yard, "app1-worker").await;
    drop(first);
    disconnected(&mut yard).await;
    let mut broken = convert::event_to_wire(&event(1));
    broken.body_json = b"{\"kind\":\"no_such_kind\"}".to_vec();
    let huge = NodeEvent { kind: NodeEventKind::AgentStarted { version: "x".repeat(70_000) }, ..event(1) };
    let phase = v1::StepState { step_id: vec![5; 32], attempt: 1, phase: 99 };
    for (message, big) in [
        (Message::Events(v1::EventBatch { events: vec![broken] }), false),
        (batch((1..=257).map(event)), false),
        (Message::StepStates(v1::StepStates { states: vec![phase] }), false),
        (hello("app1-worker"), false),
        (batch([huge]), true),
    ] {
        let mut agent = Agent::open(&mut link, hello("app1-worker")).await.expect("a session");
        connected(&mut yard).await;
        agent.say(message).await;
        let (_, reason) = disconnected(&mut yard).await;
        assert_eq!(matches!(reason, Ending::Broken(_)), big, "{reason}");
        assert_eq!(matches!(reason, Ending::Refused(_)), !big, "{reason}");
        assert_ne!(agent.ending().await, Code::Ok);
    }
    Agent::open(&mut link, hello("app1-worker")).await.expect("the node may try again");
    connected(&mut yard).await;
}

#[tokio::test]
async fn an_agent_that_does_not_read_loses_its_session_and_holds_nobody_up() {
    let mut yard = Yard::start();
    let (_, _link, _agent, id) = session(&mut yard, "app1-worker").await;
    let padding = ToAgent::Reconnect(v1::Reconnect { reason: "x".repeat(1000) });
    let mut sent = 0;
    while yard.hub.send(&node("app1-worker"), padding.clone()).is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the queue has no end");
        tokio::task::yield_now().await;
    }
    assert_eq!(disconnected(&mut yard).await, (id, Ending::SlowReader));
}

#[tokio::test]
async fn stopping_ends_sessions_at_once() {
    let mut yard = Yard::start();
    let (_, _link, mut agent, id) = session(&mut yard, "app1-worker").await;
    let tasks = yard.network.tasks.clone();
    let stop = tokio::spawn(async move { tasks.stop(Duration::from_secs(5)).await });
    assert_eq!(agent.ending().await, Code::Unavailable);
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Stopping));
    drop((agent, _link));
    assert!(stop.await.expect("joined"), "something went on for more than five seconds");
}

#[tokio::test]
async fn the_hub_can_close_a_session_and_the_first_reason_stays() {
    let mut yard = Yard::start();
    let (_, _link, mut agent, id) = session(&mut yard, "app1-worker").await;
    yard.hub.close(&node("app1-worker"), "flapping");
    yard.hub.close(&node("app1-worker"), "later");
    yard.hub.close(&node("nobody"), "x");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Closed("flapping".to_owned())));
    assert_eq!(agent.ending().await, Code::Unavailable);
}

/// Holds one secret for one node's attempt, and what was put.
#[derive(Default)]
struct OneSecret(Mutex<Vec<(NodeName, Vec<u8>)>>);

impl StepSecrets for OneSecret {
    fn fetch(&self, node: &NodeName, step: StepId, attempt: Attempt, name: SecretName) -> Option<SecretBytes> {
        let mine = node.as_str() == "app1-worker" && step == StepId([5; 32]) && attempt == Attempt(2);
        (mine && name == SecretName::JoinToken).then(|| SecretBytes::from(b"canary".to_vec()))
    }

    fn put(&self, node: &NodeName, _: StepId, attempt: Attempt, _: SecretName, value: SecretBytes) -> bool {
        if attempt == Attempt(2) {
            self.0.lock().expect("lock").push((node.clone(), value.expose_secret().to_vec()));
        }
        attempt == Attempt(2)
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
    let got = mine.fetch_step_secret(ask(2, "join_token")).await.expect("given").into_inner();
    assert_eq!(got.value, b"canary");
    let code = |result: Result<_, Status>| result.map(|_: tonic::Response<_>| ()).expect_err("refused").code();
    assert_eq!(code(other.fetch_step_secret(ask(2, "join_token")).await), Code::NotFound);
    assert_eq!(code(mine.fetch_step_secret(ask(1, "join_token")).await), Code::NotFound);
    assert_eq!(code(mine.fetch_step_secret(ask(2, "../x")).await), Code::InvalidArgument);

    let put = |attempt| v1::StepSecret {
        step_id: vec![5; 32],
        attempt,
        name: "kubeconfig".to_owned(),
        value: b"config".to_vec(),
    };
    mine.put_step_secret(put(2)).await.expect("taken");
    let refused = mine.put_step_secret(put(3)).await.expect_err("not running");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(*secrets.0.lock().expect("lock"), vec![(node("app1-worker"), b"config".to_vec())]);
}

#[tokio::test]
async fn the_local_operator_finds_its_way_in() {
    let yard = Yard::start();
    let (address, now) = (yard.operator.address, yard.now());
    let name = crate::operator_auth::local_operator();
    crate::operator_auth::grant_local_operator(&yard.authority, &name, address, now).expect("granted");
    let channel = crate::operator_auth::connect_operator(yard.home.path()).await.expect("connected");
    let reply = OperatorClient::new(channel).get_status(v1::GetStatusRequest {}).await.expect("answered");
    assert_eq!(reply.into_inner().status_json, format!("operator/{}", name.as_str()).into_bytes());
    let nowhere = tempfile::tempdir().expect("temp dir");
    assert!(crate::operator_auth::connect_operator(nowhere.path()).await.is_err());
}

#[tokio::test]
async fn a_token_for_a_living_node_must_replace_and_then_cuts_the_old_agent() {
    let mut yard = Yard::start();
    let (_, _link, _agent, id) = session(&mut yard, "app1-worker").await;
    assert!(yard.authority.mint(&spec("app1-worker"), false, yard.now()).is_err());
    yard.authority.mint(&spec("app1-worker"), true, yard.now()).expect("replaced");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Revoked));
}

#[tokio::test]
async fn two_hundred_sessions_of_one_node_end_in_one_and_are_told_in_order() {
    let (hub, mut events) = AgentHub::new(4);
    let name = node("app1-worker");
    let enter = |hub: AgentHub, name: NodeName| async move {
        let (outbound, _receiver) = super::session::outbound();
        let hello = super::Hello {
            version: String::new(),
            boot: BootId([0; 16]),
            incarnation: Incarnation([0; 16]),
            highest_epoch: model::ids::Epoch(0),
            first_unacked: Seq(1),
            last_seq: Seq(0),
        };
        let (id, mut ended) = hub.enter(&name, hello, outbound).await;
        drop(ended.wait_for(Option::is_some).await);
        hub.leave(&name, id, Ending::Replaced).await;
    };
    let all: Vec<_> = (0..200).map(|_| tokio::spawn(enter(hub.clone(), name.clone()))).collect();
    let (mut current, mut seen) = (None, 0);
    while seen < 200 {
        match tokio::time::timeout(PATIENCE, events.recv()).await.expect("in time").expect("alive") {
            HubEvent::Connected { session, .. } => {
                assert_eq!(current, None, "a session began before the older one's end");
                current = Some(session);
                seen += 1;
            }
            HubEvent::Disconnected { session, .. } => assert_eq!(current.take(), Some(session)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(hub.session(&name), current);
    hub.close(&name, "done");
    for session in all {
        session.await.expect("joined");
    }
}
