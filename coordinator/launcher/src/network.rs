//! The lab's bridge: the nodes' common segment, and the host's address in it.
//!
//! Nodes reach each other through the bridge itself, so the host's forwarding and its firewall stay as they are.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::claim::Claim;
use crate::command::run;
use crate::error::LaunchError;
use crate::files::Lock;
use crate::names;
use crate::process::wait_until;
use crate::spec::{LabHandle, NetworkSpec};

const PORTS_GONE_LIMIT: Duration = Duration::from_secs(5);

/// An IPv4 address that a link of this host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAddress {
    /// Name of the link.
    pub link: String,
    /// The link's alias, which is our label on our own.
    pub alias: Option<String>,
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length of its subnet.
    pub prefix: u8,
}

/// Makes the lab's bridge with its address, or adopts it.
///
/// # Errors
/// [`LaunchError::AddressInUse`] when the subnet overlaps with a foreign link's, [`LaunchError::OtherHome`] when the label is
/// another home's.
pub fn ensure_network(lab: &LabHandle, spec: &NetworkSpec) -> Result<(), LaunchError> {
    lab.check()?;
    let _lock = Lock::take(&lab.home.join("network.lock"))?;
    let (bridge, label) = (names::bridge(&lab.lab), names::lab_label(&lab.lab));
    let addresses = link_addresses()?;
    if let Some(other) = overlapping(&addresses, spec).find(|a| a.link != bridge) {
        return Err(LaunchError::AddressInUse {
            address: format!("{}/{}", spec.bridge_address, spec.prefix),
            found: format!("{}/{}", other.address, other.prefix),
            link: other.link.clone(),
        });
    }
    Claim::of(lab).take()?;
    if !link_exists(&bridge) {
        let mac = names::bridge_mac(&lab.lab);
        let arguments = ["link", "add", &bridge, "address", &mac, "type", "bridge"];
        run("ip", arguments, "link add")?;
    }
    // Each of these may be missing after a crash in between, and each may be repeated.
    run("ip", ["link", "set", &bridge, "alias", &label, "up"], "link set")?;
    let wanted = format!("{}/{}", spec.bridge_address, spec.prefix);
    for stale in addresses.iter().filter(|a| a.link == bridge) {
        let have = format!("{}/{}", stale.address, stale.prefix);
        if have != wanted {
            run("ip", ["address", "del", &have, "dev", &bridge], "address del")?;
        }
    }
    run(
        "ip",
        ["address", "replace", &wanted, "dev", &bridge],
        "address replace",
    )?;
    Ok(())
}

/// Removes the lab's bridge if it is there and carries our label; says whether it was there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_network(lab: &LabHandle) -> Result<bool, LaunchError> {
    Claim::of(lab).check()?;
    let bridge = names::bridge(&lab.lab);
    if !link_exists(&bridge) {
        return Ok(false);
    }
    let alias = link_alias(&bridge);
    // A crash between making the bridge and labelling it leaves the alias empty: the name alone is ours, too.
    if alias.is_some_and(|a| a != names::lab_label(&lab.lab)) {
        return Ok(false);
    }
    // A node that was just ended takes its port along a little later. A port that stays is somebody's who still runs.
    if !wait_until(PORTS_GONE_LIMIT, || ports(&bridge).is_empty()) {
        return Err(LaunchError::StillThere {
            what: format!("bridge {bridge} with ports {}", ports(&bridge).join(" ")),
        });
    }
    run("ip", ["link", "delete", &bridge], "link delete")?;
    Ok(true)
}

/// Deletes the ports of nodes that are gone. The kernel takes them away by itself only when the last orphaned socket of
/// their network namespace has timed out, which was seen to take minutes. Only ports that systemd-nspawn named after
/// machines of ours, on the bridge that carries our label, are touched; call it when no node of the lab is left.
pub(crate) fn release_ports(lab: &LabHandle) {
    let bridge = names::bridge(&lab.lab);
    if link_alias(&bridge).is_some_and(|alias| alias != names::lab_label(&lab.lab)) {
        return;
    }
    for port in ports(&bridge).iter().filter(|port| port.starts_with(NSPAWN_PORT)) {
        // One that went by itself in the meantime is as good.
        let _ = run("ip", ["link", "delete", port], "link delete");
    }
}

/// Deletes the port of one machine that is about to start anew, for the same reason: a node whose power was cut would find
/// its own old port in the way. systemd-nspawn keeps the uncut name as an alternative one.
pub(crate) fn release_port(machine: &str) {
    let port = port(machine);
    // Mostly there is none.
    let _ = run("ip", ["link", "delete", "dev", &port], "link delete");
}

