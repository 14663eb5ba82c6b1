//! `down`: stop the daemon, then remove exactly what carries the lab's label. Works after any crash.

use super::args::Down;
use super::client::connect;
use super::node::launch_failure;
use super::output::outln;
use super::{Context, block_on};
use crate::daemon_record::DaemonRecord;
use crate::exit::{Failure, Outcome};
use crate::journal::{HomeLock, LockError};
use nix::sys::signal::Signal;
use proto::v1::StopDaemonRequest;
use std::time::{Duration, Instant};

/// How long a daemon may take to end after it was asked, and one that starts until it can be asked: longer than an orderly stop, which
/// waits for the first opening of a Vault (30 s), and for tasks, engine and runtime (8 s).
const STOP_LIMIT: Duration = Duration::from_secs(45);

/// After how long it gets a signal too: it may not have heard the call.
const SIGNAL_AFTER: Duration = Duration::from_secs(7);

/// Pause between two looks at the lock.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn run(context: &Context, options: &Down) -> Result<Outcome, Failure> {
    let handle = super::doctor::handle(context);
    // Before anything of this home is touched, too: who is refused should find all as it was.
    launcher::check_claim(&handle).map_err(|e| launch_failure(&e))?;
    // Kept to the end: a daemon that starts meanwhile would go on with the run and make the nodes again.
    let _home = hold_home(context)?;
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
        context.places.log(),
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

/// Ends the lab's daemon and keeps the home from the next one. A daemon holds the home's lock for seconds before it leaves its
/// note, and only with that it can be asked to end.
///
/// None where the lock cannot be made: there no daemon can start either, and what is left of the lab has to go all the same.
fn hold_home(context: &Context) -> Result<Option<HomeLock>, Failure> {
    let home = &context.places.home;
    let since = Instant::now();
    loop {
        stop_daemon(context)?;
        // The lock would make the home.
        if !home.exists() {
            return Ok(None);
        }
        match HomeLock::acquire(home) {
            Ok(lock) => return Ok(Some(lock)),
            Err(LockError::Io { .. }) => return Ok(None),
            Err(LockError::Held { holder, .. }) if since.elapsed() > STOP_LIMIT => {
                return Err(does_not_end(holder));
            }
            Err(LockError::Held { .. }) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

fn does_not_end(holder: Option<u32>) -> Failure {
    let pid = holder.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    Failure::new(
        Outcome::TimedOut,
        "DY-0132",
        format!("the coordinator (pid {pid}) does not end"),
        format!("kill -9 {pid}"),
    )
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
        let places = &context.places;
        if record.is_gone_within(places, SIGNAL_AFTER).await {
            return Ok(());
        }
        let _ = record.signal(Signal::SIGTERM);
        let rest = STOP_LIMIT.saturating_sub(SIGNAL_AFTER);
        if record.is_gone_within(places, rest).await {
            return Ok(());
        }
        Err(does_not_end(Some(record.pid)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_left_no_note_yet_is_waited_for() {
        let folder = tempfile::tempdir().expect("temp");
        let context = Context::at(folder.path());
        let starting = HomeLock::acquire(folder.path()).expect("free");
        let began = Instant::now();
        let pause = Duration::from_millis(200);
        let held = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(pause);
                drop(starting);
            });
            hold_home(&context).expect("it ended")
        });
        assert!(held.is_some() && began.elapsed() >= pause);
        let refused = HomeLock::acquire(folder.path());
        assert!(
            matches!(refused, Err(LockError::Held { .. })),
            "no other starts before the lab is gone"
        );
    }

    #[test]
    fn a_home_that_there_is_not_is_not_made() {
        let folder = tempfile::tempdir().expect("temp");
        let home = folder.path().join("home");
        assert!(hold_home(&Context::at(&home)).expect("nobody is there").is_none());
        assert!(!home.exists());
    }
}
