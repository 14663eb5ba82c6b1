//! What is there of faults on the host: leases by their records, and what carries our name without one.

use std::collections::BTreeSet;

use model::fault::Fault;
use model::ids::LeaseId;
use model::lease::{HeldLease, Survey, UndoCause};

use super::record::{self, Record};
use super::stray::{self, Found};
use super::{cut, link, power, undo_all};
use crate::error::LaunchError;
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
        let astray = state.without(&node, &outstanding);
        if astray.held {
            found.residue.push(format!("node {node} stands still"));
        }
        if astray.link_down {
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
        if state.held {
            power::thaw(handle, &node)?;
        }
        if state.link_down {
            link::set(handle, &node, true)?;
        }
    }
    Ok(())
}

fn nodes(handle: &LabHandle) -> Vec<(String, Found)> {
    NodeRecord::names(&handle.nodes_dir())
        .into_iter()
        .filter_map(|node| stray::look(handle, &node).map(|found| (node, found)))
        .collect()
}
