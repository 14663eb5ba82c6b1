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
    let (mut outstanding, mut lost) = (Vec::new(), false);
    for lease in record::leases(handle) {
        match Record::load(handle, lease) {
            Ok(Some(record)) if record.is_outstanding() => outstanding.push(record),
            Ok(_) => {}
            Err(error) => {
                lost = true;
                found.residue.push(format!(
                    "the record of lease {lease} cannot be read: {}",
                    model::causes::chain(&error)
                ));
            }
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
        found.residue.extend(lines(&node, astray, lost));
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
    let mut lost = record::leases(handle);
    lost.retain(|lease| Record::load(handle, *lease).is_err());
    cut::remove_all(&handle.lab)?;
    for (node, state) in nodes(handle) {
        if state.held {
            power::thaw(handle, &node)?;
        }
        if state.link_down {
            link::set(handle, &node, true)?;
        }
        if state.off && !lost.is_empty() {
            power::restore(handle, &node)?;
        }
    }
    // Last: a node that did not come back is off because of one of them until it does.
    lost.into_iter()
        .try_for_each(|lease| record::remove(handle, lease))
}

/// What is wrong with the node and no lease's doing. Whoever is at the host may switch a node off, so one that is off counts only
/// where a lease is `lost`, which cannot be read: it may have taken the node's power.
fn lines(node: &str, astray: Found, lost: bool) -> Vec<String> {
    let all = [
        (astray.held, format!("node {node} stands still")),
        (astray.link_down, format!("the port of node {node} is down")),
        (astray.off && lost, format!("node {node} is off")),
    ];
    let wrong = all.into_iter().filter(|(wrong, _)| *wrong);
    wrong.map(|(_, line)| line).collect()
}

fn nodes(handle: &LabHandle) -> Vec<(String, Found)> {
    NodeRecord::names(&handle.nodes_dir())
        .into_iter()
        .filter_map(|node| stray::look(handle, &node).map(|found| (node, found)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_off_is_left_of_a_fault_only_where_a_lease_cannot_be_read() {
        let off = Found {
            held: false,
            link_down: false,
            off: true,
        };
        assert_eq!(lines("a", off, true), ["node a is off"]);
        assert_eq!(lines("a", off, false), Vec::<String>::new());
        let held = Found {
            held: true,
            link_down: true,
            off: false,
        };
        assert_eq!(lines("a", held, false).len(), 2);
    }
}
