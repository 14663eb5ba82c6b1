//! What of a node is stopped, cut off or without power from outside, and which lease has it so.

use model::fault::HostFault;

use super::link;
use super::record::{self, Record};
use crate::cgroup::NodeCgroup;
use crate::names;
use crate::network::link_exists;
use crate::nspawn::Nspawn;
use crate::provider::{NodeProvider, Power};
use crate::record::NodeRecord;
use crate::spec::LabHandle;

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// It stands still, or will as soon as its last process is caught: a freeze that nobody awaits any more settles late.
    pub(super) held: bool,
    /// Its port on the bridge is down.
    pub(super) link_down: bool,
    /// It does not run, though it was started since the host booted.
    pub(super) off: bool,
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
            off: self.off && !owned(|f| matches!(f, HostFault::PowerLoss { .. })),
        }
    }

    /// Whether it is neither as it should be nor without power.
    pub(super) fn is_stopped_or_cut(self) -> bool {
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
    // A boot of the host takes the bridge along with what ran.
    let started = record.process.is_some() && link_exists(&names::bridge(&handle.lab));
    Some(Found {
        held: state.power != Power::Off && NodeCgroup::of(&state.machine).is_held(),
        link_down: state.leader.and_then(link::is_down).unwrap_or(false),
        off: state.power == Power::Off && started,
    })
}

/// Whether the node is stopped or cut off, and no outstanding lease has it so.
pub(super) fn is_astray(handle: &LabHandle, node: &str) -> bool {
    let mut outstanding = record::all(handle);
    outstanding.retain(Record::is_outstanding);
    look(handle, node).is_some_and(|found| found.without(node, &outstanding).is_stopped_or_cut())
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
            off: false,
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
    fn a_power_loss_explains_a_node_that_is_off_and_nothing_else() {
        let node = NodeName::new("app1-cp").unwrap();
        let loss = [lease(HostFault::PowerLoss { node: node.clone() })];
        let cut_short = |held, link_down| {
            let off = false;
            let found = Found { held, link_down, off };
            found.without(node.as_str(), &loss).is_stopped_or_cut()
        };
        assert!(cut_short(true, true) && cut_short(true, false) && cut_short(false, true));
        assert!(
            !cut_short(false, false),
            "it was not begun, or somebody started it"
        );
        let dark = Found {
            held: false,
            link_down: false,
            off: true,
        };
        assert!(!dark.without(node.as_str(), &loss).off);
        assert!(dark.without("app1-worker", &loss).off && dark.without(node.as_str(), &[]).off);
        assert!(!dark.is_stopped_or_cut(), "power alone brings it back");
    }
}
