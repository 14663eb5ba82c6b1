//! How commands reach the daemon, and how they start one where none runs.

use super::Context;
use crate::daemon_record::DaemonRecord;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::operator_auth::connect_operator;
use proto::v1::GetStatusRequest;
use proto::v1::operator_client::OperatorClient;
use serde_json::Value;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long a daemon may take from its start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a status is waited for: a coordinator whose disk hangs answers none.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

/// Client of a daemon that already runs; None when none does.
pub(crate) async fn connect(context: &Context) -> Option<OperatorClient<Channel>> {
    DaemonRecord::alive(&context.places)?;
    connect_operator(&context.places.home)
        .await
        .ok()
        .map(OperatorClient::new)
}

/// Client of the running daemon, or of one that is started now.
pub(crate) async fn connect_or_start(context: &Context) -> Result<OperatorClient<Channel>, Failure> {
    if let Some(client) = connect(context).await {
        return Ok(client);
    }
    let mut child = start(context)?;
    let since = Instant::now();
    loop {
        if let Some(client) = connect(context).await {
            return Ok(client);
        }
        let log = context.places.home.join("coordinator.log");
        if let Ok(Some(status)) = child.try_wait() {
            // Another command may have started one at the same moment; then the lock made ours end.
            if DaemonRecord::alive(&context.places).is_none() {
                let message = format!("the daemon ended with {status}: {}", last_line(&log));
                return Err(Failure::new(
                    Outcome::Internal,
                    "DY-0110",
                    message,
                    format!("read {}", log.display()),
                ));
            }
        }
        if since.elapsed() > START_LIMIT {
            let message = format!(
                "no answer from the daemon within {} s: {}",
                START_LIMIT.as_secs(),
                last_line(&log)
            );
            return Err(Failure::new(
                Outcome::TimedOut,
                "DY-0111",
                message,
                format!("read {}", log.display()),
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The error for commands that make no sense without a daemon.
pub(crate) fn no_daemon() -> Failure {
    Failure::new(
        Outcome::Preflight,
        "DY-0112",
        "no coordinator serves this lab: it is not up, or its daemon has ended",
        "coordinator up",
    )
}

/// The status document of the lab.
pub(crate) async fn status_of(client: &mut OperatorClient<Channel>) -> Result<Value, Failure> {
    let mut request = tonic::Request::new(GetStatusRequest {});
    request.set_timeout(STATUS_LIMIT);
    let answer = client.get_status(request).await.map_err(|s| refused(&s))?;
    serde_json::from_slice(&answer.into_inner().status_json)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0114", &e, "coordinator down, then up"))
}

/// An answer that was a refusal.
pub(crate) fn refused(status: &tonic::Status) -> Failure {
    let outcome = match status.code() {
        tonic::Code::InvalidArgument => Outcome::Usage,
        tonic::Code::FailedPrecondition => Outcome::Preflight,
        tonic::Code::AlreadyExists | tonic::Code::Aborted => Outcome::Conflict,
        tonic::Code::DeadlineExceeded => Outcome::TimedOut,
        _ => Outcome::Internal,
    };
    Failure::new(
        outcome,
        "DY-0113",
        format!("the coordinator refused: {}", status.message()),
        "coordinator status",
    )
}

/// Whether the coordinator went away, rather than refused: what it says itself has no cause on this side of the connection.
pub(crate) fn went_away(status: &tonic::Status) -> bool {
    status.code() == tonic::Code::Unavailable || std::error::Error::source(status).is_some()
}

fn start(context: &Context) -> Result<std::process::Child, Failure> {
    let failed =
        |e: std::io::Error| Failure::from_error(Outcome::Internal, "DY-0110", &e, "coordinator serve");
    files::private_dir(&context.places.home).map_err(failed)?;
    let log = context.places.home.join("coordinator.log");
    let file = files::open_private(&log, OpenOptions::new().create(true).append(true)).map_err(failed)?;
    let document = context.places.home.join("lab.yaml");
    files::write_private(&document, context.lab.to_yaml().as_bytes()).map_err(failed)?;
    let child = Command::new(&context.places.program)
        .arg("--file")
        .arg(&document)
        .arg("serve")
        .env("DRILLYARD_HOME", &context.places.home)
        .env("DRILLYARD_CACHE", &context.places.cache)
        .env("DRILLYARD_PROJECT", &context.places.project)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    eprintln!(
        "started a coordinator in the background (pid {}, log {})",
        child.id(),
        log.display()
    );
    Ok(child)
}

fn last_line(log: &std::path::Path) -> String {
    std::fs::read_to_string(log)
        .ok()
        .and_then(|text| {
            text.lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .map(str::to_owned)
        })
        .unwrap_or_default()
}
