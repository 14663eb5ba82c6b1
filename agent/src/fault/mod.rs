//! Faults of drills on this node: each in a file of its own with injection and undo side by side.
//!
//! What is broken here is a *lease*. [`lease::inject`] records the undo and arms a timer of PID 1 before anything is
//! broken; [`lease::undo`] may then be called by that timer, by a release, by the root helper when the coordinator is
//! silent or the helper begins a new life, and at boot. All of them do the same and none needs the others to be alive.
//!
//! Undoing goes by stable identity (unit, manifest, label, table named after the lease), never by what an id meant when
//! the fault was injected, and it may be repeated.

mod arm;
mod containers;
mod etcd_data;
mod fill_disk;
pub mod lease;
mod nft;
mod packets;
mod probe;
pub(crate) mod record;
mod residue;
mod standstill;
mod static_pod;
mod stop_unit;
mod took;
mod workload;

pub use lease::{undo, undo_all};
pub(crate) use probe::probe;
pub(crate) use residue::{heal, outstanding};
pub use residue::{survey, survey_file};

use crate::step::{Context, StepError};
use model::fault::NodeFault;
use model::ids::LeaseId;
use model::lease::Span;
use took::Took;

/// What is there of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    /// All of it.
    Whole,
    /// Some of it.
    Part(String),
    /// Nothing.
    Nothing,
}

/// Containers that a fault acts on, found before it acts.
type Targets = Vec<String>;

/// What must be there before it is broken. The caller has recorded and armed the undo; nothing is broken yet.
fn prepare(context: &Context, lease: LeaseId, fault: &NodeFault) -> Result<Targets, StepError> {
    match fault {
        NodeFault::StopStaticPod { pod } => static_pod::running(&[*pod]),
        NodeFault::PauseWorkload { workload } | NodeFault::KillWorkload { workload } => {
            workload::find(workload)
        }
        NodeFault::LoseEtcdData { lag } => etcd_data::prepare(context, lease, *lag),
        _ => Ok(Targets::new()),
    }
}

/// Breaks it; when it took hold. The caller has recorded and armed the undo.
fn inject(
    context: &Context,
    lease: LeaseId,
    fault: &NodeFault,
    targets: &Targets,
) -> Result<Span, StepError> {
    let mut took = Took::begin();
    match fault {
        NodeFault::StopUnit { unit } => stop_unit::inject(*unit),
        NodeFault::StopStaticPod { pod } => static_pod::inject(context, lease, &[*pod], targets, &mut took),
        NodeFault::PauseWorkload { workload } => workload::pause(workload, targets, &mut took),
        NodeFault::KillWorkload { .. } => containers::kill(targets, &mut took),
        NodeFault::CutPeers { peers } => packets::cut(lease, peers),
        NodeFault::LosePackets { peers, percent } => packets::lose(lease, peers, *percent),
        NodeFault::DropDns {} => packets::drop_dns(lease),
        NodeFault::FillDisk { volume, keep } => fill_disk::inject(context, lease, *volume, *keep),
        NodeFault::LoseEtcdData { .. } => etcd_data::inject(context, lease, targets, &mut took),
    }?;
    Ok(took.end())
}

/// Mends it, whatever is there of it. After a boot only what is on the disk has survived.
fn mend(context: &Context, lease: LeaseId, fault: &NodeFault, booted: bool) -> Result<(), StepError> {
    match fault {
        NodeFault::StopStaticPod { pod } => static_pod::undo(context, lease, *pod, booted),
        NodeFault::FillDisk { volume, .. } => fill_disk::undo(context, lease, *volume),
        NodeFault::LoseEtcdData { .. } => etcd_data::undo(context, lease, booted),
        // Units start at boot by themselves; processes and packet filters went with it.
        _ if booted => Ok(()),
        NodeFault::StopUnit { unit } => stop_unit::undo(*unit),
        NodeFault::PauseWorkload { workload } => workload::resume(workload),
        NodeFault::KillWorkload { .. } => Ok(()),
        NodeFault::CutPeers { .. } | NodeFault::LosePackets { .. } | NodeFault::DropDns {} => {
            packets::undo(lease)
        }
    }
}

/// Looks, and changes nothing.
pub(crate) fn trace(context: &Context, lease: LeaseId, fault: &NodeFault) -> Result<Trace, StepError> {
    match fault {
        NodeFault::StopUnit { unit } => Ok(stop_unit::trace(*unit)),
        NodeFault::StopStaticPod { pod } => Ok(static_pod::trace(context, lease, *pod)),
        NodeFault::PauseWorkload { workload } => workload::trace(workload),
        NodeFault::KillWorkload { .. } => Ok(Trace::Nothing),
        NodeFault::CutPeers { .. } | NodeFault::LosePackets { .. } | NodeFault::DropDns {} => {
            packets::trace(lease)
        }
        NodeFault::FillDisk { volume, .. } => Ok(fill_disk::trace(context, lease, *volume)),
        NodeFault::LoseEtcdData { .. } => Ok(etcd_data::trace(context, lease)),
    }
}
