//! The compiled-in lab: three clusters, six nodes, 24 GiB and at most 240 GB.

use crate::ids::{ClusterName, LabName, NodeName};
use crate::lab::{API_VERSION, AddressRange, Budget, Cluster, Lab, Network, Node, Provider, Versions};
use crate::step::{ImageTag, KubernetesVersion, Role};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// One row of the table below; sizes as in the design: memory in MiB, disk in GB.
struct Row {
    name: &'static str,
    id: u8,
    first_host: u8,
    control_plane: (u64, u64),
    worker: (u64, u64),
    pool: (u8, u8),
}

const ROWS: [Row; 3] = [
    Row {
        name: "mgmt",
        id: 1,
        first_host: 10,
        control_plane: (3072, 30),
        worker: (8192, 80),
        pool: (200, 210),
    },
    Row {
        name: "app1",
        id: 2,
        first_host: 20,
        control_plane: (2560, 25),
        worker: (4096, 40),
        pool: (211, 220),
    },
    Row {
        name: "app2",
        id: 3,
        first_host: 30,
        control_plane: (2560, 25),
        worker: (4096, 40),
        pool: (221, 230),
    },
];

impl Default for Lab {
    fn default() -> Self {
        Lab::with_subnet("default", [192, 168, 64])
    }
}

impl Lab {
    /// The compiled-in lab under another name and /24, as tests use it beside a user's lab. A name that is no label
    /// falls back to `default`.
    pub fn with_subnet(name: &str, prefix: [u8; 3]) -> Lab {
        let [a, b, c] = prefix;
        let host = |last: u8| Ipv4Addr::new(a, b, c, last);
        Lab {
            api_version: API_VERSION.into(),
            kind: "Lab".into(),
            name: LabName::new(name).unwrap_or_else(|_| known("default", LabName::new)),
            provider: if cfg!(target_os = "macos") {
                Provider::Multipass
            } else {
                Provider::Nspawn
            },
            network: Network {
                subnet: net(host(0), 24),
                gateway: host(1),
                coordinator_port: 7443,
            },
            versions: Versions {
                kubernetes: known("1.35.4", KubernetesVersion::new),
                etcd: known("3.6.14-0", ImageTag::new),
                coredns: known("v1.14.5", ImageTag::new),
            },
            budget: Budget {
                memory_mib: 24 * 1024,
                disk_gb: 240,
            },
            clusters: ROWS.iter().map(|row| cluster(row, host)).collect(),
            settings: std::collections::BTreeMap::new(),
        }
    }
}

fn cluster(row: &Row, host: impl Fn(u8) -> Ipv4Addr) -> Cluster {
    let node = |suffix: &str, role, last, (memory_mib, disk_gb)| Node {
        name: known(&format!("{}-{suffix}", row.name), NodeName::new),
        role,
        address: host(last),
        cpus: 2,
        memory_mib,
        disk_gb,
    };
    Cluster {
        name: known(row.name, ClusterName::new),
        id: row.id,
        pod_cidr: net(Ipv4Addr::new(10, 99 + row.id, 0, 0), 16),
        service_cidr: net(Ipv4Addr::new(10, 95 + row.id, 0, 0), 16),
        load_balancer_pool: AddressRange {
            first: host(row.pool.0),
            last: host(row.pool.1),
        },
        mesh_port: 32378 + u16::from(row.id),
        nodes: vec![
            node("cp", Role::ControlPlane, row.first_host, row.control_plane),
            node("worker", Role::Worker, row.first_host + 1, row.worker),
        ],
    }
}

fn net(address: Ipv4Addr, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(address, prefix)
}

#[expect(clippy::panic, reason = "compiled-in values; a test builds the default lab")]
fn known<T, E: std::fmt::Display>(text: &str, make: impl Fn(String) -> Result<T, E>) -> T {
    match make(text.to_owned()) {
        Ok(value) => value,
        Err(error) => panic!("compiled-in value: {error}"),
    }
}
