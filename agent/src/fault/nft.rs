//! Packet filter tables named after leases, in the node's own network namespace or a pod's.

use crate::command::{self, CommandError};
use model::ids::LeaseId;
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use serde::Deserialize;
use std::path::{Path, PathBuf};

const NFT: &str = "/usr/sbin/nft";
const NSENTER: &str = "/usr/bin/nsenter";
const PREFIX: &str = "drillyard_";

/// Where tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The node's own namespace.
    Node,
    /// A pod's, by its file.
    Pod(PathBuf),
}

/// A table of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) family: String,
    pub(super) lease: LeaseId,
}

/// `drillyard_LEASE`
pub(super) fn name(lease: LeaseId) -> String {
    format!("{PREFIX}{lease}")
}

/// Replaces the lease's table of one family in one transaction: it is there whole or not at all.
pub(super) fn replace(place: &Place, family: &str, lease: LeaseId, body: &str) -> Result<(), CommandError> {
    let table = format!("{family} {}", name(lease));
    let script = format!("add table {table}; delete table {table}; table {table} {{ {body} }}");
    run(place, &[&script]).map(|_| ())
}

/// All of our tables in one namespace. A pod that is gone took its tables along.
pub(super) fn tables(place: &Place) -> Result<Vec<Table>, CommandError> {
    match run(place, &["--json", "list", "tables"]) {
        Ok(text) => Ok(parse(&text)),
        Err(_) if place.is_gone() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Removes a table; one that is gone is as good as removed.
pub(super) fn remove(place: &Place, table: &Table) -> Result<(), CommandError> {
    let (family, name) = (table.family.as_str(), name(table.lease));
    match run(place, &["delete", "table", family, &name]) {
        Err(error) if tables(place)?.contains(table) => Err(error),
        _ => Ok(()),
    }
}

/// The namespaces of all pods that are on the node now. A file that a pod's end left behind is none any more.
pub(super) fn pods() -> Vec<Place> {
    let folder = crate::paths::Paths::below(crate::failpoint::root()).netns();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let is_namespace = |path: &PathBuf| statfs(path).is_ok_and(|s| s.filesystem_type() == NSFS_MAGIC);
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(is_namespace).map(Place::Pod).collect()
}

impl Place {
    fn is_gone(&self) -> bool {
        matches!(self, Place::Pod(_)) && !pods().contains(self)
    }
}

fn run(place: &Place, words: &[&str]) -> Result<String, CommandError> {
    let output = match place {
        Place::Node => command::run(Path::new(NFT), words),
        Place::Pod(path) => {
            let net = format!("--net={}", path.display());
            let all = [net.as_str(), NFT].into_iter().chain(words.iter().copied());
            command::run(Path::new(NSENTER), all)
        }
    };
    output.map(|o| o.stdout)
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    table: Option<RawTable>,
}

#[derive(Deserialize)]
struct RawTable {
    family: String,
    name: String,
}

fn parse(text: &str) -> Vec<Table> {
    let listing: Listing = serde_json::from_str(text).unwrap_or(Listing { nftables: Vec::new() });
    let ours = |table: RawTable| {
        Some(Table {
            lease: LeaseId::parse(table.name.strip_prefix(PREFIX)?).ok()?,
            family: table.family,
        })
    };
    listing
        .nftables
        .into_iter()
        .filter_map(|item| ours(item.table?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_ours_are_seen() {
        let lease = LeaseId([3; 16]);
        let text = format!(
            r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},{{"table":{{"family":"ip","name":"nat","handle":1}}}},
            {{"table":{{"family":"inet","name":"{}","handle":2}}}}]}}"#,
            name(lease)
        );
        let expected = [Table {
            family: "inet".into(),
            lease,
        }];
        assert_eq!(parse(&text), expected);
        assert_eq!(parse("nonsense"), []);
    }
}
