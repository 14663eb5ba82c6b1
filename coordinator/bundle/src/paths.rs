//! Where everything lies below the cache folder (`$DRILLYARD_CACHE`). The one place that knows the layout.

use std::path::{Path, PathBuf};

/// Folder of the programs that the host and the nodes run.
#[must_use]
pub fn bin(cache: &Path) -> PathBuf {
    bundle(cache).join("bin")
}

/// One program of [`bin`].
#[must_use]
pub fn program(cache: &Path, name: &str) -> PathBuf {
    bin(cache).join(name)
}

/// Folder of the image archives.
#[must_use]
pub fn images(cache: &Path) -> PathBuf {
    bundle(cache).join("images")
}

/// Archive of one image, by the name it has in the recipe.
#[must_use]
pub fn image(cache: &Path, name: &str) -> PathBuf {
    images(cache).join(format!("{name}.tar"))
}

/// Folder of one unpacked Helm chart.
#[must_use]
pub fn chart(cache: &Path, name: &str) -> PathBuf {
    bundle(cache).join("charts").join(name)
}

/// The nodes' root file system: lower layer of every node's overlay, never written to.
#[must_use]
pub fn rootfs_tree(cache: &Path) -> PathBuf {
    cache.join("rootfs").join("tree")
}

/// The shared content store; `containerd/` below it has the shape of `/var/lib/containerd`.
#[must_use]
pub fn store(cache: &Path) -> PathBuf {
    cache.join("rootfs").join("store")
}

/// The folder that nodes see read-only as `/opt/drillyard/bundle`.
#[must_use]
pub fn bundle(cache: &Path) -> PathBuf {
    cache.join("bundle")
}

/// The list of all artefacts.
#[must_use]
pub fn manifest(cache: &Path) -> PathBuf {
    bundle(cache).join("manifest.json")
}

/// Digest and package list of the root file system.
#[must_use]
pub fn rootfs_manifest(cache: &Path) -> PathBuf {
    cache.join("rootfs").join("manifest.json")
}

/// Logs of each build step.
#[must_use]
pub fn logs(cache: &Path) -> PathBuf {
    build(cache).join("log")
}

pub(crate) fn build(cache: &Path) -> PathBuf {
    cache.join("build")
}

/// Programs and trees that only go into images.
pub(crate) fn intermediates(cache: &Path) -> PathBuf {
    build(cache).join("out")
}

pub(crate) fn records(cache: &Path) -> PathBuf {
    build(cache).join("state")
}

pub(crate) fn go_build_cache(cache: &Path) -> PathBuf {
    build(cache).join("go-build")
}

pub(crate) fn go_module_cache(cache: &Path) -> PathBuf {
    build(cache).join("go-mod")
}

pub(crate) fn lock(cache: &Path) -> PathBuf {
    build(cache).join("lock")
}
