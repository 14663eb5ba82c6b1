//! `report`: where the time of a run of `up` went, and what a drill found.

mod many;

use super::args::{Report, ReportFormat};
use super::client::{connect, no_daemon, refused};
use super::drill::{find_run, load_report, named, outcome};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use domain::drill::report::{compare, html, json, junit, markdown};
use domain::filter::RunStart;
use domain::record::Class;
use model::ids::RunId;
use proto::v1::operator_client::OperatorClient;
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, GetRunReportRequest, GetRunReportResponse, SubscribeRequest};
use serde_json::Value;
use std::collections::BTreeSet;
use tonic::transport::Channel;

pub(crate) fn run(context: &Context, options: &Report) -> Result<Outcome, Failure> {
    if let Some([old, new]) = options.compare.as_deref() {
        return compared(context, old, new);
    }
    if options.matrix {
        return many::matrix(context, options.format);
    }
    if let Some(count) = options.last {
        return many::last(context, options.run.as_deref(), count, options.format);
    }
    if let Some(format) = options.format {
        return drill(context, find_run(context, options.run.as_deref())?, format);
    }
    // A drill's report is on disk: no daemon is needed for it.
    let named = options.run.as_deref().map(|text| named(context, text));
    if let Some(run) = named.transpose()?.flatten() {
        return drill(context, run, default_format(context));
    }
    let report = block_on(async {
        let run = options.run.as_deref();
        let start = run
            .map(|text| RunStart::parse(text).map_err(|_| no_id(text)))
            .transpose()?;
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        let run_id = match (run, start) {
            (Some(text), Some(start)) => find(&mut client, text, start).await?,
            _ => Vec::new(),
        };
        fetch(&mut client, run_id).await
    })?;
    if context.json {
        outln!("{}", String::from_utf8_lossy(&report.report_json));
    } else {
        out!("{}", report.text);
    }
    Ok(Outcome::Done)
}

/// The run of `up` whose id begins so. Of all that an agent or a step told of it nothing is needed.
async fn find(client: &mut OperatorClient<Channel>, text: &str, start: RunStart) -> Result<Vec<u8>, Failure> {
    if let Ok(whole) = RunId::parse(text) {
        return Ok(whole.0.to_vec());
    }
    let filter = EventFilter {
        kinds: vec![Class::Run.name().into()],
        ..EventFilter::default()
    };
    let request = SubscribeRequest {
        // As far back as the log goes, wherever that is.
        tail: u64::MAX,
        filter: Some(filter),
        ..SubscribeRequest::default()
    };
    let mut stream = client
        .subscribe(request)
        .await
        .map_err(|s| refused(&s))?
        .into_inner();
    let (mut latest, mut fits) = (None, BTreeSet::new());
    while let Some(answer) = stream.message().await.map_err(|s| refused(&s))? {
        let Some(Item::Entry(entry)) = answer.item else {
            continue;
        };
        let event: Value = serde_json::from_slice(&entry.json).unwrap_or_default();
        let Some(run) = event["run"].as_str().and_then(|run| RunId::parse(run).ok()) else {
            continue;
        };
        latest = Some(run);
        if start.begins(run) {
            fits.insert(run);
        }
    }
    one_of(text, &fits, latest).map(|run| run.0.to_vec())
}

fn one_of(text: &str, fits: &BTreeSet<RunId>, latest: Option<RunId>) -> Result<RunId, Failure> {
    let message = match (fits.iter().collect::<Vec<_>>().as_slice(), latest) {
        ([one], _) => return Ok(**one),
        ([], None) => format!("no run begins with {text:?}: the log has none"),
        ([], Some(latest)) => format!("no run begins with {text:?}; the latest is {latest}"),
        (several, _) => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("{text:?} begins several runs: {}", several.join(", "))
        }
    };
    Err(Failure::new(
        Outcome::Usage,
        "DY-0130",
        message,
        "coordinator report",
    ))
}

fn no_id(text: &str) -> Failure {
    Failure::new(
        Outcome::Usage,
        "DY-0130",
        format!("{text:?} is no run id"),
        "coordinator report, or give at least the first 8 hexadecimal digits of a run from `coordinator events --wide`",
    )
}

/// Of what belongs to drills, where no form is named.
fn default_format(context: &Context) -> ReportFormat {
    if context.json {
        ReportFormat::Json
    } else {
        ReportFormat::Md
    }
}