/// Takes the port of one machine down, at once and for good: the next start of the machine makes a new one.
///
/// # Errors
/// When there is no such port.
pub(crate) fn cut_port(machine: &str) -> Result<(), LaunchError> {
    set_link(&port(machine), false)
}

/// Sets a link up or down; the change counts from when this returns.
///
/// # Errors
/// When there is no such link.
pub(crate) fn set_link(link: &str, up: bool) -> Result<(), LaunchError> {
    let word = if up { "up" } else { "down" };
    run("ip", ["link", "set", "dev", link, word], "link set").map(|_| ())
}

/// The name that systemd-nspawn gives a machine's port, uncut.
fn port(machine: &str) -> String {
    format!("vb-{machine}")
}

/// How systemd-nspawn's names of our machines' ports begin: `vb-` and the machine's name, cut and hashed to 15 characters.
const NSPAWN_PORT: &str = "vb-drillyar";

/// Links other than the lab's own whose subnet overlaps with `spec`.
///
/// # Errors
/// When the host's addresses cannot be listed.
pub fn foreign_overlap(lab: &str, spec: &NetworkSpec) -> Result<Option<LinkAddress>, LaunchError> {
    let bridge = names::bridge(lab);
    let addresses = link_addresses()?;
    let found = overlapping(&addresses, spec).find(|a| a.link != bridge).cloned();
    Ok(found)
}

fn overlapping<'a>(
    addresses: &'a [LinkAddress],
    spec: &'a NetworkSpec,
) -> impl Iterator<Item = &'a LinkAddress> {
    addresses.iter().filter(|a| {
        let shorter = a.prefix.min(spec.prefix);
        let mask = u32::MAX.checked_shl(32 - u32::from(shorter)).unwrap_or_default();
        a.address.to_bits() & mask == spec.bridge_address.to_bits() & mask
    })
}

fn link_addresses() -> Result<Vec<LinkAddress>, LaunchError> {
    let text = run("ip", ["-json", "-4", "address", "show"], "address show")?;
    parse_addresses(&text).map_err(|source| LaunchError::Json {
        what: "output of ip -json address show".to_owned(),
        source,
    })
}

#[derive(Deserialize)]
struct Link {
    ifname: Option<String>,
    ifalias: Option<String>,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Ipv4Addr,
    prefixlen: u8,
}

fn parse_addresses(text: &str) -> Result<Vec<LinkAddress>, serde_json::Error> {
    let links: Vec<Link> = serde_json::from_str(text)?;
    let mut found = Vec::new();
    for link in links {
        // `ip -json` prints an empty object for a link without an address of the family asked for.
        let Some(name) = link.ifname else { continue };
        found.extend(link.addr_info.into_iter().map(|a| LinkAddress {
            link: name.clone(),
            alias: link.ifalias.clone(),
            address: a.local,
            prefix: a.prefixlen,
        }));
    }
    Ok(found)
}

fn ports(bridge: &str) -> Vec<String> {
    let folder = PathBuf::from("/sys/class/net").join(bridge).join("brif");
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .collect()
}

/// Whether the host has the link.
pub(crate) fn link_exists(link: &str) -> bool {
    PathBuf::from("/sys/class/net").join(link).exists()
}

fn link_alias(link: &str) -> Option<String> {
    let path = PathBuf::from("/sys/class/net").join(link).join("ifalias");
    let alias = fs::read_to_string(path).ok()?.trim().to_owned();
    (!alias.is_empty()).then_some(alias)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{NetworkSpec, overlapping, parse_addresses};

    // Output of iproute2 6.1 `ip -json -4 address show`, shortened to the keys in use and their neighbours.
    const OUTPUT: &str = r#"[{},{"ifindex":1,"ifname":"lo","flags":["LOOPBACK"],"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
        {"ifindex":4,"ifname":"virbr0","ifalias":"x","addr_info":[{"family":"inet","local":"192.168.0.9","prefixlen":16}]}]"#;

    #[test]
    fn a_wider_subnet_of_another_link_overlaps() {
        let addresses = parse_addresses(OUTPUT).unwrap();
        let spec = |a| NetworkSpec {
            bridge_address: a,
            prefix: 24,
        };
        let ours = spec(Ipv4Addr::new(192, 168, 64, 1));
        assert_eq!(
            overlapping(&addresses, &ours)
                .map(|a| a.link.as_str())
                .collect::<Vec<_>>(),
            ["virbr0"]
        );
        let free = spec(Ipv4Addr::new(10, 9, 8, 1));
        assert_eq!(overlapping(&addresses, &free).count(), 0);
    }
}
