//! Power loss and freeze, and their ends, by whatever provider made the node.

use model::moment::Moment;

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
    match provider(handle, node) {
        Err(LaunchError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(provider) => provider.power_on(node).map(|_| ()),
    }
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
    match provider.state(node)?.map(|state| state.power) {
        Some(Power::Suspended | Power::Unknown) => provider.resume(node).map(|_| ()),
        _ => Ok(()),
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
