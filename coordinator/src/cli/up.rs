//! `up`: check the host, make the bundle, start the daemon, walk the phases, say what was reached.

use super::args::Up;
use super::client::{connect_or_start, refused, status_of};
use super::events::cut_off;
use super::node::launch_failure;
use super::output::{out, outln};
use super::position::Position;
use super::progress::Display;
use super::{Context, block_on, bundle, doctor};
use crate::exit::{Failure, Outcome};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{
    CancelRunRequest, ConfirmGateRequest, Gap, StartRunRequest, StartRunResponse, subscribe_response::Item,
};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tonic::transport::Channel;

pub(crate) fn run(context: &Context, options: &Up) -> Result<Outcome, Failure> {
    let mut display = Display::new(context.json);
    if !options.dry_run {
        launcher::check_claim(&doctor::handle(context)).map_err(|e| launch_failure(&e))?;
        resume(context);
        doctor::preflight(context, options.through, options.yes, &mut display)?;
        bundle::ensure(context, options.through, &mut display)?;
        display.finish();
    }
    block_on(async {
        let mut client = connect_or_start(context).await?;
        let request = StartRunRequest {
            through: options.through.into(),
            yes: options.yes,
            dry_run: options.dry_run,
        };
        let answer = client
            .start_run(request)
            .await
            .map_err(|s| refused(&s))?
            .into_inner();
        if options.dry_run {
            return print_plan(&answer, context.json);
        }
        attend(
            &mut client,
            &answer,
            options,
            &mut display,
            tokio::signal::ctrl_c(),
        )
        .await
    })
}

/// Follows the run until it ends, takes too long, or `stop` says that nobody waits for it.
async fn attend<S>(
    client: &mut OperatorClient<Channel>,
    run: &StartRunResponse,
    options: &Up,
    display: &mut Display,
    stop: impl Future<Output = S>,
) -> Result<Outcome, Failure> {
    let limit = Duration::from_secs(options.timeout.saturating_mul(60));
    tokio::select! {
        ended = follow(client, run, options, display) => ended,
        () = tokio::time::sleep(limit) => Err(timed_out(options.timeout)),
        _ = stop => interrupted(client, run).await,
    }
}

/// A coordinator that died in the middle of a run carries it on as soon as it is started, while the host is looked at again.
/// One that cannot start says so after that look, which may know why.
fn resume(context: &Context) {
    if context.places.log().exists() {
        let _ = block_on(connect_or_start(context));
    }
}

/// Follows the log until the run ends.
async fn follow(
    client: &mut OperatorClient<Channel>,
    run: &StartRunResponse,
    options: &Up,
    display: &mut Display,
) -> Result<Outcome, Failure> {
    let asked = if run.already_running && !options.yes {
        confirm_reached(client, run, display).await?
    } else {
        None
    };
    let run_id = hex::encode(&run.run_id);
    let mut position = Position::behind(run.revision);
    'streams: loop {
        let answer = client.subscribe(position.request()).await;
        let mut stream = answer.map_err(|s| refused(&s))?.into_inner();
        while let Some(answer) = stream.message().await.map_err(|s| gone(s.message()))? {
            let Some(item) = answer.item else { continue };
            position.moved(&item);
            let entry = match item {
                Item::Entry(entry) => entry,
                Item::Gap(Gap {
                    entry: Some(entry), ..
                }) => entry,
                Item::Gap(_) | Item::Bookmark(_) => continue,
                // Whoever thinks it over at a gate reads nothing meanwhile. Nothing is lost by it.
                Item::TooSlow(_) => continue 'streams,
                Item::Compacted(_) | Item::LogReset(_) => return Err(unseen(&item, &position)),
            };
            let raw = String::from_utf8_lossy(&entry.json);
            let value: Value = serde_json::from_str(&raw).unwrap_or_default();
            display.entry(&raw, &value);
            match value["kind"].as_str() {
                Some("gate_reached")
                    if !options.yes
                        && value["run"] == run_id.as_str()
                        && is_asked_about(value["phase"].as_u64(), asked, options.through) =>
                {
                    confirm(client, run, &value, display).await?;
                }
                Some("run_finished") if value["run"] == run_id.as_str() => {
                    display.finish();
                    account(client, run, display).await;
                    return verdict(&value);
                }
                _ => {}
            }
        }
        return Err(gone("it closed the stream"));
    }
}

