//! Logs of nodes: what an honest agent hands over, and what a hostile one may do to whoever waits.

use super::*;
use crate::node_logs::{Limits, collect};
use model::node_log::NodeLog;
use std::collections::BTreeMap;
use tokio::task::JoinHandle;

const SOON: Limits = Limits {
    node: Duration::from_secs(6),
    whole: Duration::from_secs(20),
};

/// Collects of `nodes`; each log by node and name, as its text or its trouble.
fn collecting(yard: &Yard, nodes: &[&str]) -> JoinHandle<BTreeMap<String, Result<String, String>>> {
    let (hub, nodes) = (yard.hub.clone(), nodes.iter().map(|name| node(name)).collect());
    let (out, mut answers) = mpsc::channel(1);
    tokio::spawn(collect(hub, nodes, SOON, out));
    tokio::spawn(async move {
        let mut all = BTreeMap::new();
        while let Some(answer) = answers.recv().await {
            let answer = answer.expect("no error");
            let log = convert::node_log(answer.kind).expect("known").name();
            let told = if answer.trouble.is_empty() {
                Ok(answer.text)
            } else {
                Err(answer.trouble)
            };
            let before = all.insert(format!("{} {log}", answer.node), told);
            assert_eq!(before, None, "each log comes once");
        }
        all
    })
}

impl Agent {
    /// The next request for a log.
    async fn asked(&mut self) -> v1::ReadNodeLog {
        loop {
            match self.hear().await.expect("a session") {
                Some(ToAgent::ReadLog(wanted)) => return wanted,
                Some(_) => {}
                None => panic!("the session ended"),
            }
        }
    }

    async fn part(&self, request: u64, part: u32, text: &str, last: bool) {
        let part = v1::NodeLogPart {
            request,
            part,
            text: text.into(),
            last,
            ..Default::default()
        };
        self.say(Message::Log(part)).await;
    }
}

#[tokio::test]
async fn all_logs_of_a_node_come_in_parts_and_without_secrets() {
    let mut yard = Yard::start();
    let (_, _link, mut agent, _) = session(&mut yard, "app1-cp").await;
    let all = collecting(&yard, &["app1-cp", "app1-worker"]);
    for log in NodeLog::ALL {
        let wanted = agent.asked().await;
        assert_eq!(convert::node_log(wanted.kind), Ok(log));
        assert_eq!(usize::try_from(wanted.max_bytes), Ok(NodeLog::MOST_BYTES));
        let text = format!("{} says --token=abcdef.0123", log.name());
        agent.part(wanted.request, 0, &text, false).await;
        agent.part(wanted.request, 1, "456789abcdef\n", true).await;
    }
    let all = all.await.expect("collected");
    assert_eq!(all.len(), 2 * NodeLog::ALL.len());
    assert_eq!(
        all["app1-cp kubelet"],
        Ok("kubelet says --token=[redacted]\n".into())
    );
    assert_eq!(all["app1-worker facts"], Err("the node is not connected".into()));
}

#[tokio::test]
async fn a_hostile_agent_spoils_its_own_answer_and_nobody_s_else() {
    let mut yard = Yard::start();
    let (_, _link, mut good, _) = session(&mut yard, "app1-worker").await;
    let (_, _link, mut bad, _) = session(&mut yard, "app1-cp").await;
    let all = collecting(&yard, &["app1-cp", "app1-worker"]);

    let (mine, theirs) = (bad.asked().await.request, good.asked().await.request);
    // In another node's name, and for what nobody asked.
    bad.part(theirs, 0, "forged", true).await;
    bad.part(u64::MAX, 0, "for nobody", true).await;
    // Too much: one byte more than was asked for.
    let large = "x".repeat(NodeLog::PART_BYTES);
    let parts = u32::try_from(NodeLog::MOST_BYTES / NodeLog::PART_BYTES).expect("few");
    for part in 0..=parts {
        bad.part(mine, part, &large, false).await;
    }
    // Twice.
    let mine = bad.asked().await.request;
    bad.part(mine, 0, "once", true).await;
    bad.part(mine, 0, "twice", true).await;
    // Out of order.
    let mine = bad.asked().await.request;
    bad.part(mine, 1, "second first", true).await;
    // Never, and then for what is over.
    let mine = bad.asked().await.request;
    for answer in ["honest", "", "", "", ""] {
        let request = if answer.is_empty() {
            good.asked().await.request
        } else {
            theirs
        };
        good.part(request, 0, answer, true).await;
    }
    let all = all.await.expect("collected");
    bad.part(mine, 0, "late", true).await;

    assert_eq!(all["app1-worker kubelet"], Ok("honest\n".into()), "{all:?}");
    let said = |log: &str| all[&format!("app1-cp {log}")].clone();
    assert_eq!(
        said("kubelet"),
        Err("the node sent more than the 524288 bytes that were asked for".into())
    );
    assert_eq!(said("containerd"), Ok("once\n".into()));
    assert_eq!(
        said("agent"),
        Err("the node sent part 1 where part 0 was due".into())
    );
    for log in ["steps", "facts"] {
        assert_eq!(said(log), Err("the node did not answer in time".into()), "{log}");
    }
    // Its session went on all the time: a late answer is no crime.
    bad.say(Message::Heartbeat(v1::Heartbeat {
        sent: 1,
        ..Default::default()
    }))
    .await;
    assert!(matches!(bad.hear().await, Ok(Some(ToAgent::HeartbeatEcho(_)))));
    assert_eq!(yard.hub.connected().len(), 2);
}

#[tokio::test]
async fn an_agent_that_leaves_ends_the_wait_at_once() {
    let mut yard = Yard::start();
    let (_, _link, mut agent, _) = session(&mut yard, "app1-cp").await;
    let asking = {
        let hub = yard.hub.clone();
        let far = tokio::time::Instant::now() + 10 * PATIENCE;
        tokio::spawn(async move { hub.read_log(&node("app1-cp"), NodeLog::Kubelet, 100, far).await })
    };
    agent.asked().await;
    drop(agent);
    let answer = tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("at once")
        .expect("no panic");
    let error = answer.expect_err("nobody answers").to_string();
    assert_eq!(error, "the node's session ended before it had answered");
}
