//! Power loss and freeze, and their ends, by whatever provider made the node.

use model::moment::Moment;

use super::stray;
use crate::error::LaunchError;
use crate::multipass::Multipass;
use crate::nspawn::Nspawn;
use crate::provider::{NodeProvider, Power, PowerOff};
use crate::record::NodeRecord;
use crate::spec::LabHandle;

/// Pulls the plug. Answers since when nothing of the node acts on anything outside.
pub(super) fn lose(handle: &LabHandle, node: &str) -> Result<Moment, LaunchError> {
    provider(handle, node)?.power_off(node, PowerOff::Abrupt)
}

/// Starts the node on the disk it has. A node that was removed has no power to restore.
pub(super) fn restore(handle: &LabHandle, node: &str) -> Result<(), LaunchError> {
    let provider = match provider(handle, node) {
        Err(LaunchError::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    // Whoever pulled the plug may have died over it, and a node that stands still or is cut off would be taken as it is. Some of
    // its processes may be dead already, so it is not told to go on: the loss is brought to its end first.
    if stray::is_astray(handle, node) {
        provider.power_off(node, PowerOff::Abrupt)?;
    }
    provider.power_on(node).map(|_| ())
}

/// Lets all processes of the node stand still.
pub(super) fn freeze(handle: &LabHandle, node: &str) -> Result<(), LaunchError> {
    provider(handle, node)?.suspend(node)
}

/// Lets them go on. One that is off or gone does not stand still.
pub(super) fn thaw(handle: &LabHandle, node: &str) -> Result<(), LaunchError> {
    let provider = match provider(handle, node) {
        Err(LaunchError::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    let power = provider.state(node)?.map(|state| state.power);
    if power.is_some_and(may_stand_still) {
        return provider.resume(node).map(|_| ());
    }
    Ok(())
}

/// A node that runs may be about to stand still: a freeze that took too long settles when the last process is caught.
fn may_stand_still(power: Power) -> bool {
    match power {
        Power::Running | Power::Suspended | Power::Unknown => true,
        Power::Off | Power::Absent => false,
    }
}

fn provider(handle: &LabHandle, node: &str) -> Result<Box<dyn NodeProvider>, LaunchError> {
    let record = NodeRecord::load(handle, node)?.ok_or_else(|| LaunchError::NotFound {
        node: node.to_owned(),
        lab: handle.lab.clone(),
    })?;
    Ok(match record.provider.as_str() {
        "multipass" => Box::new(Multipass::new(handle.clone())),
        _ => Box::new(Nspawn::new(handle.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::{Power, may_stand_still};

    #[test]
    fn only_what_is_off_or_gone_is_not_told_to_go_on() {
        for power in [Power::Running, Power::Suspended, Power::Unknown] {
            assert!(may_stand_still(power), "{power}");
        }
        for power in [Power::Off, Power::Absent] {
            assert!(!may_stand_still(power), "{power}");
        }
    }
}