/// What the log says of the run is not all there to be seen.
fn unseen(item: &Item, position: &Position) -> Failure {
    match cut_off(item, position) {
        Some(failure) => Failure {
            message: format!("{}; the run itself goes on", failure.message),
            next: "coordinator up".into(),
            ..failure
        },
        None => gone("it sent what is no event"),
    }
}

/// Whether anybody is asked at the gate of `phase`. One that was reached after the joining and before the look at the gates was
/// `asked` about by then, and behind the gate of the last phase there is nothing to begin.
fn is_asked_about(phase: Option<u64>, asked: Option<u64>, through: u8) -> bool {
    phase > asked && phase < Some(through.into())
}

fn gone(how: &str) -> Failure {
    let message = format!("the coordinator ended while its run went on: {how}");
    Failure::new(Outcome::Internal, "DY-0120", message, "coordinator up")
}

/// Asks about the gate at which a run that was joined waits already: what reached it lies before what is followed. Tells its
/// phase.
async fn confirm_reached(
    client: &mut OperatorClient<Channel>,
    run: &StartRunResponse,
    display: &mut Display,
) -> Result<Option<u64>, Failure> {
    let status = status_of(client).await?;
    let Some(gate) = open_gate(&status, &hex::encode(&run.run_id)) else {
        return Ok(None);
    };
    confirm(client, run, gate, display).await?;
    Ok(gate["phase"].as_u64())
}

/// The gate at which this run waits, by the status document.
fn open_gate<'s>(status: &'s Value, run: &str) -> Option<&'s Value> {
    let latest = &status["run"];
    (latest["id"] == run && latest["gate"].is_object()).then(|| &latest["gate"])
}

/// Asks the operator whether the next phase may begin.
async fn confirm(
    client: &mut OperatorClient<Channel>,
    run: &StartRunResponse,
    gate: &Value,
    display: &mut Display,
) -> Result<(), Failure> {
    display.finish();
    let phase = gate["phase"]
        .as_u64()
        .and_then(|p| u32::try_from(p).ok())
        .unwrap_or_default();
    eprintln!("{}", gate["message"].as_str().unwrap_or("gate"));
    if !display.is_attended() {
        return Err(Failure::new(
            Outcome::Partial,
            "DY-0121",
            format!("phase {phase} is done and nobody is there to confirm the next one"),
            "coordinator up --yes",
        ));
    }
    eprint!("go on? [y/N] ");
    let _ = std::io::stderr().flush();
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        line
    });
    let go_on = answer
        .await
        .is_ok_and(|line| line.trim().eq_ignore_ascii_case("y"));
    let request = ConfirmGateRequest {
        run_id: run.run_id.clone(),
        phase,
        go_on,
    };
    client.confirm_gate(request).await.map_err(|s| refused(&s))?;
    Ok(())
}

/// Says where the time went. The run has ended whatever becomes of this.
async fn account(client: &mut OperatorClient<Channel>, run: &StartRunResponse, display: &Display) {
    match super::report::fetch(client, run.run_id.clone()).await {
        Ok(report) => display.report(&report.report_json, &report.text),
        Err(failure) => eprintln!("no report of this run: {}", failure.message),
    }
}

fn verdict(finished: &Value) -> Result<Outcome, Failure> {
    let message = finished["message"].as_str().unwrap_or_default().to_owned();
    match finished["outcome"].as_str() {
        Some("succeeded") => {
            eprintln!("{message}");
            Ok(Outcome::Done)
        }
        Some("stopped_at_gate") => {
            eprintln!("{message}");
            Ok(Outcome::Partial)
        }
        Some("cancelled") => Ok(Outcome::Interrupted),
        _ => Err(Failure::new(
            Outcome::Partial,
            "DY-0122",
            message,
            "coordinator status, then coordinator up",
        )),
    }
}

async fn interrupted(
    client: &mut OperatorClient<Channel>,
    run: &StartRunResponse,
) -> Result<Outcome, Failure> {
    let _ = client
        .cancel_run(CancelRunRequest {
            run_id: run.run_id.clone(),
        })
        .await;
    eprintln!(
        "interrupted: nothing new is started, running steps end by themselves; `coordinator up` goes on"
    );
    Ok(Outcome::Interrupted)
}

