//! How sessions end, and what is told of it.

use super::*;

#[tokio::test]
async fn a_revoked_node_is_cut_in_the_middle_of_its_session() {
    let mut yard = Yard::start();
    let (_credentials, mut link, mut agent, id) = session(&mut yard, "app1-worker").await;
    let (_, mut other_link, mut other, _) = session(&mut yard, "app1-cp").await;
    yard.authority.revoke(&node("app1-worker")).expect("revoked");
    let code = agent.ending().await;
    assert!(
        matches!(code, Code::Unauthenticated | Code::Unknown | Code::Unavailable),
        "{code:?}"
    );
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Revoked));
    let (_, csr) = request(CertificateParams::default());
    let renewal = link
        .renew(v1::RenewRequest { csr_der: csr.clone() })
        .await
        .expect_err("revoked");
    assert!(
        matches!(
            renewal.code(),
            Code::Unauthenticated | Code::Unknown | Code::Unavailable
        ),
        "{renewal}"
    );
    let again = Agent::open(&mut link, hello("app1-worker")).await;
    assert!(again.is_err(), "a revoked node came back");
    // Nobody else noticed.
    yard.hub
        .send(&node("app1-cp"), ToAgent::Ack(v1::Ack { durable_upto: 1 }))
        .expect("still connected");
    assert!(other.hear().await.expect("heard").is_some());
    other_link
        .renew(v1::RenewRequest { csr_der: csr })
        .await
        .expect("still live");
}

#[tokio::test]
async fn an_agent_that_does_not_read_loses_its_session_and_holds_nobody_up() {
    let mut yard = Yard::start();
    let (_, _link, _agent, id) = session(&mut yard, "app1-worker").await;
    let padding = ToAgent::Reconnect(v1::Reconnect {
        reason: "x".repeat(1000),
    });
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
    let stopped = stop.await.expect("joined");
    stopped.expect("nothing went on for five seconds");
}

#[tokio::test]
async fn the_hub_can_close_a_session_and_the_first_reason_stays() {
    let mut yard = Yard::start();
    let (_, _link, mut agent, id) = session(&mut yard, "app1-worker").await;
    yard.hub.close(&node("app1-worker"), "flapping");
    yard.hub.close(&node("app1-worker"), "later");
    yard.hub.close(&node("nobody"), "x");
    assert_eq!(
        disconnected(&mut yard).await,
        (id, Ending::Closed("flapping".to_owned()))
    );
    assert_eq!(agent.ending().await, Code::Unavailable);
}

#[tokio::test]
async fn a_token_for_a_living_node_must_replace_and_then_cuts_the_old_agent() {
    let mut yard = Yard::start();
    let (_, _link, _agent, id) = session(&mut yard, "app1-worker").await;
    assert!(
        yard.authority
            .mint(&spec("app1-worker"), false, yard.now())
            .is_err()
    );
    yard.authority
        .mint(&spec("app1-worker"), true, yard.now())
        .expect("replaced");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Revoked));
}

#[tokio::test]
async fn two_hundred_sessions_of_one_node_end_in_one_and_are_told_in_order() {
    let (hub, mut events) = AgentHub::new(4);
    let name = node("app1-worker");
    let enter = |hub: AgentHub, name: NodeName| async move {
        let (outbound, _receiver) = super::super::session::outbound();
        let hello = super::super::Hello {
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
    let all: Vec<_> = (0..200)
        .map(|_| tokio::spawn(enter(hub.clone(), name.clone())))
        .collect();
    let (mut current, mut seen) = (None, 0);
    while seen < 200 {
        match tokio::time::timeout(PATIENCE, events.recv())
            .await
            .expect("in time")
            .expect("alive")
        {
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
