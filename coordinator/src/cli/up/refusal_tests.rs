//! What an operator reads when a run that is followed goes no further, and when the coordinator refuses: against an operator
//! port that tells what a test wrote.

use super::*;
use crate::net::harness::FakeOperator;
use domain::catalogue;
use proto::v1::operator_server::OperatorServer;
use proto::v1::{LogEntry, SubscribeResponse};
use serde_json::json;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Status};

const RUN: [u8; 16] = [0xab; 16];

async fn client_of(operator: FakeOperator) -> OperatorClient<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().add_service(OperatorServer::new(operator));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    OperatorClient::new(endpoint.connect().await.expect("connected"))
}

fn options(timeout: u64) -> Up {
    Up {
        through: 8,
        yes: false,
        dry_run: false,
        timeout,
    }
}

fn run_of_ours() -> StartRunResponse {
    StartRunResponse {
        run_id: RUN.to_vec(),
        ..StartRunResponse::default()
    }
}

/// Follows a run of which the log says this, and then ends.
async fn followed(entries: &[Value]) -> Result<Outcome, Failure> {
    let told = entries
        .iter()
        .zip(1..)
        .map(|(entry, revision)| SubscribeResponse {
            item: Some(Item::Entry(LogEntry {
                revision,
                json: entry.to_string().into(),
                ..LogEntry::default()
            })),
        });
    let mut client = client_of(FakeOperator {
        script: Some(told.collect()),
        ..FakeOperator::default()
    })
    .await;
    let mut display = Display::unattended();
    follow(&mut client, &run_of_ours(), &options(1), &mut display).await
}

/// Holds when it was this refusal, with an exit code that its page lists.
#[track_caller]
fn must_be<T: std::fmt::Debug>(ended: Result<T, Failure>, code: &str, outcome: Outcome) -> Failure {
    let failure = ended.expect_err("refused");
    assert_eq!((failure.code, failure.outcome), (code, outcome), "{failure:?}");
    let entry = catalogue::find(code).expect("a code of the table");
    assert!(entry.exits.contains(&outcome.code()), "{code}: {:?}", entry.exits);
    failure
}

#[tokio::test]
async fn a_coordinator_that_ends_under_its_run_is_told() {
    let ended = followed(&[json!({"kind": "phase_reached", "message": "phase 1"})]).await;
    must_be(ended, "DY-0120", Outcome::Internal);
}

#[tokio::test]
async fn a_gate_with_nobody_to_ask_is_told_with_its_phase() {
    let gate = json!({"kind": "gate_reached", "run": hex::encode(RUN), "phase": 3, "message": "verified"});
    let failure = must_be(followed(&[gate]).await, "DY-0121", Outcome::Partial);
    assert!(failure.message.contains("phase 3"), "{}", failure.message);
}

#[tokio::test]
async fn a_run_that_fails_is_told_in_its_own_words_and_that_of_others_is_not() {
    let finished = |run: &[u8], outcome: &str| {
        let run = hex::encode(run);
        json!({"kind": "run_finished", "run": run, "outcome": outcome, "message": "kubelet of app1-cp"})
    };
    let ended = followed(&[finished(&[1; 16], "succeeded"), finished(&RUN, "failed")]).await;
    let failure = must_be(ended, "DY-0122", Outcome::Partial);
    assert_eq!(failure.message, "kubelet of app1-cp");
    let ended = followed(&[finished(&RUN, "succeeded")]).await;
    assert_eq!(ended.expect("done"), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_goes_on_without_who_followed_it() {
    // Somebody listens, and never says a word.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    let mut client = OperatorClient::new(endpoint.connect_lazy());
    let mut display = Display::unattended();
    let stop = std::future::pending::<()>();
    let ended = attend(&mut client, &run_of_ours(), &options(7), &mut display, stop).await;
    let failure = must_be(ended, "DY-0123", Outcome::TimedOut);
    assert!(failure.message.contains("7 minutes"), "{}", failure.message);
}

#[test]
fn a_plan_of_another_release_is_told() {
    let answer = StartRunResponse {
        plan_json: b"a plan".to_vec(),
        ..StartRunResponse::default()
    };
    must_be(print_plan(&answer, true), "DY-0124", Outcome::Internal);
}

#[tokio::test]
async fn a_coordinator_that_refuses_or_is_not_understood_is_told() {
    // It knows nobody who comes without a certificate.
    let mut client = client_of(FakeOperator::default()).await;
    let failure = must_be(status_of(&mut client).await, "DY-0113", Outcome::Internal);
    assert!(
        failure.message.starts_with("the coordinator refused: "),
        "{}",
        failure.message
    );
    let mut client = client_of(FakeOperator {
        status: Some(b"a status".to_vec()),
        ..FakeOperator::default()
    })
    .await;
    must_be(status_of(&mut client).await, "DY-0114", Outcome::Internal);
}

#[test]
fn a_refusal_ends_as_its_reason_says() {
    for (code, outcome) in [
        (Code::InvalidArgument, Outcome::Usage),
        (Code::FailedPrecondition, Outcome::Preflight),
        (Code::AlreadyExists, Outcome::Conflict),
        (Code::Aborted, Outcome::Conflict),
        (Code::DeadlineExceeded, Outcome::TimedOut),
        (Code::Unavailable, Outcome::Internal),
    ] {
        let failure = must_be::<()>(Err(refused(&Status::new(code, "no"))), "DY-0113", outcome);
        assert_eq!(failure.message, "the coordinator refused: no");
    }
}
