//! Transient units, started by systemd's own tool: PID 1 owns them, so they outlive both of our processes.

use crate::command::{self, CommandError};
use model::ids::{Attempt, StepId};
use std::path::{Path, PathBuf};

const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const PROBE_SECONDS: u64 = 40;

/// `drillyard-step-SHORTID-ATTEMPT.service`
pub(super) fn name(step: StepId, attempt: Attempt) -> String {
    format!("drillyard-step-{}-{attempt}.service", step.short())
}

/// Has PID 1 start the attempt in `file` and returns at once.
pub(super) fn start(
    step: StepId,
    attempt: Attempt,
    label: &str,
    file: &Path,
    ceiling_ms: u64,
) -> Result<(), CommandError> {
    let agent = agent_path();
    let agent = agent.display();
    let args = [
        "--no-block".into(),
        "--quiet".into(),
        "--collect".into(),
        format!("--unit={}", name(step, attempt)),
        format!("--description=Drillyard step {label}, attempt {attempt}"),
        format!("--property=RuntimeMaxSec={}", ceiling_ms.div_ceil(1000).max(1)),
        "--property=TimeoutStopSec=30".into(),
        "--property=UMask=0077".into(),
        format!("--property=ExecStopPost={agent} ended {step} {attempt}"),
        format!("{agent}"),
        "step".into(),
        format!("{}", file.display()),
    ];
    command::run(Path::new(SYSTEMD_RUN), &args).map(|_| ())
}

/// Has this program look at the node in a unit of its own and waits for it: only such a unit may reach the API server, see
/// the node's packet filters and read its journal. `words` are this program's own.
pub(super) fn look(unit: &str, words: &[&str], file: &Path) -> Result<(), CommandError> {
    let mut args = vec![
        "--wait".to_owned(),
        "--quiet".into(),
        "--collect".into(),
        format!("--unit={unit}"),
        format!("--property=RuntimeMaxSec={PROBE_SECONDS}"),
        "--property=UMask=0077".into(),
        format!("{}", agent_path().display()),
    ];
    args.extend(words.iter().map(|word| (*word).to_owned()));
    args.push(format!("{}", file.display()));
    command::run(Path::new(SYSTEMD_RUN), &args).map(|_| ())
}

/// Has PID 1 undo faults, and returns at once. `words` are this program's own.
pub(super) fn undo(unit: &str, words: &[&str]) -> Result<(), CommandError> {
    let mut args = vec![
        "--no-block".to_owned(),
        "--quiet".into(),
        "--collect".into(),
        format!("--unit={unit}"),
        "--property=UMask=0077".into(),
        "--property=Restart=on-failure".into(),
        "--property=RestartSec=500ms".into(),
        format!("{}", agent_path().display()),
    ];
    args.extend(words.iter().map(|word| (*word).to_owned()));
    command::run(Path::new(SYSTEMD_RUN), &args).map(|_| ())
}

/// TERM, and KILL after the unit's own grace.
pub(super) fn stop(unit: &str) -> Result<(), CommandError> {
    command::run(Path::new(SYSTEMCTL), ["stop", "--no-block", unit]).map(|_| ())
}

/// Whether PID 1 still has work with the unit: running, starting, or running what follows its end.
pub(super) fn is_alive(unit: &str) -> bool {
    let shown = command::run(
        Path::new(SYSTEMCTL),
        ["show", "--property=ActiveState", "--value", unit],
    );
    shown.is_ok_and(|out| {
        matches!(
            out.stdout.trim(),
            "active" | "activating" | "deactivating" | "reloading"
        )
    })
}

/// This very program, so that a step runs what its helper is.
pub(crate) fn agent_path() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/local/bin/drillyard-agent"))
}
