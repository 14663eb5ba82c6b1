//! `report`: where the time of a run of `up` went, and what a drill found.

mod many;

use super::args::{Report, ReportFormat};
use super::client::{connect, no_daemon, refused};
use super::drill::{find_run, load_report, outcome};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use domain::drill::report::{compare, html, json, junit, markdown};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{GetRunReportRequest, GetRunReportResponse};
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
        return drill(context, options.run.as_deref(), format);
    }
    let run_id = match &options.run {
        None => Vec::new(),
        Some(text) => hex::decode(text).map_err(|_| {
            Failure::new(
                Outcome::Usage,
                "DY-0130",
                format!("{text:?} is no run id"),
                "coordinator report, or give the 32 hexadecimal digits of a run from `coordinator events`",
            )
        })?,
    };
    let report = block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        fetch(&mut client, run_id).await
    })?;
    if context.json {
        outln!("{}", String::from_utf8_lossy(&report.report_json));
    } else {
        out!("{}", report.text);
    }
    Ok(Outcome::Done)
}

/// A drill's report as it was written when the run ended.
fn drill(context: &Context, run: Option<&str>, format: ReportFormat) -> Result<Outcome, Failure> {
    let report = load_report(context, find_run(context, run)?)?;
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
