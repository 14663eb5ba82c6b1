//! What of a node is stopped or cut off from outside, and which lease has it so.

use model::fault::HostFault;

use super::link;
use super::record::{self, Record};
use crate::cgroup::NodeCgroup;
use crate::nspawn::Nspawn;
use crate::provider::{NodeProvider, Power};
use crate::record::NodeRecord;
use crate::spec::LabHandle;

/// How a node stands that is not off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// It stands still, or will as soon as its last process is caught: a freeze that nobody awaits any more settles late.
    pub(super) held: bool,
    /// Its port on the bridge is down.
    pub(super) link_down: bool,
}

impl Found {
    /// What of it is no outstanding lease's doing.
    pub(super) fn without(self, node: &str, outstanding: &[Record]) -> Self {
        let owned = |wanted: fn(&HostFault) -> bool| {
            let ours = |r: &Record| r.fault.node().is_some_and(|n| n.as_str() == node) && wanted(&r.fault);
            outstanding.iter().any(ours)
        };
        Self {
            held: self.held && !owned(|f| matches!(f, HostFault::Freeze { .. })),
            link_down: self.link_down && !owned(|f| matches!(f, HostFault::LinkDown { .. })),
        }
    }

    pub(super) fn is_something(self) -> bool {
        self.held || self.link_down
    }
}

/// Looks at one node. Only of a node made without a hypervisor the freezer and the port are ours: None for any other.
pub(super) fn look(handle: &LabHandle, node: &str) -> Option<Found> {
    let record = NodeRecord::load(handle, node).ok().flatten()?;
    if record.provider == "multipass" {
        return None;
    }
    let state = Nspawn::new(handle.clone()).state(node).ok().flatten()?;
    Some(Found {
        held: state.power != Power::Off && NodeCgroup::of(&state.machine).is_held(),
        link_down: state.leader.and_then(link::is_down).unwrap_or(false),
    })
}

/// Whether the node is stopped or cut off, and no outstanding lease has it so.
pub(super) fn is_astray(handle: &LabHandle, node: &str) -> bool {
    let mut outstanding = record::all(handle);
    outstanding.retain(Record::is_outstanding);
    look(handle, node).is_some_and(|found| found.without(node, &outstanding).is_something())
}

#[cfg(test)]
mod tests {
    use model::ids::{LeaseId, NodeName};
    use model::lease::Terms;

    use super::*;
    use crate::fault::fresh;

    fn lease(fault: HostFault) -> Record {
        fresh(
            LeaseId([1; 16]),
            Terms::new(5_000, 2_000, 60_000).unwrap(),
            &fault,
        )
    }

    #[test]
    fn a_lease_explains_its_own_fault_on_its_own_node_only() {
        let node = NodeName::new("app1-cp").unwrap();
        let found = Found {
            held: true,
            link_down: true,
        };
        let left = |fault: Option<HostFault>, node: &str| {
            let outstanding: Vec<Record> = fault.into_iter().map(lease).collect();
            let left = found.without(node, &outstanding);
            (left.held, left.link_down)
        };
        let frozen = HostFault::Freeze { node: node.clone() };
        assert_eq!(left(Some(frozen.clone()), "app1-cp"), (false, true));
        assert_eq!(left(Some(frozen), "app1-worker"), (true, true));
        let unplugged = HostFault::LinkDown { node };
        assert_eq!(left(Some(unplugged), "app1-cp"), (true, false));
        assert_eq!(left(None, "app1-cp"), (true, true));
    }

    #[test]
    fn a_power_loss_explains_nothing_since_a_whole_one_leaves_the_node_off() {
        let node = NodeName::new("app1-cp").unwrap();
        let loss = [lease(HostFault::PowerLoss { node: node.clone() })];
        let cut_short = |held, link_down| {
            let found = Found { held, link_down };
            found.without(node.as_str(), &loss).is_something()
        };
        assert!(cut_short(true, true) && cut_short(true, false) && cut_short(false, true));
        assert!(
            !cut_short(false, false),
            "it was not begun, or somebody started it"
        );
    }
}
