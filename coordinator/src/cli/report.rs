//! `report`: where the time of a run went.

use super::args::Report;
use super::client::{connect, no_daemon, refused};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{GetRunReportRequest, GetRunReportResponse};
use tonic::transport::Channel;

pub(crate) fn run(context: &Context, options: &Report) -> Result<Outcome, Failure> {
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

/// Asks for the report of a run; of the latest one for an empty id.
pub(crate) async fn fetch(
    client: &mut OperatorClient<Channel>,
    run_id: Vec<u8>,
) -> Result<GetRunReportResponse, Failure> {
    let request = GetRunReportRequest { run_id };
    let answer = client.get_run_report(request).await.map_err(|s| refused(&s))?;
    Ok(answer.into_inner())
}
