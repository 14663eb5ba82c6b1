//! Gives a node the ready content store without a copy of it: own databases, links to everything else.
//!
//! Snapshots and blobs of the store are never written by a node. containerd uses a snapshot as a lower folder of an
//! overlay mount, which follows a link, and new snapshots and blobs become ordinary files of the node beside the
//! links. Removing an image on a node removes the node's link and nothing else.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{BLOBS, CONTAINERD, META_DB, SNAPSHOT_DB, SNAPSHOTS};

/// What seeding did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeedReport {
    /// False where the node's containerd had a state already, which is left alone.
    pub seeded: bool,
    /// Links made.
    pub links: usize,
    /// Bytes of databases copied.
    pub copied: u64,
}

/// Why a node could not be seeded.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct SeedError {
    /// What was tried, as a verb.
    pub doing: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// Prepares a node's `/var/lib/containerd` from the store.
///
/// `store` is the store on the host (see [`crate::paths::store`]), `node` the host's path of the node's
/// `/var/lib/containerd`, and `mounted` where the node sees the store, such as `/opt/drillyard/store`. A node that
/// has a state already (after a power cycle, say) keeps it. The databases come last: an interrupted call is repeated.
///
/// # Errors
/// When the store is incomplete or the node's folder cannot be written.
pub fn seed_node(store: &Path, node: &Path, mounted: &Path) -> Result<SeedReport, SeedError> {
    let from = store.join(CONTAINERD);
    if node.join(META_DB).exists() {
        return Ok(SeedReport::default());
    }
    let mut report = SeedReport {
        seeded: true,
        ..SeedReport::default()
    };
    for folder in [SNAPSHOTS, BLOBS] {
        let target = private(&node.join(folder))?;
        let seen = mounted.join(CONTAINERD).join(folder);
        report.links += link_all(&from.join(folder), &target, &seen)?;
    }
    // The database that decides comes last; see above.
    for database in [SNAPSHOT_DB, META_DB] {
        report.copied += copy(&from.join(database), &node.join(database))?;
    }
    Ok(report)
}

/// Links every entry of `from` into `target`, as the node will see it below `seen`.
fn link_all(from: &Path, target: &Path, seen: &Path) -> Result<usize, SeedError> {
    let mut links = 0;
    for entry in fs::read_dir(from).map_err(failed("list", from))? {
        let name = entry.map_err(failed("list", from))?.file_name();
        let link = target.join(&name);
        match symlink(seen.join(&name), &link) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            other => other.map_err(failed("link", &link))?,
        }
        links += 1;
    }
    Ok(links)
}

/// containerd keeps its folders to root.
fn private(dir: &Path) -> Result<PathBuf, SeedError> {
    fs::create_dir_all(dir).map_err(failed("create", dir))?;
    for level in dir.ancestors().take(2) {
        fs::set_permissions(level, fs::Permissions::from_mode(0o700))
            .map_err(failed("set the mode of", level))?;
    }
    Ok(dir.to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<u64, SeedError> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
    }
    let new = to.with_extension("new");
    let bytes = fs::copy(from, &new).map_err(failed("copy", from))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).map_err(failed("set the mode of", &new))?;
    File::open(&new)
        .and_then(|f| f.sync_data())
        .map_err(failed("sync", &new))?;
    fs::rename(&new, to).map_err(failed("rename to", to))?;
    Ok(bytes)
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> SeedError + use<'p> {
    move |source| SeedError {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path) -> PathBuf {
        let store = dir.join("store");
        for (path, text) in [(META_DB, "m"), (SNAPSHOT_DB, "s"), ("x", "")] {
            let path = store.join(CONTAINERD).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for name in ["1", "2"] {
            fs::create_dir_all(store.join(CONTAINERD).join(SNAPSHOTS).join(name).join("fs")).unwrap();
        }
        fs::create_dir_all(store.join(CONTAINERD).join(BLOBS)).unwrap();
        fs::write(store.join(CONTAINERD).join(BLOBS).join("abc"), "blob").unwrap();
        store
    }

    #[test]
    fn a_node_gets_databases_and_links_and_is_seeded_once() {
        let dir = tempfile::tempdir().unwrap();
        let (store, node) = (store(dir.path()), dir.path().join("node"));
        let report = seed_node(&store, &node, Path::new("/opt/s")).unwrap();
        assert_eq!(
            report,
            SeedReport {
                seeded: true,
                links: 3,
                copied: 2
            }
        );
        let link = fs::read_link(node.join(SNAPSHOTS).join("2")).unwrap();
        assert_eq!(link, Path::new("/opt/s/containerd").join(SNAPSHOTS).join("2"));
        fs::write(node.join(META_DB), "changed by the node").unwrap();
        assert_eq!(
            seed_node(&store, &node, Path::new("/opt/s")).unwrap(),
            SeedReport::default()
        );
        assert_eq!(
            fs::read_to_string(node.join(META_DB)).unwrap(),
            "changed by the node"
        );
    }

    #[test]
    fn an_interrupted_call_is_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let (store, node) = (store(dir.path()), dir.path().join("node"));
        seed_node(&store, &node, Path::new("/opt/s")).unwrap();
        fs::remove_file(node.join(META_DB)).unwrap();
        assert_eq!(seed_node(&store, &node, Path::new("/opt/s")).unwrap().links, 3);
    }

    #[test]
    fn an_incomplete_store_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let error = seed_node(
            &dir.path().join("none"),
            &dir.path().join("node"),
            Path::new("/s"),
        )
        .unwrap_err();
        assert!(error.to_string().contains("none/containerd"), "{error}");
    }
}
