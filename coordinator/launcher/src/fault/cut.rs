//! Two clusters are cut from each other at the bridge: a packet filter table of the family `bridge`, named after lab and
//! lease, drops what passes between their nodes and load-balancer addresses. Pods reach other clusters only through
//! tunnels between nodes, so nothing else has to be named.

use std::net::Ipv4Addr;

use model::ids::{ClusterName, LeaseId};
use model::lab::{Cluster, Lab};
use serde::Deserialize;

use super::refused;
use crate::command::run;
use crate::error::LaunchError;

const NFT: &str = "nft";

/// Puts the table in place, whole and in one transaction.
pub(super) fn inject(
    lab: &Lab,
    lease: LeaseId,
    one: &ClusterName,
    other: &ClusterName,
) -> Result<(), LaunchError> {
    let find = |name: &ClusterName| {
        lab.cluster(name.as_str())
            .ok_or_else(|| refused(lease, "names a cluster that the lab has not"))
    };
    if one == other {
        return Err(refused(lease, "would cut a cluster from itself"));
    }
    let (a, b) = (addresses(find(one)?), addresses(find(other)?));
    between(lab.name.as_str(), lease, &a, &b)
}

/// Removes the lease's table; one that is gone is as good as removed.
pub(super) fn undo(lab: &str, lease: LeaseId) -> Result<(), LaunchError> {
    if tables(lab)?.contains(&lease) {
        remove(lab, lease)?;
    }
    Ok(())
}

/// Removes every table of the lab.
pub(super) fn remove_all(lab: &str) -> Result<(), LaunchError> {
    tables(lab)?.into_iter().try_for_each(|lease| remove(lab, lease))
}

/// Leases of the lab's tables. A host without the tool has none.
pub(super) fn tables(lab: &str) -> Result<Vec<LeaseId>, LaunchError> {
    let text = match run(NFT, ["--json", "list", "tables", "bridge"], "list tables") {
        Err(LaunchError::CommandStart { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    parse(lab, &text).map_err(|source| LaunchError::Json {
        what: "output of nft --json list tables".to_owned(),
        source,
    })
}

pub(super) fn between(lab: &str, lease: LeaseId, a: &str, b: &str) -> Result<(), LaunchError> {
    let table = format!("bridge {}", name(lab, lease));
    let rule = |from: &str, to: &str| {
        format!(
            "ip saddr {{ {from} }} ip daddr {{ {to} }} counter drop; \
             arp saddr ip {{ {from} }} arp daddr ip {{ {to} }} counter drop;"
        )
    };
    let script = format!(
        "add table {table}; delete table {table}; table {table} {{ chain forward {{ \
         type filter hook forward priority -400; policy accept; {} {} }}; }}",
        rule(a, b),
        rule(b, a)
    );
    run(NFT, [script.as_str()], "add table").map(|_| ())
}

fn addresses(cluster: &Cluster) -> String {
    let pool = cluster.load_balancer_pool;
    let nodes = cluster.nodes.iter().map(|n| n.address);
    let outside = nodes.filter(|a| !(pool.first..=pool.last).contains(a));
    let mut list: Vec<String> = outside.map(|a: Ipv4Addr| a.to_string()).collect();
    list.push(format!("{}-{}", pool.first, pool.last));
    list.join(", ")
}

fn remove(lab: &str, lease: LeaseId) -> Result<(), LaunchError> {
    let name = name(lab, lease);
    run(NFT, ["delete", "table", "bridge", name.as_str()], "delete table").map(|_| ())
}

/// A lab's name has hyphens, a table's must not; it has no underscores, so nothing is ambiguous.
fn name(lab: &str, lease: LeaseId) -> String {
    format!("{}{lease}", prefix(lab))
}

fn prefix(lab: &str) -> String {
    format!("drillyard_{}_", lab.replace('-', "_"))
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    table: Option<Table>,
}

#[derive(Deserialize)]
struct Table {
    name: String,
}

fn parse(lab: &str, text: &str) -> Result<Vec<LeaseId>, serde_json::Error> {
    let listing: Listing = serde_json::from_str(text)?;
    let ours = |table: Table| LeaseId::parse(table.name.strip_prefix(&prefix(lab))?).ok();
    Ok(listing
        .nftables
        .into_iter()
        .filter_map(|item| ours(item.table?))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_other_labs_are_not_ours() {
        let lease = LeaseId([9; 16]);
        let table = |lab: &str| {
            format!(
                r#"{{"table":{{"family":"bridge","name":"{}"}}}}"#,
                name(lab, lease)
            )
        };
        let text = format!(r#"{{"nftables":[{},{}]}}"#, table("a"), table("a-b"));
        assert_eq!(parse("a", &text).unwrap(), [lease]);
        assert_eq!(parse("a-b", &text).unwrap(), [lease]);
        assert_eq!(parse("b", &text).unwrap(), []);
    }

    #[test]
    fn a_cluster_is_not_cut_from_itself_nor_from_one_that_is_not_there() {
        let lab = Lab::default();
        let name = |n: &str| ClusterName::new(n).unwrap();
        for other in ["mgmt", "elsewhere"] {
            let refused = inject(&lab, LeaseId([1; 16]), &name("mgmt"), &name(other));
            assert!(
                matches!(refused, Err(LaunchError::Lease { .. })),
                "{other}: {refused:?}"
            );
        }
    }

    #[test]
    fn nodes_inside_the_pool_are_named_once() {
        let lab = Lab::default();
        let text = addresses(&lab.clusters[0]);
        assert_eq!(
            text,
            "192.168.64.10, 192.168.64.11, 192.168.64.200-192.168.64.210"
        );
    }
}
