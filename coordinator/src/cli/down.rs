//! `down`: stop the daemon, then remove exactly what carries the lab's label. Works after any crash.

use super::args::Down;
use super::client::connect;
use super::node::launch_failure;
use super::output::outln;
use super::{Context, block_on};
use crate::daemon_record::DaemonRecord;
use crate::exit::{Failure, Outcome};
use proto::v1::StopDaemonRequest;
use std::time::{Duration, Instant};

/// How long a daemon may take to end after it was asked.
const STOP_LIMIT: Duration = Duration::from_secs(15);

pub(crate) fn run(context: &Context, options: &Down) -> Result<Outcome, Failure> {
    let handle = super::doctor::handle(context);
    // Before anything of this home is touched, too: who is refused should find all as it was.
    launcher::check_claim(&handle).map_err(|e| launch_failure(&e))?;
    stop_daemon(context)?;
    let report = launcher::down(&handle);
    if report.is_clean() {
        forget_nodes(context)
            .map_err(|e| Failure::from_error(Outcome::Partial, "DY-0133", &e, "coordinator down --purge"))?;
    }
    if options.purge && report.is_clean() && context.places.home.exists() {
        std::fs::remove_dir_all(&context.places.home)
            .map_err(|e| Failure::from_error(Outcome::Partial, "DY-0131", &e, "coordinator down --purge"))?;
    }
    if context.json {
        outln!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        outln!(
            "removed {} nodes{}",
            report.nodes.len(),
            report
                .bridge
                .as_deref()
                .map_or(String::new(), |b| format!(" and bridge {b}"))
        );
        report
            .left
            .iter()
            .for_each(|left| outln!("left: {} ({}): {}", left.what, left.code, left.why));
    }
    if report.is_clean() {
        Ok(Outcome::Done)
    } else {
        Ok(Outcome::Partial)
    }
}

/// What the log says of nodes that are gone would be taken for true by the next `up`: it is put aside, where it can still be
/// read, and what gave access to the clusters is removed.
fn forget_nodes(context: &Context) -> std::io::Result<()> {
    let home = &context.places.home;
    let absent_is_fine = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    absent_is_fine(std::fs::rename(
        home.join("log.redb"),
        home.join("log.redb.before-down"),
    ))?;
    absent_is_fine(std::fs::remove_dir_all(home.join("kubeconfig")))?;
    for cluster in &context.lab.clusters {
        absent_is_fine(std::fs::remove_file(
            context.places.secrets().join(format!("join-{}", cluster.name)),
        ))?;
    }
    Ok(())
}

/// Asks the daemon to end; one that does not answer is ended by its recorded pid and start time.
fn stop_daemon(context: &Context) -> Result<(), Failure> {
    let Some(record) = DaemonRecord::alive(&context.places) else {
        return Ok(());
    };
    block_on(async {
        if let Some(mut client) = connect(context).await {
            let _ = client.stop_daemon(StopDaemonRequest {}).await;
        }
        let since = Instant::now();
        let mut asked = false;
        while DaemonRecord::alive(&context.places).as_ref() == Some(&record) {
            if since.elapsed() > STOP_LIMIT {
                let message = format!("the coordinator (pid {}) does not end", record.pid);
                return Err(Failure::new(
                    Outcome::TimedOut,
                    "DY-0132",
                    message,
                    format!("kill -9 {}", record.pid),
                ));
            }
            if since.elapsed() > STOP_LIMIT / 2 && !asked {
                asked = true;
                if let Ok(pid) = i32::try_from(record.pid) {
                    let _ = nix::sys::signal::kill(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::Signal::SIGTERM,
                    );
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })
}
