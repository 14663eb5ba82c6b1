//! The timer that undoes a lease whoever else is alive: a transient one of PID 1, which runs this very program.

use crate::command::{self, CommandError};
use crate::exec::agent_path;
use model::ids::LeaseId;
use std::path::Path;

const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Arms the undo `after_ms` from now. `number` tells the timers of one lease apart.
pub(super) fn arm(lease: LeaseId, number: u64, after_ms: u64) -> Result<(), CommandError> {
    let args = [
        "--quiet".into(),
        "--collect".into(),
        format!("--unit={}", unit(lease, &number.to_string())),
        format!("--on-active={after_ms}ms"),
        "--timer-property=AccuracySec=10ms".into(),
        format!("--description=Drillyard undoes the fault of lease {lease}"),
        "--property=UMask=0077".into(),
        // An undo that was killed goes on at once. One that fails paces itself: systemd's limit on starts is out of reach.
        "--property=Restart=on-failure".into(),
        "--property=RestartSec=500ms".into(),
        format!("{}", agent_path().display()),
        "undo".into(),
        lease.to_string(),
        "expired".into(),
    ];
    command::run(Path::new(SYSTEMD_RUN), &args).map(|_| ())
}

/// Takes the timers of a lease away. One that fires all the same finds the lease undone.
pub(super) fn disarm(lease: LeaseId) {
    let pattern = format!("{}.timer", unit(lease, "*"));
    // With nothing to stop this succeeds, and a failure leaves a timer that does no harm.
    let _ = command::run(Path::new(SYSTEMCTL), ["stop", pattern.as_str()]);
}

/// `drillyard-undo-LEASE-NUMBER`
fn unit(lease: LeaseId, number: &str) -> String {
    format!("drillyard-undo-{lease}-{number}")
}
