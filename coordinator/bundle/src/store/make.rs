//! Makes the content store with the root file system's own containerd, so that its databases fit the nodes'.

use std::fs;
use std::path::Path;

use super::manifest::StoreManifest;
use super::{CONTAINERD, META_DB, SNAPSHOT_DB};
use crate::error::{At, BuildError};
use crate::make::Site;
use crate::process::{self, Tick};
use crate::spec::Store;
use crate::{disk, durable, paths};

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
        durable::sync(&containerd.join(needed))?;
    }
    StoreManifest::of(&new)?.save(&new)?;
    nix::unistd::sync();
    durable::publish_dir(&new, output)
}
