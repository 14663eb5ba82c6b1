//! The process that undoes one lease, whoever else is alive: detached, in a session of its own, known by pid and start
//! time. It says one word when it watches, and nothing is broken before that.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use model::ids::LeaseId;
use model::lease::UndoCause;

use super::record::{self, Record, monotonic_ms};
use super::undo;
use crate::command::start_error;
use crate::error::LaunchError;
use crate::process::ProcessId;
use crate::spec::LabHandle;

const WATCHES: &str = "watches";
/// How long the guard may take to its word: it reads one small file before.
const WORD: Duration = Duration::from_secs(20);
/// How often record and owner are looked at; the deadline is met to within this.
const LOOK: Duration = Duration::from_millis(100);
/// Pause between tries to undo.
const AGAIN: Duration = Duration::from_millis(500);

/// Starts the guard and waits until it watches.
pub(super) fn spawn(handle: &LabHandle, program: &Path, lease: LeaseId) -> Result<ProcessId, LaunchError> {
    let log = record::folder(handle).join("guard.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log)
        .map_err(LaunchError::io("open", &log))?;
    let mut child = Command::new("setsid")
        .arg(program)
        .arg("lease-guard")
        .arg("--lab")
        .arg(&handle.lab)
        .arg("--home")
        .arg(&handle.home)
        .arg("--cache")
        .arg(&handle.cache)
        .arg(lease.to_string())
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|e| start_error("setsid", e))?;
    let (tell, told) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut word = String::new();
            let _ = BufReader::new(stdout).read_line(&mut word);
            tell.send(word)
        });
    }
    let word = told.recv_timeout(WORD).unwrap_or_default();
    let process = i32::try_from(child.id()).ok().and_then(ProcessId::of);
    match process {
        Some(process) if word.trim() == WATCHES => Ok(process),
        _ => {
            let _ = child.kill();
            let _ = child.wait();
            Err(LaunchError::Lease {
                lease: lease.to_string(),
                rule: "has no guard: it ended, or said nothing for 20 s; see leases/guard.log below the lab's home",
            })
        }
    }
}

/// What the guard's process runs: watches the lease until it is undone.
///
/// # Errors
/// When the record cannot be read, which leaves the lease to the coordinator and to `drill doctor`.
pub fn run(handle: &LabHandle, lease: LeaseId, out: &mut dyn Write) -> Result<(), LaunchError> {
    Record::load(handle, lease)?.ok_or_else(|| super::refused(lease, "has no record"))?;
    let told = writeln!(out, "{WATCHES}").and_then(|()| out.flush());
    // Whoever started us is dead already: then this lease has to end all the more.
    drop(told);
    let mut orphaned: Option<Instant> = None;
    loop {
        let Some(record) = Record::load(handle, lease)?.filter(Record::is_outstanding) else {
            return Ok(());
        };
        let owner_lives = record.owner.is_some_and(ProcessId::is_alive);
        if owner_lives {
            orphaned = None;
        }
        let since = (!owner_lives).then(|| *orphaned.get_or_insert_with(Instant::now));
        let silent = since.is_some_and(|s| s.elapsed().as_millis() >= u128::from(record.terms.grace_ms()));
        let left = record.due_ms.saturating_sub(monotonic_ms());
        let cause = match (left, silent) {
            (0, _) => UndoCause::Expired,
            (_, true) => UndoCause::CoordinatorLost,
            _ => {
                std::thread::sleep(LOOK.min(Duration::from_millis(left)));
                continue;
            }
        };
        if let Err(error) = undo(handle, lease, cause) {
            eprintln!(
                "lease {lease} is not undone yet: {}",
                model::causes::chain(&error)
            );
            std::thread::sleep(AGAIN);
        }
    }
}
