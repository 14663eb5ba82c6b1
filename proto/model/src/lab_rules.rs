//! Rules over a whole lab document: overlaps, clashes, budget. Each broken rule names the field's path.

use crate::Invalid;
use crate::lab::{API_VERSION, Cluster, Lab};
use crate::step::Role;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Every rule that `lab` breaks, in document order.
pub fn check(lab: &Lab) -> Vec<Invalid> {
    let mut out = Vec::new();
    header(lab, &mut out);
    networks(lab, &mut out);
    addresses(lab, &mut out);
    shapes(lab, &mut out);
    budget(lab, &mut out);
    out
}

fn header(lab: &Lab, out: &mut Vec<Invalid>) {
    if lab.api_version != API_VERSION {
        out.push(Invalid::new(
            "apiVersion",
            &lab.api_version,
            format!("must be {API_VERSION}"),
        ));
    }
    if lab.kind != "Lab" {
        out.push(Invalid::new("kind", &lab.kind, "must be Lab"));
    }
    if lab.clusters.is_empty() || lab.clusters.len() > 8 {
        out.push(Invalid::new(
            "clusters",
            lab.clusters.len().to_string(),
            "must be 1 to 8 clusters",
        ));
    }
    if lab.network.coordinator_port < 1024 || lab.network.coordinator_port > 65_000 {
        let found = lab.network.coordinator_port.to_string();
        out.push(Invalid::new(
            "network.coordinatorPort",
            found,
            "must be within 1024 to 65000",
        ));
    }
}

fn networks(lab: &Lab, out: &mut Vec<Invalid>) {
    let mut seen: Vec<(String, Ipv4Net)> = vec![("network.subnet".into(), lab.network.subnet.trunc())];
    if lab.network.subnet.prefix_len() > 28 {
        out.push(Invalid::new(
            "network.subnet",
            lab.network.subnet.to_string(),
            "must be /28 or wider",
        ));
    }
    for (i, cluster) in lab.clusters.iter().enumerate() {
        for (name, net) in [
            ("podCidr", cluster.pod_cidr),
            ("serviceCidr", cluster.service_cidr),
        ] {
            let path = format!("clusters[{i}].{name}");
            if net != net.trunc() {
                out.push(Invalid::new(
                    &path,
                    net.to_string(),
                    format!("has host bits set; write {}", net.trunc()),
                ));
            }
            if net.prefix_len() > 20 {
                out.push(Invalid::new(&path, net.to_string(), "must be /20 or wider"));
            }
            for (other, taken) in &seen {
                if taken.contains(&net) || net.contains(taken) {
                    out.push(Invalid::new(
                        &path,
                        net.to_string(),
                        format!("overlaps {other} {taken}"),
                    ));
                }
            }
            seen.push((path, net));
        }
    }
}

fn addresses(lab: &Lab, out: &mut Vec<Invalid>) {
    let mut taken = BTreeMap::from([(lab.network.gateway, "network.gateway".to_owned())]);
    let subnet = lab.network.subnet;
    if !subnet.contains(&lab.network.gateway) {
        let rule = format!("is outside network.subnet {subnet}");
        out.push(Invalid::new(
            "network.gateway",
            lab.network.gateway.to_string(),
            rule,
        ));
    }
    for (i, cluster) in lab.clusters.iter().enumerate() {
        for (j, node) in cluster.nodes.iter().enumerate() {
            let path = format!("clusters[{i}].nodes[{j}].address");
            if !subnet.contains(&node.address) {
                let rule = format!("is outside network.subnet {subnet}");
                out.push(Invalid::new(&path, node.address.to_string(), rule));
            }
            if let Some(other) = taken.insert(node.address, path.clone()) {
                out.push(Invalid::new(
                    &path,
                    node.address.to_string(),
                    format!("is also {other}"),
                ));
            }
        }
    }
    let mut pools: Vec<(usize, &Cluster)> = Vec::new();
    for (i, cluster) in lab.clusters.iter().enumerate() {
        let (pool, path) = (
            cluster.load_balancer_pool,
            format!("clusters[{i}].loadBalancerPool"),
        );
        let found = format!("{}-{}", pool.first, pool.last);
        if pool.first > pool.last || !subnet.contains(&pool.first) || !subnet.contains(&pool.last) {
            out.push(Invalid::new(
                &path,
                &found,
                format!("is not an ascending range inside {subnet}"),
            ));
        }
        for (address, other) in taken.range(pool.first.min(pool.last)..=pool.last.max(pool.first)) {
            out.push(Invalid::new(
                &path,
                &found,
                format!("contains {address} of {other}"),
            ));
        }
        for (k, other) in &pools {
            let theirs = other.load_balancer_pool;
            if pool.first <= theirs.last && theirs.first <= pool.last {
                out.push(Invalid::new(
                    &path,
                    &found,
                    format!("overlaps clusters[{k}].loadBalancerPool"),
                ));
            }
        }
        pools.push((i, cluster));
    }
}

