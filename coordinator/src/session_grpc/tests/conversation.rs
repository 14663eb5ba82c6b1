//! What passes through a session, and what may not.

use super::*;
use model::moment::ClockOffset;

#[tokio::test]
async fn what_an_agent_says_reaches_the_engine_and_back() {
    let mut yard = Yard::start();
    let credentials = yard.credentials("app1-worker");
    let mut link = yard.link(&credentials).await;
    let mut agent = Agent::open(&mut link, hello("app1-worker"))
        .await
        .expect("a session");
    let HubEvent::Connected {
        node: name,
        session,
        hello,
    } = yard.event().await
    else {
        panic!("not connected")
    };
    assert_eq!(
        (name.as_str(), hello.first_unacked, hello.last_seq),
        ("app1-worker", Seq(4), Seq(9))
    );
    assert_eq!(yard.hub.connected(), vec![name.clone()]);

    let welcome = ToAgent::Welcome(v1::Welcome {
        epoch: 7,
        heartbeat_ms: 500,
        ..Default::default()
    });
    yard.hub.send(&name, welcome.clone()).expect("connected");
    assert_eq!(agent.hear().await.expect("heard"), Some(welcome));

    agent.say(batch((1..=3).map(event))).await;
    let expected = HubEvent::Events {
        node: name.clone(),
        session,
        events: (1..=3).map(event).collect(),
    };
    assert_eq!(yard.event().await, expected);

    let phase = v1::step_state::Phase::Started.into();
    let state = v1::StepState {
        step_id: vec![5; 32],
        attempt: 2,
        phase,
    };
    agent
        .say(Message::StepStates(v1::StepStates { states: vec![state] }))
        .await;
    match yard.event().await {
        HubEvent::StepStates { states, .. } => {
            assert_eq!(
                (states[0].step, states[0].phase),
                (StepId([5; 32]), AgentPhase::Started)
            );
        }
        other => panic!("{other:?}"),
    }
    let result_json = convert::probe_to_wire(&ProbeResult::Done);
    agent
        .say(Message::Probe(v1::ProbeAnswer {
            step_id: vec![5; 32],
            attempt: 2,
            result_json,
        }))
        .await;
    assert!(matches!(
        yard.event().await,
        HubEvent::Probe {
            result: ProbeResult::Done,
            ..
        }
    ));

    agent
        .say(Message::Heartbeat(v1::Heartbeat {
            monotonic_ms: 1,
            time_micros: 2,
            sent: 1,
            offset_micros: Some(-70),
            bound_micros: Some(9),
        }))
        .await;
    let beat = tokio::time::timeout(PATIENCE, yard.events.recv())
        .await
        .expect("in time");
    assert!(
        matches!(
            beat,
            Some(HubEvent::Heartbeat {
                node_time: Moment(2),
                offset: Some(ClockOffset {
                    offset_micros: -70,
                    bound_micros: 9
                }),
                ..
            })
        ),
        "{beat:?}"
    );
    let echo = agent.hear().await.expect("a session");
    let Some(ToAgent::HeartbeatEcho(echo)) = echo else {
        panic!("{echo:?}");
    };
    assert_eq!((echo.sent, echo.node_micros), (1, 2));
    assert!(echo.received_micros > 0 && echo.time_micros >= echo.received_micros);

    drop(agent.to);
    assert_eq!(disconnected(&mut yard).await, (session, Ending::AgentClosed));
    assert!(
        yard.hub
            .send(&name, ToAgent::Ack(v1::Ack { durable_upto: 1 }))
            .is_err()
    );
}

#[tokio::test]
async fn renewal_does_not_drop_the_session_and_both_certificates_work() {
    let mut yard = Yard::start();
    let (old, mut link, mut agent, id) = session(&mut yard, "app1-worker").await;
    let (key, csr) = request(CertificateParams::default());
    let renewed = link
        .renew(v1::RenewRequest { csr_der: csr })
        .await
        .expect("renewed")
        .into_inner();
    let chain = [vec![renewed.certificate_der], renewed.chain_der]
        .concat()
        .into_iter()
        .map(Into::into);
    let new = Credentials {
        chain: chain.collect(),
        key,
    };
    assert_ne!(new.chain[0], old.chain[0]);
    // The listeners' own certificate is exchanged too.
    yard.network.certificate.renew(yard.now()).expect("renewed");

    agent.say(batch([event(1)])).await;
    assert!(matches!(yard.event().await, HubEvent::Events { session, .. } if session == id));
    yard.hub
        .send(&node("app1-worker"), ToAgent::Ack(v1::Ack { durable_upto: 1 }))
        .expect("connected");
    assert!(agent.hear().await.expect("heard").is_some());

    // The agent moves: a session with the new certificate takes over from the old one.
    let mut moved = Agent::open(&mut yard.link(&new).await, hello("app1-worker"))
        .await
        .expect("moved");
    assert_eq!(disconnected(&mut yard).await, (id, Ending::Replaced));
    assert_eq!(agent.ending().await, Code::Aborted);
    connected(&mut yard).await;
    yard.hub
        .send(&node("app1-worker"), ToAgent::Ack(v1::Ack { durable_upto: 1 }))
        .expect("connected");
    assert!(moved.hear().await.expect("heard").is_some());
}

#[tokio::test]
async fn malformed_and_oversized_messages_end_the_session_and_only_it() {
    let mut yard = Yard::start();
    let (_, mut link, first, _) = session(&mut yard, "app1-worker").await;
    drop(first);
    disconnected(&mut yard).await;
    let mut broken = convert::event_to_wire(&event(1));
    broken.body_json = b"{\"kind\":\"no_such_kind\"}".to_vec();
    let huge = NodeEvent {
        kind: NodeEventKind::AgentStarted {
            version: "x".repeat(70_000),
        },
        ..event(1)
    };
    let phase = v1::StepState {
        step_id: vec![5; 32],
        attempt: 1,
        phase: 99,
    };
    for (message, big) in [
        (Message::Events(v1::EventBatch { events: vec![broken] }), false),
        (batch((1..=257).map(event)), false),
        (Message::StepStates(v1::StepStates { states: vec![phase] }), false),
        (hello("app1-worker"), false),
        (batch([huge]), true),
    ] {
        let mut agent = Agent::open(&mut link, hello("app1-worker"))
            .await
            .expect("a session");
        connected(&mut yard).await;
        agent.say(message).await;
        let (_, reason) = disconnected(&mut yard).await;
        assert_eq!(matches!(reason, Ending::Broken(_)), big, "{reason}");
        assert_eq!(matches!(reason, Ending::Refused(_)), !big, "{reason}");
        assert_ne!(agent.ending().await, Code::Ok);
    }
    Agent::open(&mut link, hello("app1-worker"))
        .await
        .expect("the node may try again");
    connected(&mut yard).await;
}
