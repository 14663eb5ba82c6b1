//! Ports of the control plane and of kubelet that somebody else listens on, from the kernel's own tables.

use crate::paths::Paths;
use model::evidence::{Evidence, EvidenceSource};
use std::collections::BTreeMap;
use std::fs;

/// Port, who should listen there, and the manifest that starts it; kubelet has none.
const PORTS: [(u16, &str, Option<&str>); 6] = [
    (2379, "etcd", Some("etcd.yaml")),
    (2380, "etcd", Some("etcd.yaml")),
    (6443, "kube-apiserver", Some("kube-apiserver.yaml")),
    (
        10257,
        "kube-controller-manager",
        Some("kube-controller-manager.yaml"),
    ),
    (10259, "kube-scheduler", Some("kube-scheduler.yaml")),
    (10250, "kubelet", None),
];

/// State of a socket that listens, as the kernel's table writes it.
const LISTENS: &str = "0A";

/// The kernel cuts the names of processes here.
const COMM: usize = 15;

pub(super) fn taken(paths: &Paths) -> Vec<Evidence> {
    let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let listeners: Vec<(u16, u64)> = [table("tcp"), table("tcp6")]
        .iter()
        .flat_map(|t| listeners(t))
        .collect();
    let wanted: Vec<_> = PORTS
        .iter()
        .filter(|(_, _, manifest)| manifest.is_none_or(|m| paths.manifests().join(m).exists()))
        .filter_map(|(port, owner, _)| {
            let (_, inode) = listeners.iter().find(|(found, _)| found == port)?;
            Some((*port, *owner, *inode))
        })
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let holders = holders(&wanted.iter().map(|(_, _, inode)| *inode).collect::<Vec<_>>());
    wanted
        .into_iter()
        .filter_map(|(port, owner, inode)| {
            let (pid, name) = holders.get(&inode)?;
            if owner.starts_with(name.as_str()) && name.len() == owner.len().min(COMM) {
                return None;
            }
            let text = format!("held by {name} (pid {pid}), where {owner} should listen");
            Some(Evidence::new(EvidenceSource::Port, port.to_string(), &text))
        })
        .collect()
}

/// Ports that are listened on, with the inode of their socket.
fn listeners(table: &str) -> Vec<(u16, u64)> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let (_, port) = local.rsplit_once(':')?;
        (*state == LISTENS).then(|| Some((u16::from_str_radix(port, 16).ok()?, inode.parse().ok()?)))?
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// Pid and name of the processes that hold these sockets.
fn holders(inodes: &[u64]) -> BTreeMap<u64, (i32, String)> {
    let mut found = BTreeMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let links = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        for link in links.filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let inode = link
                .to_str()
                .and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                found.insert(inode, (pid, name.trim().to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_found_by_the_socket() {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bound");
        let port = socket.local_addr().expect("address").port();
        let table = fs::read_to_string("/proc/net/tcp").expect("a table");
        let (_, inode) = listeners(&table)
            .into_iter()
            .find(|(found, _)| *found == port)
            .expect("listed");
        let (pid, name) = holders(&[inode]).remove(&inode).expect("held");
        assert_eq!(u32::try_from(pid).ok(), Some(std::process::id()));
        assert!(!name.is_empty());
    }
}
