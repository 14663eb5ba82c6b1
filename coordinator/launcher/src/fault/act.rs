//! Which fault is injected and mended where.

use model::fault::HostFault;
use model::ids::LeaseId;
use model::lab::Lab;
use model::moment::Moment;

use super::{cut, link, power};
use crate::clock::now;
use crate::error::LaunchError;
use crate::spec::LabHandle;

/// Answers since when the fault is there whole; what is left to do then, such as burying the dead, takes longer.
pub(super) fn inject(
    handle: &LabHandle,
    lab: &Lab,
    lease: LeaseId,
    fault: &HostFault,
) -> Result<Moment, LaunchError> {
    match fault {
        HostFault::PowerLoss { node } => return power::lose(handle, node.as_str()),
        HostFault::Freeze { node } => power::freeze(handle, node.as_str())?,
        HostFault::LinkDown { node } => link::set(handle, node.as_str(), false)?,
        HostFault::CutClusters { one, other } => cut::inject(lab, lease, one, other)?,
    }
    Ok(now())
}

pub(super) fn mend(handle: &LabHandle, lease: LeaseId, fault: &HostFault) -> Result<(), LaunchError> {
    match fault {
        HostFault::PowerLoss { node } => power::restore(handle, node.as_str()),
        HostFault::Freeze { node } => power::thaw(handle, node.as_str()),
        HostFault::LinkDown { node } => link::set(handle, node.as_str(), true),
        HostFault::CutClusters { .. } => cut::undo(&handle.lab, lease),
    }
}
