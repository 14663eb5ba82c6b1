//! The lab document, `lab.yaml`: the only place with addresses, CIDRs, sizes and versions.

use crate::Invalid;
use crate::ids::{ClusterName, ComponentName, LabName, NodeName};
use crate::step::{ClusterParams, ImageTag, KubernetesVersion, Role};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The API version that documents must carry.
pub const API_VERSION: &str = "drillyard/v1";

/// A whole lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lab {
    /// Always `drillyard/v1`.
    pub api_version: String,
    /// Always `Lab`.
    pub kind: String,
    /// Name; part of every label on the host.
    pub name: LabName,
    /// Where the nodes come from.
    pub provider: Provider,
    /// The host-side network.
    pub network: Network,
    /// Versions that all clusters share.
    pub versions: Versions,
    /// Sums that the nodes must not exceed.
    pub budget: Budget,
    /// One to eight clusters; the first is the management cluster.
    pub clusters: Vec<Cluster>,
    /// What components leave to the lab, by component and name, such as `metrics-agent: {truncate_frequency: 3m}`; each
    /// has a default. `values/components/README.md` lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<ComponentName, BTreeMap<String, String>>,
}

/// Where nodes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// systemd-nspawn on this Linux host.
    Nspawn,
    /// Multipass virtual machines.
    Multipass,
}

/// The bridge between host and nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Subnet of the nodes, for example `192.168.64.0/24`.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// The host's address in it; agents dial the coordinator there.
    pub gateway: Ipv4Addr,
    /// First of four consecutive ports: enrol, agent, operator, web view; where the fourth is taken, the web view gets a free one.
    pub coordinator_port: u16,
}

/// Versions that the lab runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// Kubernetes, without `v`.
    pub kubernetes: KubernetesVersion,
    /// Tag of the etcd image.
    pub etcd: ImageTag,
    /// Tag of the CoreDNS image.
    pub coredns: ImageTag,
}

/// Limits on the sums over all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// MiB of memory.
    pub memory_mib: u64,
    /// GB of disk.
    pub disk_gb: u64,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name; also its kubeconfig context.
    pub name: ClusterName,
    /// Cilium cluster id, 1 to 255, unique.
    pub id: u8,
    /// Pod network; must not overlap any other network of the lab.
    #[schemars(with = "String")]
    pub pod_cidr: Ipv4Net,
    /// Service network; must not overlap any other network of the lab.
    #[schemars(with = "String")]
    pub service_cidr: Ipv4Net,
    /// Addresses for load balancers, inside the node subnet.
    pub load_balancer_pool: AddressRange,
    /// NodePort on which the cluster's mesh API server answers.
    pub mesh_port: u16,
    /// One control plane, any number of workers.
    pub nodes: Vec<Node>,
}

/// An inclusive range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressRange {
    /// First address.
    pub first: Ipv4Addr,
    /// Last address.
    pub last: Ipv4Addr,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Name; unique in the lab, also the host name.
    pub name: NodeName,
    /// Role.
    pub role: Role,
    /// Fixed address in the node subnet.
    pub address: Ipv4Addr,
    /// CPUs.
    pub cpus: u32,
    /// Memory limit, MiB.
    pub memory_mib: u64,
    /// Disk size, GB.
    pub disk_gb: u64,
}

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Not YAML, or a wrong type, or an unknown key.
    #[error("the lab document cannot be read")]
    Parse(#[source] serde_norway::Error),
    /// One or more values break a rule.
    #[error("the lab document breaks {} rule(s): {}", .0.len(), join(.0))]
    Rules(Vec<Invalid>),
}

fn join(list: &[Invalid]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Lab {
    /// Reads and checks a document; every broken rule is reported, not just the first.
    pub fn from_yaml(text: &str) -> Result<Self, LabError> {
        let lab: Lab = serde_norway::from_str(text).map_err(LabError::Parse)?;
        let broken = crate::lab_rules::check(&lab);
        if broken.is_empty() {
            Ok(lab)
        } else {
            Err(LabError::Rules(broken))
        }
    }

    /// The document as YAML.
    pub fn to_yaml(&self) -> String {
        serde_norway::to_string(self).unwrap_or_default()
    }

    /// JSON Schema for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Lab).into()
    }

    /// All nodes with their cluster, in document order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Cluster, &Node)> {
        self.clusters
            .iter()
            .flat_map(|c| c.nodes.iter().map(move |n| (c, n)))
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<(&Cluster, &Node)> {
        self.nodes().find(|(_, n)| n.name.as_str() == name)
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|c| c.name.as_str() == name)
    }

    /// What kubeadm must know of `cluster`; None when it has no control plane.
    pub fn params(&self, cluster: &Cluster) -> Option<ClusterParams> {
        let control_plane = cluster.control_plane()?;
        Some(ClusterParams {
            cluster: cluster.name.clone(),
            kubernetes_version: self.versions.kubernetes.clone(),
            control_plane: SocketAddrV4::new(control_plane.address, 6443),
            pod_cidr: cluster.pod_cidr,
            service_cidr: cluster.service_cidr,
            etcd_tag: self.versions.etcd.clone(),
            coredns_tag: self.versions.coredns.clone(),
        })
    }
}

impl Cluster {
    /// The node that runs the control plane.
    pub fn control_plane(&self) -> Option<&Node> {
        self.nodes.iter().find(|n| n.role == Role::ControlPlane)
    }

    /// The other nodes.
    pub fn workers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.role == Role::Worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_round_trips() {
        let lab = Lab::default();
        assert_eq!(crate::lab_rules::check(&lab), vec![]);
        assert_eq!(Lab::from_yaml(&lab.to_yaml()).expect("valid"), lab);
        assert_eq!(lab.nodes().count(), 6);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = Lab::default().to_yaml().replace("provider:", "providre:");
        assert!(matches!(Lab::from_yaml(&text), Err(LabError::Parse(_))));
    }
}