fn timed_out(minutes: u64) -> Failure {
    let message = format!("not done after {minutes} minutes; the coordinator goes on in the background");
    Failure::new(
        Outcome::TimedOut,
        "DY-0123",
        message,
        "coordinator status, or coordinator up to follow again",
    )
}

fn print_plan(answer: &StartRunResponse, json: bool) -> Result<Outcome, Failure> {
    let plan: Value = serde_json::from_slice(&answer.plan_json)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0124", &e, "coordinator up --dry-run"))?;
    if json {
        outln!("{plan}");
    } else {
        out!("{}", plan["text"].as_str().unwrap_or_default());
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod refusal_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::harness::{self, FakeOperator};
    use proto::v1::{Compacted, LogEntry, LogReset, SubscribeResponse, TooSlow};
    use serde_json::json;

    /// An entry of the run that is followed.
    fn entry(revision: u64, kind: &str) -> LogEntry {
        let json =
            json!({"revision": revision, "kind": kind, "run": "ab", "outcome": "succeeded", "message": kind});
        LogEntry {
            revision,
            json: json.to_string().into(),
            ..LogEntry::default()
        }
    }

    /// Follows a run of which such a stream tells; one that is opened again goes on behind its entries.
    async fn followed(script: Vec<Item>) -> Result<Outcome, Failure> {
        let told = |item| SubscribeResponse { item: Some(item) };
        let (mut client, server) = harness::dialled(FakeOperator {
            script: Some(script.into_iter().map(told).collect()),
            ..FakeOperator::default()
        })
        .await;
        let run = StartRunResponse {
            run_id: vec![0xab],
            ..StartRunResponse::default()
        };
        let options = Up {
            through: 8,
            yes: true,
            dry_run: false,
            timeout: 1,
        };
        let ended = follow(&mut client, &run, &options, &mut Display::new(true)).await;
        server.abort();
        ended
    }

    #[tokio::test]
    async fn a_loss_and_a_pause_end_no_run_and_what_cannot_be_seen_is_told() {
        let gap = || {
            Item::Gap(Gap {
                revision: 2,
                entry: Some(entry(2, "gap")),
                ..Gap::default()
            })
        };
        let end = || Item::Entry(entry(4, "run_finished"));
        let slow = Item::TooSlow(TooSlow { last: 2 });
        let ended = followed(vec![Item::Entry(entry(1, "step_running")), gap(), slow, end()]).await;
        assert_eq!(ended.expect("the run's end is seen"), Outcome::Done);
        for lost in [
            Item::Compacted(Compacted { oldest: 3 }),
            Item::LogReset(LogReset::default()),
        ] {
            let failure = followed(vec![gap(), lost, end()])
                .await
                .expect_err("not all was seen");
            assert_eq!(
                (failure.code, failure.next.as_str()),
                ("DY-0115", "coordinator up")
            );
            assert!(failure.message.contains("the log"), "{}", failure.message);
            assert!(
                failure.message.ends_with("the run itself goes on"),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn only_a_gate_of_the_run_that_was_joined_is_asked_about() {
        let status = json!({"run": {"id": "ab", "gate": {"phase": 2, "message": "phase 2 is verified"}}});
        let gate = open_gate(&status, "ab").expect("it waits");
        assert_eq!(gate["phase"], 2);
        assert!(open_gate(&status, "cd").is_none());
        assert!(open_gate(&json!({"run": {"id": "ab"}}), "ab").is_none());
        assert!(open_gate(&json!({"run": null}), "ab").is_none());
    }

    #[test]
    fn nobody_is_asked_twice_nor_after_the_last_phase() {
        let asked: Vec<u64> = (1..=4)
            .filter(|phase| is_asked_about(Some(*phase), None, 3))
            .collect();
        assert_eq!(asked, [1, 2]);
        assert!(!is_asked_about(Some(1), Some(1), 3) && is_asked_about(Some(2), Some(1), 3));
        assert!(
            !is_asked_about(Some(1), None, 1),
            "a run through one phase asks nobody"
        );
    }
}
