//! The node's port on the bridge is set down, and up again. Which port that is, the node's own interface tells.

use std::fs;

use crate::error::LaunchError;
use crate::network::set_link;
use crate::nspawn::Nspawn;
use crate::provider::NodeProvider;
use crate::spec::LabHandle;

/// Sets the port of a running node. To set it up where there is no node that runs is done: the port went with the node,
/// and the next one comes up with it.
pub(super) fn set(handle: &LabHandle, node: &str, up: bool) -> Result<(), LaunchError> {
    let leader = Nspawn::new(handle.clone())
        .state(node)?
        .and_then(|state| state.leader);
    match (leader.and_then(port), up) {
        (Some(port), _) => set_link(&port, up),
        (None, true) => Ok(()),
        (None, false) => Err(LaunchError::WrongState {
            node: node.to_owned(),
            state: "without a port on the bridge".to_owned(),
            operation: "disconnected",
        }),
    }
}

/// Whether the port is administratively down; None where there is none.
pub(crate) fn is_down(leader: i32) -> Option<bool> {
    let flags = fs::read_to_string(format!("/sys/class/net/{}/flags", port(leader)?)).ok()?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
    Some(flags & 1 == 0)
}

/// The link on this side whose other end is the node's `host0`.
fn port(leader: i32) -> Option<String> {
    let root = format!("/proc/{leader}/root/sys/class/net/host0/iflink");
    let index = fs::read_to_string(root).ok()?;
    fs::read_dir("/sys/class/net").ok()?.flatten().find_map(|entry| {
        let found = fs::read_to_string(entry.path().join("ifindex")).ok()?;
        (found.trim() == index.trim()).then(|| entry.file_name().into_string().ok())?
    })
}
