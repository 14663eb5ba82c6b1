//! Makes the content store with the root file system's own containerd, so that its databases fit the nodes'.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::{BLOBS, CONTAINERD, META_DB, SNAPSHOT_DB, SNAPSHOTS};
use crate::error::{At, BuildError};
use crate::make::Site;
use crate::process::{self, Tick};
use crate::spec::Store;
use crate::{disk, durable, paths};

/// Facts about the store, beside it in `manifest.json`. They carry no digest: databases hold times.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreManifest {
    schema_version: u32,
    bytes: u64,
    snapshots: usize,
    blobs: usize,
}

/// Makes the store at `output`.
pub(crate) fn make(site: &Site<'_>, store: &Store, output: &Path, tick: Tick<'_>) -> Result<(), BuildError> {
    let tree = paths::rootfs_tree(site.cache);
    // Snapshots of running nodes are links into the store.
    if output.exists() {
        disk::refuse_in_use(&tree)?;
    }
    let new = durable::beside(output);
    durable::remove_dir(&new)?;
    let containerd = new.join(CONTAINERD);
    fs::create_dir_all(&containerd).at("create", &containerd)?;
    let script =
        fs::canonicalize(site.spec.folder.join(&store.script)).at("resolve", Path::new(&store.script))?;

    let mut command = process::tied(&script.to_string_lossy());
    command
        .arg(&tree)
        .arg(&containerd)
        .arg(paths::bundle(site.cache).join("images"))
        .arg(&store.snapshotter);
    process::run(command, "store", &site.log("store"), tick)?;
    let work = new.join(format!("{CONTAINERD}.work"));
    durable::remove_dir(&work)?;

    for needed in [META_DB, SNAPSHOT_DB] {
        let path = containerd.join(needed);
        fs::File::open(&path)
            .and_then(|f| f.sync_all())
            .at("sync", &path)?;
    }
    let manifest = StoreManifest {
        schema_version: 1,
        bytes: bytes(&containerd),
        snapshots: entries(&containerd.join(SNAPSHOTS))?,
        blobs: entries(&containerd.join(BLOBS))?,
    };
    let path = new.join("manifest.json");
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(std::io::Error::from)
        .at("encode", &path)?;
    durable::write(&path, &text)?;
    nix::unistd::sync();
    durable::publish_dir(&new, output)
}

fn entries(dir: &Path) -> Result<usize, BuildError> {
    Ok(fs::read_dir(dir).at("list", dir)?.count())
}

fn bytes(dir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    files
        .filter_map(|e| e.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|m| m.len())
        .sum()
}
