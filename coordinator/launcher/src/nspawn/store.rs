//! One content store for all nodes: the databases are copied, everything large is a link into the shared copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::LaunchError;
use crate::files::make_dir;

/// Where the shared store is bound, read-only, inside every node.
pub const STORE_IN_NODE: &str = "/opt/drillyard/store";

/// Databases are written by the node's containerd, so every node has its own.
const COPIED: [&str; 2] = [
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
];
/// Folders whose entries never change once they are there; new ones come beside them.
const LINKED: [&str; 2] = [
    "io.containerd.content.v1.content/blobs/sha256",
    "io.containerd.snapshotter.v1.overlayfs/snapshots",
];

/// Fills a node's empty `/var/lib/containerd` from the store; a store that is not there leaves it empty, and the node
/// imports its images then.
///
/// # Errors
/// When the store is there and cannot be copied.
pub fn copy_store(store: &Path, node: &Path) -> Result<(), LaunchError> {
    let source = store.join("containerd");
    if !source.join(COPIED[0]).exists() {
        return Ok(());
    }
    for file in COPIED {
        let to = node.join(file);
        if let Some(folder) = to.parent() {
            make_dir(folder, 0o700)?;
        }
        fs::copy(source.join(file), &to).map_err(LaunchError::io("copy", &to))?;
    }
    for folder in LINKED {
        link_entries(&source.join(folder), &node.join(folder), folder)?;
    }
    make_dir(&node.join("io.containerd.content.v1.content/ingest"), 0o755)
}

fn link_entries(from: &Path, to: &Path, folder: &str) -> Result<(), LaunchError> {
    make_dir(to, 0o755)?;
    let inside = PathBuf::from(STORE_IN_NODE).join("containerd").join(folder);
    for entry in fs::read_dir(from).map_err(LaunchError::io("read", from))? {
        let name = entry.map_err(LaunchError::io("read", from))?.file_name();
        let link = to.join(&name);
        match symlink(inside.join(&name), &link) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(LaunchError::io("link", &link)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{COPIED, LINKED, copy_store};

    #[test]
    fn databases_are_copied_and_the_rest_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        for file in COPIED {
            let path = store.join("containerd").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        for folder in LINKED {
            fs::create_dir_all(store.join("containerd").join(folder).join("17")).unwrap();
        }
        let node = dir.path().join("node");
        copy_store(&store, &node).unwrap();
        assert_eq!(fs::read_to_string(node.join(COPIED[0])).unwrap(), COPIED[0]);
        let link = fs::read_link(node.join(LINKED[1]).join("17")).unwrap();
        assert_eq!(
            link.to_str(),
            Some("/opt/drillyard/store/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/17")
        );
    }

    #[test]
    fn no_store_leaves_the_node_empty() {
        let dir = tempfile::tempdir().unwrap();
        copy_store(&dir.path().join("none"), &dir.path().join("node")).unwrap();
        assert!(!dir.path().join("node").exists());
    }
}
