//! The few things asked of systemd, by its own tool.

use super::StepError;
use crate::command;
use std::path::Path;

const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Makes systemd read changed units.
pub(crate) fn reload() -> Result<(), StepError> {
    command::run(Path::new(SYSTEMCTL), ["daemon-reload"])?;
    Ok(())
}

/// Restarts a unit and waits until it says that it is ready.
pub(crate) fn restart(unit: &str) -> Result<(), StepError> {
    command::run(Path::new(SYSTEMCTL), ["restart", unit])?;
    Ok(())
}

/// Restarts a unit where it runs, and leaves one that does not; begun, not awaited.
pub(crate) fn renew(unit: &str) -> Result<(), StepError> {
    command::run(Path::new(SYSTEMCTL), ["--no-block", "try-restart", unit])?;
    Ok(())
}

/// Starts a unit and waits until it says that it is ready.
pub(crate) fn start(unit: &str) -> Result<(), StepError> {
    command::run(Path::new(SYSTEMCTL), ["start", unit])?;
    Ok(())
}

/// Stops a unit and waits until it has ended.
pub(crate) fn stop(unit: &str) -> Result<(), StepError> {
    command::run(Path::new(SYSTEMCTL), ["stop", unit])?;
    Ok(())
}

/// Whether the unit is active.
pub(crate) fn is_active(unit: &str) -> bool {
    command::run(Path::new(SYSTEMCTL), ["is-active", "--quiet", unit]).is_ok()
}

/// What systemd says of a unit's state, `KEY=value` per line; `None` when it cannot be asked.
pub(crate) fn show(unit: &str) -> Option<String> {
    let properties = "--property=ActiveState,SubState,Result,ExecMainStatus,NRestarts";
    command::run(Path::new(SYSTEMCTL), ["show", properties, unit])
        .ok()
        .map(|output| output.stdout)
}
