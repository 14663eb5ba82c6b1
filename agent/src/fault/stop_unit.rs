//! A systemd service is stopped; undone by starting it.

use super::Trace;
use crate::step::{StepError, systemd};
use model::fault_parts::NodeUnit;

/// Stops the service and waits until it has.
pub(super) fn inject(unit: NodeUnit) -> Result<(), StepError> {
    systemd::stop(unit.unit())
}

/// Starts the service and waits until it says that it is ready; running is fine.
pub(super) fn undo(unit: NodeUnit) -> Result<(), StepError> {
    systemd::start(unit.unit())
}

pub(super) fn trace(unit: NodeUnit) -> Trace {
    if systemd::is_active(unit.unit()) {
        Trace::Nothing
    } else {
        Trace::Whole
    }
}
