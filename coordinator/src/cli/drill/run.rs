//! `drill NAME`: begin, follow, revert on Ctrl-C, and say what came out; several times when asked.

use super::super::args::Drill;
use super::super::client::{connect, no_daemon, refused};
use super::super::output::{out, outln};
use super::super::{Context, block_on};
use super::display::Display;
use super::judged::{self, outcome};
use super::{refused_scenario, spread};
use crate::drill::library;
use crate::exit::{Failure, Outcome};
use domain::drill::report::model::Report;
use domain::drill::report::series::Series;
use domain::drill::report::verdict::Verdict;
use model::ids::RunId;
use proto::v1::operator_client::OperatorClient;
use proto::v1::{AbortDrillRequest, FollowDrillRequest, StartDrillRequest};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

pub(super) fn run(context: &Context, options: &Drill, name: &str) -> Result<Outcome, Failure> {
    // A wrong name is told without a daemon.
    library::load(&context.places, name).map_err(|e| refused_scenario(&e))?;
    let begin = Instant::now();
    let budget = options
        .budget
        .map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let mut reports: Vec<Report> = Vec::new();
    for number in 1..=options.repeat {
        // The next one is begun only when it is likely to end within the budget.
        let each = begin.elapsed() / u32::try_from(reports.len().max(1)).unwrap_or(1);
        if !reports.is_empty() && budget.is_some_and(|b| begin.elapsed() + each > b) {
            eprintln!("budget: {} of {} runs were made", reports.len(), options.repeat);
            break;
        }
        if options.repeat > 1 {
            eprintln!("run {number} of {}", options.repeat);
        }
        let (report, interrupted) = block_on(once(context, name))?;
        if context.json {
            outln!("{}", serde_json::to_string(&report).unwrap_or_default());
        } else {
            out!("{}\n{}\n", judged::summary(&report), judged::next(&report));
        }
        reports.push(report);
        if interrupted {
            return Ok(Outcome::Interrupted);
        }
    }
    if reports.len() > 1 {
        let series = Series::of(&reports);
        eprint!("{}", spread::table(&series));
        if context.json {
            outln!("{}", serde_json::json!({"spread": series}));
        }
    }
    Ok(outcome(Verdict::of_all(reports.iter().map(Report::outcome))))
}

/// One run to its end; whether Ctrl-C ended it.
async fn once(context: &Context, name: &str) -> Result<(Report, bool), Failure> {
    let (mut client, run) = begin(context, name).await?;
    let interrupted = follow(&mut client, run).await?;
    Ok((judged::load_report(context, run)?, interrupted))
}

/// Begins a run; the coordinator that drives it, and the run.
pub(super) async fn begin(
    context: &Context,
    name: &str,
) -> Result<(OperatorClient<Channel>, RunId), Failure> {
    let mut client = connect(context).await.ok_or_else(no_daemon)?;
    let request = StartDrillRequest {
        name: name.to_owned(),
        dry_run: false,
    };
    let answer = client
        .start_drill(request)
        .await
        .map_err(|s| refused(&s))?
        .into_inner();
    let run = proto::convert::run_id(&answer.run_id)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0153", &e, "coordinator status"))?;
    eprintln!("drill {name}, run {run}; Ctrl-C reverts");
    Ok((client, run))
}

/// Shows the run's progress to its end; whether Ctrl-C ended it.
pub(super) async fn follow(client: &mut OperatorClient<Channel>, run: RunId) -> Result<bool, Failure> {
    let request = FollowDrillRequest {
        run_id: run.0.to_vec(),
    };
    let mut updates = client
        .follow_drill(request)
        .await
        .map_err(|s| refused(&s))?
        .into_inner();
    let mut display = Display::new();
    let mut interrupts = 0_u32;
    loop {
        tokio::select! {
            update = updates.message() => match update.map_err(|s| refused(&s))? {
                Some(update) => display.show(&serde_json::from_slice(&update.json).unwrap_or_default()),
                None => {
                    display.finish();
                    return Ok(interrupts > 0);
                }
            },
            signal = tokio::signal::ctrl_c() => {
                if signal.is_err() {
                    continue;
                }
                interrupts += 1;
                display.note(if interrupts == 1 {
                    "reverting what was broken; again to stop watching the recovery"
                } else {
                    "ending as soon as everything is undone"
                });
                let request = AbortDrillRequest { run_id: run.0.to_vec() };
                client.abort_drill(request).await.map_err(|s| refused(&s))?;
            }
        }
    }
}
