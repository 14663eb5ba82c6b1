//! The root module's variables, as the coordinator fills them from the lab document.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::Serialize;

/// `terraform.tfvars.json`. Nothing in it is secret: user-data never passes through Terraform.
#[derive(Debug, Clone, Serialize)]
pub struct Inputs {
    /// `nspawn` or `multipass`.
    pub node_provider: String,
    /// The lab's name.
    pub lab: String,
    /// State of the lab, absolute.
    pub home: PathBuf,
    /// Bundle and root file system, absolute.
    pub cache: PathBuf,
    /// The coordinator program, absolute.
    pub coordinator: PathBuf,
    /// The host's address in the lab's subnet.
    pub gateway: Ipv4Addr,
    /// Prefix length of the lab's subnet.
    pub prefix: u8,
    /// What all nodes together may use, in MiB.
    pub memory_budget_mib: u64,
    /// What all nodes together may use, in GiB.
    pub disk_budget_gib: u64,
    /// Every node is looked at again when this differs from the last time.
    pub attempt: String,
    /// The nodes by name.
    pub nodes: BTreeMap<String, NodeInput>,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeInput {
    /// `control_plane` or `worker`.
    pub role: String,
    /// Static address.
    pub address: Ipv4Addr,
    /// CPU limit in cores.
    pub cpus: u32,
    /// Memory limit in MiB.
    pub memory_mib: u64,
    /// Disk size in GiB.
    pub disk_gib: u64,
}