fn shapes(lab: &Lab, out: &mut Vec<Invalid>) {
    let mut names = BTreeMap::new();
    let mut ids = BTreeMap::new();
    let mut ports = BTreeMap::new();
    let mut nodes = BTreeMap::new();
    for (i, cluster) in lab.clusters.iter().enumerate() {
        unique(&mut names, format!("clusters[{i}].name"), &cluster.name, out);
        unique(&mut ids, format!("clusters[{i}].id"), &cluster.id, out);
        unique(
            &mut ports,
            format!("clusters[{i}].meshPort"),
            &cluster.mesh_port,
            out,
        );
        if cluster.id == 0 {
            out.push(Invalid::new(format!("clusters[{i}].id"), "0", "must be 1 to 255"));
        }
        if !(30_000..=32_767).contains(&cluster.mesh_port) {
            let found = cluster.mesh_port.to_string();
            out.push(Invalid::new(
                format!("clusters[{i}].meshPort"),
                found,
                "must be within 30000 to 32767",
            ));
        }
        let planes = cluster
            .nodes
            .iter()
            .filter(|n| n.role == Role::ControlPlane)
            .count();
        if planes != 1 {
            let rule = "must be exactly one node of role control_plane";
            out.push(Invalid::new(
                format!("clusters[{i}].nodes"),
                planes.to_string(),
                rule,
            ));
        }
        for (j, node) in cluster.nodes.iter().enumerate() {
            let path = format!("clusters[{i}].nodes[{j}]");
            unique(&mut nodes, format!("{path}.name"), &node.name, out);
            if node.cpus < 1 || node.cpus > 64 {
                out.push(Invalid::new(
                    format!("{path}.cpus"),
                    node.cpus.to_string(),
                    "must be 1 to 64",
                ));
            }
            let floor = if node.role == Role::ControlPlane {
                2048
            } else {
                1024
            };
            if node.memory_mib < floor {
                let rule = format!("must be at least {floor}");
                out.push(Invalid::new(
                    format!("{path}.memoryMib"),
                    node.memory_mib.to_string(),
                    rule,
                ));
            }
            if node.disk_gb < 10 {
                out.push(Invalid::new(
                    format!("{path}.diskGb"),
                    node.disk_gb.to_string(),
                    "must be at least 10",
                ));
            }
        }
    }
}

fn unique<T: Ord + Clone + Display>(
    seen: &mut BTreeMap<T, String>,
    path: String,
    value: &T,
    out: &mut Vec<Invalid>,
) {
    if let Some(other) = seen.insert(value.clone(), path.clone()) {
        out.push(Invalid::new(path, value.to_string(), format!("is also {other}")));
    }
}

fn budget(lab: &Lab, out: &mut Vec<Invalid>) {
    let memory: u64 = lab
        .nodes()
        .map(|(_, n)| n.memory_mib)
        .fold(0, u64::saturating_add);
    let disk: u64 = lab.nodes().map(|(_, n)| n.disk_gb).fold(0, u64::saturating_add);
    if memory > lab.budget.memory_mib {
        let rule = format!("is less than the nodes' sum of {memory} MiB");
        out.push(Invalid::new(
            "budget.memoryMib",
            lab.budget.memory_mib.to_string(),
            rule,
        ));
    }
    if disk > lab.budget.disk_gb {
        let rule = format!("is less than the nodes' sum of {disk} GB");
        out.push(Invalid::new(
            "budget.diskGb",
            lab.budget.disk_gb.to_string(),
            rule,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies `change` to the default and expects exactly one broken rule at `field`.
    fn breaks(field: &str, change: impl Fn(&mut Lab)) {
        let mut lab = Lab::default();
        change(&mut lab);
        let broken = check(&lab);
        assert!(
            broken.iter().any(|b| b.field == field),
            "{field} not among {broken:?}"
        );
    }

    #[test]
    fn each_rule_names_its_field() {
        breaks("apiVersion", |l| l.api_version = "v2".into());
        breaks("clusters", |l| l.clusters.clear());
        breaks("clusters[1].podCidr", |l| {
            l.clusters[1].pod_cidr = l.clusters[0].pod_cidr
        });
        breaks("clusters[0].serviceCidr", |l| {
            l.clusters[0].service_cidr = l.network.subnet
        });
        breaks("clusters[2].nodes[0].address", |l| {
            l.clusters[2].nodes[0].address = l.clusters[0].nodes[1].address
        });
        breaks("clusters[0].nodes[0].address", |l| {
            l.clusters[0].nodes[0].address = [10, 0, 0, 1].into()
        });
        breaks("clusters[1].loadBalancerPool", |l| {
            l.clusters[1].load_balancer_pool = l.clusters[0].load_balancer_pool;
        });
        breaks("clusters[1].id", |l| l.clusters[1].id = 1);
        breaks("clusters[1].meshPort", |l| l.clusters[1].mesh_port = 32379);
        breaks("clusters[0].nodes", |l| l.clusters[0].nodes.truncate(0));
        breaks("clusters[0].nodes[1].memoryMib", |l| {
            l.clusters[0].nodes[1].memory_mib = 10
        });
        breaks("budget.memoryMib", |l| l.clusters[0].nodes[1].memory_mib = 9000);
        breaks("budget.diskGb", |l| l.clusters[0].nodes[1].disk_gb = 100);
        breaks("clusters[1].nodes[0].name", |l| {
            l.clusters[1].nodes[0].name = l.clusters[0].nodes[0].name.clone()
        });
    }
}