/// A drill's report as it was written when the run ended.
fn drill(context: &Context, run: RunId, format: ReportFormat) -> Result<Outcome, Failure> {
    let report = load_report(context, run)?;
    match format {
        ReportFormat::Json => outln!("{}", json::render(&report).trim_end()),
        ReportFormat::Md => out!("{}", markdown::render(&report)),
        ReportFormat::Html => out!("{}", html::render(&report)),
        ReportFormat::Junit => out!("{}", junit::render(&report)),
    }
    Ok(Outcome::Done)
}

/// Worse is only what is worse beyond both runs' bounds; of runs that were not made alike nothing is decided.
fn compared(context: &Context, old: &str, new: &str) -> Result<Outcome, Failure> {
    let load = |text| load_report(context, find_run(context, Some(text))?);
    let (old, new) = (load(old)?, load(new)?);
    let comparison = compare::compare(&old, &new);
    if context.json {
        outln!("{}", serde_json::to_string(&comparison).unwrap_or_default());
    } else {
        out!("{}", compare::render(&comparison, &new));
    }
    Ok(outcome(comparison.verdict()))
}

/// Asks for the report of a run; of the latest one for an empty id.
pub(crate) async fn fetch(
    client: &mut OperatorClient<Channel>,
    run_id: Vec<u8>,
) -> Result<GetRunReportResponse, Failure> {
    let request = GetRunReportRequest { run_id };
    let answer = client.get_run_report(request).await.map_err(|s| refused(&s))?;
    Ok(answer.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::runs;
    use crate::net::harness::{self, FakeOperator};
    use domain::drill::report::model::FORMAT;
    use proto::v1::{LogEntry, SubscribeResponse};

    const ONE: &str = "3a3a3a3a00000000000000000000000a";
    const OTHER: &str = "3a3a3a3a10000000000000000000000b";

    async fn found(text: &str) -> Result<String, Failure> {
        let told = |run: &&str| SubscribeResponse {
            item: Some(Item::Entry(LogEntry {
                revision: 1,
                json: serde_json::json!({"kind": "run_started", "run": run})
                    .to_string()
                    .into(),
                ..LogEntry::default()
            })),
        };
        let (mut client, server) = harness::dialled(FakeOperator {
            script: Some([ONE, ONE, OTHER].iter().map(told).collect()),
            ..FakeOperator::default()
        })
        .await;
        let start = RunStart::parse(text).map_err(|_| no_id(text))?;
        let found = find(&mut client, text, start).await;
        server.abort();
        found.map(hex::encode)
    }

    #[test]
    fn a_drill_s_run_is_shown_without_a_daemon() {
        let home = tempfile::tempdir().expect("folder");
        let context = Context::at(home.path());
        let run = RunId([7; 16]);
        let folder = runs::folder(&context.places, run);
        std::fs::create_dir_all(&folder).expect("folder");
        let history = "{\"time\":1,\"record\":{}}\n";
        std::fs::write(runs::history_path(&context.places, run), history).expect("history");
        let report = serde_json::json!({
            "drill": "mgmt-down", "run": run.to_string(), "verdict": "pass", "format": FORMAT, "hypothesis": "",
            "from": "2026-11-25T08:00:00.000000Z", "to": "2026-11-25T08:01:00.000000Z",
            "identity": {"plan_digest": "", "lab": "yard", "host_fingerprint": "",
                "scale": {"tick_seconds": 7200, "of_seconds": 7200}, "versions": []},
            "phases": [], "measurements": [], "contracts": [], "losses": [],
        });
        std::fs::write(runs::report_path(&context.places, run), report.to_string()).expect("report");
        let shown = |text: String| {
            let options = Report {
                run: Some(text),
                format: None,
                compare: None,
                matrix: false,
                last: None,
            };
            super::run(&context, &options)
        };
        assert_eq!(shown(run.to_string()).expect("shown"), Outcome::Done);
        assert_eq!(shown("0707".into()).expect("shown"), Outcome::Done);
        assert_eq!(shown("08".into()).expect_err("neither").code, "DY-0130");
    }

    #[tokio::test]
    async fn the_first_digits_of_one_run_name_it_and_those_of_two_or_none_do_not() {
        assert_eq!(found("3A3A3A3A0").await.expect("one"), ONE);
        let whole = "00".repeat(16);
        assert_eq!(found(&whole).await.expect("a whole id is passed on"), whole);
        let both = found("3a3a3a3a").await.expect_err("two");
        assert!(
            both.message.contains(ONE) && both.message.contains(OTHER),
            "{}",
            both.message
        );
        let none = found("3a3a3a3b").await.expect_err("none");
        assert!(
            none.message.contains(OTHER),
            "the latest is told: {}",
            none.message
        );
        for short in ["3a3a", "latest!!"] {
            assert_eq!(found(short).await.expect_err("no id").code, "DY-0130");
        }
    }
}
