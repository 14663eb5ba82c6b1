//! A node's clock is set by three seconds and back, and a subscriber is told. Simulated: the nodes of the lab share their
//! host's clock, so the agent is made to read another. What follows is real: its looks, its journal, the coordinator's
//! measurement of the offset, the stream.

use super::ONE_YARD;
use super::yard::Yard;
use coordinator::operator_auth::connect_operator;
use proto::v1::operator_client::OperatorClient;
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, SubscribeRequest, SubscribeResponse};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tonic::Streaming;

/// Looks are five seconds apart and measurements four; the rest is for a busy host.
const LIMIT: Duration = Duration::from_secs(60);

/// The stream of one node's events, from the log's beginning.
async fn subscribe(home: &Path, node: &str) -> Streaming<SubscribeResponse> {
    let mut client = OperatorClient::new(connect_operator(home).await.expect("an operator"));
    let request = SubscribeRequest {
        follow: true,
        filter: Some(EventFilter {
            nodes: vec![node.to_owned()],
            ..EventFilter::default()
        }),
        ..SubscribeRequest::default()
    };
    client.subscribe(request).await.expect("a stream").into_inner()
}

/// Reads until every one of `wanted` (kind, and how the message begins) has come; messages in the order of `wanted`.
async fn told(stream: &mut Streaming<SubscribeResponse>, wanted: &[(&str, &str)]) -> Vec<String> {
    let mut found: Vec<Option<String>> = vec![None; wanted.len()];
    let read = async {
        while found.iter().any(Option::is_none) {
            let message = stream.message().await.expect("a stream").expect("it goes on");
            let Some(Item::Entry(entry)) = message.item else {
                continue;
            };
            let line: Value = serde_json::from_slice(&entry.json).expect("JSON");
            let message = line["message"].as_str().unwrap_or_default();
            for (slot, (kind, begin)) in found.iter_mut().zip(wanted) {
                if slot.is_none() && line["kind"] == **kind && message.starts_with(begin) {
                    *slot = Some(message.to_owned());
                }
            }
        }
    };
    let in_time = tokio::time::timeout(LIMIT, read).await.is_ok();
    assert!(in_time, "of {wanted:?} only {found:?}");
    found.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_is_told_as_an_event_and_as_a_condition() {
    let _alone = ONE_YARD.lock().await;
    let Some(mut yard) = Yard::new().await else {
        assert!(
            std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
            "network namespaces must be had here"
        );
        return;
    };
    yard.ready().await;
    let node = yard.names()[0].to_string();
    let clock = yard.root(&node).join("clock");
    let mut stream = subscribe(&yard.places.home, &node).await;
    told(&mut stream, &[("condition_changed", "ClockSynced is true")]).await;
    // Set to, jumps by (both milliseconds), and what the condition then says.
    for (set_to, shift, synced, way) in [
        (3_000_i64, 3_000_i64, "ClockSynced is false: ", "ahead of"),
        (0, -3_000, "ClockSynced is true: ", "close to"),
        (-3_000, -3_000, "ClockSynced is false: ", "behind"),
        (0, 3_000, "ClockSynced is true: ", "close to"),
    ] {
        // In one step: what is read is the old text or the new one.
        let next = clock.with_extension("next");
        std::fs::write(&next, (set_to * 1_000).to_string()).expect("written");
        std::fs::rename(&next, &clock).expect("set");
        let set = Instant::now();
        let wanted = [("clock_jump", "clock jumped by "), ("condition_changed", synced)];
        let messages = told(&mut stream, &wanted).await;
        let took = set.elapsed().as_millis();
        println!("clock set to {set_to} ms: {messages:?} within {took} ms");
        let jumped = messages[0].split(' ').find_map(|word| word.parse::<i64>().ok());
        // Two clocks are read one after the other, on a busy host.
        let off = jumped.expect("a number") - shift;
        assert!(off.abs() < 500, "{messages:?}");
        assert!(messages[1].contains(way), "{messages:?}");
    }
}
