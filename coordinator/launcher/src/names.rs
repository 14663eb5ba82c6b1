//! Every name that the launcher gives to something on the host, in one place.
//!
//! `down` removes only what carries these names, so they are derived, never chosen at the call.

use sha2::{Digest, Sha256};

/// Name of a node's machine, cgroups and overlay mount: `drillyard-LAB-NODE`.
#[must_use]
pub fn machine(lab: &str, node: &str) -> String {
    format!("{}{node}", machine_prefix(lab))
}

/// What the machine names of one lab begin with.
#[must_use]
pub fn machine_prefix(lab: &str) -> String {
    format!("drillyard-{lab}-")
}

/// Label of things that belong to the lab as a whole: `drillyard-LAB`.
#[must_use]
pub fn lab_label(lab: &str) -> String {
    format!("drillyard-{lab}")
}

/// Name of the lab's bridge. A link's name has 15 characters at most, so the lab's name does not fit; its digest does.
#[must_use]
pub fn bridge(lab: &str) -> String {
    let digest = hex::encode(Sha256::digest(lab.as_bytes()));
    format!("dy-{}", &digest[..8])
}

/// A fixed, locally administered MAC for the bridge: without it the kernel takes the lowest of its ports', and the
/// gateway's address would change for the nodes whenever one of them stops.
#[must_use]
pub fn bridge_mac(lab: &str) -> String {
    let digest = Sha256::digest(format!("bridge {lab}").as_bytes());
    let octets: Vec<String> = digest.iter().take(5).map(|o| format!("{o:02x}")).collect();
    format!("02:{}", octets.join(":"))
}

/// machine-id of a node: the same over reboots, another one when the node is made anew.
#[must_use]
pub fn machine_id(lab: &str, node: &str, generation: u64) -> String {
    let digest = Sha256::digest(format!("machine-id {lab} {node} {generation}").as_bytes());
    hex::encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::{bridge, bridge_mac, machine, machine_id};

    #[test]
    fn names_are_derived_and_fit_the_kernel() {
        assert_eq!(machine("lab", "app1-cp"), "drillyard-lab-app1-cp");
        assert!(bridge("a-very-long-name-of-a-lab").len() <= 15);
        assert_ne!(bridge("a"), bridge("b"));
        assert_eq!(bridge_mac("a").len(), 17);
    }

    #[test]
    fn machine_id_changes_with_the_generation_only() {
        assert_eq!(machine_id("l", "n", 1), machine_id("l", "n", 1));
        assert_ne!(machine_id("l", "n", 1), machine_id("l", "n", 2));
        assert_eq!(machine_id("l", "n", 1).len(), 32);
    }
}
