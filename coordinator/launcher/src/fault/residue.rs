//! What is there of faults on the host: leases by their records, and what carries our name without one.

use std::collections::BTreeSet;

use model::fault::{Fault, HostFault};
use model::ids::LeaseId;
use model::lease::{HeldLease, Survey, UndoCause};

use super::record::{self, Record};
use super::{cut, link, power, undo_all};
use crate::error::LaunchError;
use crate::nspawn::Nspawn;
use crate::provider::{NodeProvider, Power};
use crate::record::NodeRecord;
use crate::spec::LabHandle;

/// Looks, and changes nothing.
///
/// # Errors
/// When packet filters cannot be listed.
pub fn survey(handle: &LabHandle) -> Result<Survey, LaunchError> {
    let mut found = Survey::default();
    let mut outstanding = Vec::new();
    for lease in record::leases(handle) {
        match Record::load(handle, lease) {
            Ok(Some(record)) if record.is_outstanding() => outstanding.push(record),
            Ok(_) => {}
            Err(error) => found.residue.push(format!(
                "the record of lease {lease} cannot be read: {}",
                model::causes::chain(&error)
            )),
        }
    }
    let leases: BTreeSet<LeaseId> = outstanding.iter().map(|r| r.status.lease).collect();
    let tables = cut::tables(&handle.lab)?
        .into_iter()
        .filter(|l| !leases.contains(l));
    found
        .residue
        .extend(tables.map(|lease| format!("packet filter bridge of lease {lease}")));
    for (node, state) in nodes(handle) {
        let owned = |wanted: fn(&HostFault) -> bool| {
            let ours = |r: &&Record| r.fault.node().is_some_and(|n| n.as_str() == node) && wanted(&r.fault);
            outstanding.iter().any(|r| ours(&r))
        };
        if state.frozen && !owned(|f| matches!(f, HostFault::Freeze { .. })) {
            found.residue.push(format!("node {node} stands still"));
        }
        if state.link_down && !owned(|f| matches!(f, HostFault::LinkDown { .. })) {
            found.residue.push(format!("the port of node {node} is down"));
        }
    }
    found.leases = outstanding
        .into_iter()
        .map(|record| HeldLease {
            fault: Fault::Host { inject: record.fault },
            status: record.status,
        })
        .collect();
    Ok(found)
}

/// Undoes every lease, then removes what belongs to none.
///
/// # Errors
/// When something stays.
pub fn heal(handle: &LabHandle) -> Result<(), LaunchError> {
    undo_all(handle, UndoCause::Healed)?;
    for lease in record::leases(handle) {
        if Record::load(handle, lease).is_err() {
            record::remove(handle, lease)?;
        }
    }
    cut::remove_all(&handle.lab)?;
    for (node, state) in nodes(handle) {
        if state.frozen {
            power::thaw(handle, &node)?;
        }
        if state.link_down {
            link::set(handle, &node, true)?;
        }
    }
    Ok(())
}

struct Found {
    frozen: bool,
    link_down: bool,
}

/// Nodes made here without a hypervisor: only of those is the freezer and the port ours.
fn nodes(handle: &LabHandle) -> Vec<(String, Found)> {
    let look = |node: String| {
        let record = NodeRecord::load(handle, &node).ok().flatten()?;
        if record.provider == "multipass" {
            return None;
        }
        let state = Nspawn::new(handle.clone()).state(&node).ok().flatten()?;
        let link_down = state.leader.and_then(link::is_down).unwrap_or(false);
        let frozen = state.power == Power::Suspended;
        Some((node, Found { frozen, link_down }))
    };
    NodeRecord::names(&handle.nodes_dir())
        .into_iter()
        .filter_map(look)
        .collect()
}
