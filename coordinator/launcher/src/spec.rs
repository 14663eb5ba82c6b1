//! What the caller asks for: the lab's folders, its network, its nodes. Checked here, before anything is touched.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::LaunchError;

/// The lab that the calls are about, and where it lives on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabHandle {
    /// The lab's name, part of every label.
    pub lab: String,
    /// State of this lab (`$DRILLYARD_HOME`), [`resolved`].
    pub home: PathBuf,
    /// Bundle and root file system (`$DRILLYARD_CACHE`), [`resolved`].
    pub cache: PathBuf,
}

impl LabHandle {
    /// The folder of one node's record, disk and mounts.
    #[must_use]
    pub fn node_dir(&self, node: &str) -> PathBuf {
        self.nodes_dir().join(node)
    }

    /// The folder that holds the nodes' folders.
    #[must_use]
    pub fn nodes_dir(&self) -> PathBuf {
        self.home.join("nodes")
    }

    /// The shared, read-only root file system of all nodes.
    #[must_use]
    pub fn rootfs_tree(&self) -> PathBuf {
        self.cache.join("rootfs/tree")
    }

    /// The ready content store, if the bundle has made one.
    #[must_use]
    pub fn rootfs_store(&self) -> PathBuf {
        self.cache.join("rootfs/store")
    }

    /// Refuses names and paths that cannot be used in labels and mount options.
    ///
    /// # Errors
    /// [`LaunchError::InvalidSpec`] names the field.
    pub fn check(&self) -> Result<(), LaunchError> {
        check_name("lab", &self.lab, 32)?;
        check_path("home", &self.home)?;
        check_path("cache", &self.cache)
    }
}

/// `path`, absolute and without links: so the kernel names what is mounted and what lies behind a loop device, and what is
/// named otherwise is not found among them. What is not there yet keeps its name.
#[must_use]
pub fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = path.ancestors().find_map(|there| {
        let begin = fs::canonicalize(there).ok()?;
        let rest = path.strip_prefix(there).ok()?;
        Some(begin.iter().chain(rest).collect::<PathBuf>())
    });
    real.unwrap_or(path)
}

/// The host's side of the lab's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// The bridge's own address, the nodes' gateway.
    pub bridge_address: Ipv4Addr,
    /// Prefix length of the lab's subnet.
    pub prefix: u8,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// Name inside the lab, such as `mgmt-cp`; also the host name.
    pub name: String,
    /// `control_plane` or `worker`; recorded, not interpreted.
    pub role: String,
    /// The node's static address.
    pub address: Ipv4Addr,
    /// Prefix length of the lab's subnet.
    pub prefix: u8,
    /// Default route.
    pub gateway: Ipv4Addr,
    /// CPU limit in whole cores.
    pub cpus: u32,
    /// Memory limit in MiB.
    pub memory_mib: u64,
    /// Size of the node's disk in GiB.
    pub disk_gib: u64,
}

impl NodeSpec {
    /// Refuses what no provider could make.
    ///
    /// # Errors
    /// [`LaunchError::InvalidSpec`] names the field, the value and the rule.
    pub fn check(&self) -> Result<(), LaunchError> {
        check_name("name", &self.name, 24)?;
        check_name("role", &self.role.replace('_', "-"), 24)?;
        check_that(
            (8..=30).contains(&self.prefix),
            "prefix",
            self.prefix,
            "must be 8 to 30",
        )?;
        let mask = u32::MAX << (32 - u32::from(self.prefix));
        let network = |a: Ipv4Addr| a.to_bits() & mask;
        check_that(
            network(self.address) == network(self.gateway) && self.address != self.gateway,
            "address",
            self.address,
            "must be in the gateway's subnet and not the gateway",
        )?;
        let host = self.address.to_bits() & !mask;
        check_that(
            host != 0 && host != !mask,
            "address",
            self.address,
            "must not be the subnet's first or last address",
        )?;
        check_that(self.cpus >= 1, "cpus", self.cpus, "must be at least 1")?;
        check_that(
            self.memory_mib >= 256,
            "memory_mib",
            self.memory_mib,
            "must be at least 256",
        )?;
        check_that(
            (1..=4096).contains(&self.disk_gib),
            "disk_gib",
            self.disk_gib,
            "must be 1 to 4096",
        )
    }
}

fn check_that(
    holds: bool,
    field: &'static str,
    value: impl ToString,
    rule: &'static str,
) -> Result<(), LaunchError> {
    if holds {
        return Ok(());
    }
    Err(LaunchError::InvalidSpec {
        field,
        value: value.to_string(),
        rule,
    })
}

/// Names end up in labels, paths and host names: the common subset of all three.
pub(crate) fn check_name(field: &'static str, value: &str, max: usize) -> Result<(), LaunchError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ok = value.len() <= max
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && !value.ends_with('-')
        && value.chars().all(inner);
    check_that(
        ok,
        field,
        value,
        "must be a short lower case name of letters, digits and hyphens",
    )
}

/// Mount options and nspawn's bind arguments separate by these characters, and neither quotes them the same way.
fn check_path(field: &'static str, path: &Path) -> Result<(), LaunchError> {
    let text = path.to_str().unwrap_or_default();
    let clean = !text.contains([',', ':', '\\', '"', '\n', ' ', '\t']);
    check_that(
        path.is_absolute() && clean && text.len() < 200,
        field,
        path.display(),
        "must be an absolute path of fewer than 200 characters without spaces, commas, colons, quotes or backslashes",
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{NodeSpec, resolved};

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "mgmt-cp".into(),
            role: "control_plane".into(),
            address: Ipv4Addr::new(192, 168, 64, 10),
            prefix: 24,
            gateway: Ipv4Addr::new(192, 168, 64, 1),
            cpus: 2,
            memory_mib: 3072,
            disk_gib: 30,
        }
    }

    #[test]
    fn a_good_spec_passes() {
        assert!(spec().check().is_ok());
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_its_field() {
        type Change = fn(&mut NodeSpec);
        let cases: [(&str, Change); 7] = [
            ("name", |s| s.name = "../x".into()),
            ("address", |s| s.address = Ipv4Addr::new(10, 0, 0, 1)),
            ("address", |s| s.address = s.gateway),
            ("address", |s| s.address = Ipv4Addr::new(192, 168, 64, 255)),
            ("prefix", |s| s.prefix = 31),
            ("memory_mib", |s| s.memory_mib = 1),
            ("disk_gib", |s| s.disk_gib = 0),
        ];
        for (field, change) in cases {
            let mut s = spec();
            change(&mut s);
            let text = s.check().map_err(|e| e.to_string()).unwrap_err();
            assert!(text.contains(field), "{field}: {text}");
        }
    }

    #[test]
    fn links_are_resolved_as_far_as_the_path_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (real, link) = (dir.join("real"), dir.join("link"));
        std::fs::create_dir_all(real.join("home")).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for rest in ["home", "not-yet", "not-yet/home"] {
            let path = resolved(&link.join(rest));
            // As text: a slash at the end would pass for equal, and a mount option has none.
            assert_eq!(path.to_str(), real.join(rest).to_str());
        }
        assert_eq!(resolved(&link).to_str(), real.to_str());
        assert_eq!(resolved("/".as_ref()).to_str(), Some("/"));
    }
}
