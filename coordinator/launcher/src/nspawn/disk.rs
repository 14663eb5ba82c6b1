//! A node's disk: a sparse ext4 image over a loop device, so that its size is real, and the overlay root on it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::NodePaths;
use crate::command::run;
use crate::error::LaunchError;
use crate::files::make_dir;
use crate::mounts::is_mounted;

/// Folders of the disk that are bound into the node: overlayfs refuses an overlay as its upper directory, so what
/// containerd, kubelet and etcd write must lie on the ext4 itself.
pub(super) const BOUND: [&str; 3] = ["containerd", "kubelet", "etcd"];

/// Makes the image, replacing what an interrupted attempt left.
pub(super) fn create(paths: &NodePaths, gib: u64) -> Result<(), LaunchError> {
    let _ = fs::remove_file(&paths.image);
    let file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&paths.image)
        .map_err(LaunchError::io("create", &paths.image))?;
    file.set_len(gib * 1024 * 1024 * 1024)
        .map_err(LaunchError::io("size", &paths.image))?;
    drop(file);
    let image = paths.image.display().to_string();
    // A sparse file reads as zeros: nothing needs to be zeroed or discarded now or later.
    let features = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
    let arguments = ["-q", "-F", "-m", "0", "-E", features, &image];
    run("mkfs.ext4", arguments, "node disk")?;
    Ok(())
}

/// Mounts the disk and the root over it, as far as they are not mounted.
pub(super) fn attach(paths: &NodePaths, tree: &Path, machine: &str) -> Result<(), LaunchError> {
    make_dir(&paths.disk, 0o700)?;
    if !is_mounted(&paths.disk)? {
        let (image, disk) = (
            paths.image.display().to_string(),
            paths.disk.display().to_string(),
        );
        // `mount -o loop` marks the device so that the kernel frees it with the last mount: no leak after a crash.
        let options = "loop,noatime,discard,noinit_itable";
        run("mount", ["-t", "ext4", "-o", options, &image, &disk], "node disk")?;
    }
    for (folder, mode) in [
        ("upper", 0o755),
        ("work", 0o700),
        ("containerd", 0o711),
        ("kubelet", 0o755),
        ("etcd", 0o700),
    ] {
        make_dir(&paths.disk.join(folder), mode)?;
    }
    make_dir(&paths.root, 0o755)?;
    if !is_mounted(&paths.root)? {
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            tree.display(),
            paths.disk.join("upper").display(),
            paths.disk.join("work").display()
        );
        let root = paths.root.display().to_string();
        let arguments = ["-t", "overlay", "-o", &options, machine, &root];
        run("mount", arguments, "node root")?;
    }
    Ok(())
}
