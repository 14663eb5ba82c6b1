//! A node as it looks from the host, without asking anything inside it: what its provider says, and what ARP says.

use std::fs;
use std::net::Ipv4Addr;

use crate::command::run;
use crate::error::LaunchError;
use crate::fault::port_is_down;
use crate::nspawn::Nspawn;
use crate::provider::{NodeProvider, Power};
use crate::record::NodeRecord;
use crate::spec::LabHandle;

const NEIGHBOURS: &str = "/proc/net/arp";

/// Flag of a neighbour whose hardware address is known.
const COMPLETE: u32 = 0x2;

/// What the provider says of a node's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it runs.
    pub power: Power,
    /// Whether its port on the bridge is down; None where that cannot be told.
    pub port_down: Option<bool>,
}

/// Looks at a node's machine. Only where that takes no time: of a virtual machine, whose provider needs seconds to answer,
/// nothing is known.
///
/// # Errors
/// When its record cannot be read.
pub fn machine(handle: &LabHandle, node: &str) -> Result<Seen, LaunchError> {
    let unknown = Seen {
        power: Power::Unknown,
        port_down: None,
    };
    let Some(record) = NodeRecord::load(handle, node)? else {
        return Ok(unknown);
    };
    if record.provider != "nspawn" {
        return Ok(unknown);
    }
    let state = Nspawn::new(handle.clone()).state(node)?;
    Ok(state.map_or(unknown, |state| Seen {
        power: state.power,
        port_down: state.leader.and_then(port_is_down),
    }))
}

/// Has the kernel forget what it knows of a neighbour, so that the next packet asks afresh. Whether nothing is known now.
#[must_use]
pub fn forget_neighbour(address: Ipv4Addr) -> bool {
    let table = fs::read_to_string(NEIGHBOURS).unwrap_or_default();
    let Some(entry) = entry(&table, address) else {
        return true;
    };
    let words = ["neigh", "del", &address.to_string(), "dev", &entry.device];
    run("ip", words, "neigh del").is_ok()
}

/// Whether the neighbour answered since it was forgotten; None when it was never asked.
#[must_use]
pub fn neighbour_answered(address: Ipv4Addr) -> Option<bool> {
    let table = fs::read_to_string(NEIGHBOURS).unwrap_or_default();
    entry(&table, address).map(|entry| entry.flags & COMPLETE != 0)
}

struct Entry {
    flags: u32,
    device: String,
}

/// Address, type, flags, hardware address, mask, device.
fn entry(table: &str, address: Ipv4Addr) -> Option<Entry> {
    let wanted = address.to_string();
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (found, flags, device) = (words.first()?, words.get(2)?, words.get(5)?);
        if **found != *wanted {
            return None;
        }
        Some(Entry {
            flags: u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?,
            device: (*device).to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_neighbours_is_read() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     192.168.77.1     0x1         0x2         02:fc:00:00:00:05     *        eth0\n\
                     192.168.77.10    0x1         0x0         00:00:00:00:00:00     *        dy-x\n";
        let flags = |last: u8| {
            entry(table, Ipv4Addr::new(192, 168, 77, last)).map(|e| (e.flags & COMPLETE != 0, e.device))
        };
        assert_eq!(flags(1), Some((true, "eth0".to_owned())));
        assert_eq!(flags(10), Some((false, "dy-x".to_owned())));
        assert_eq!(flags(11), None);
    }
}
