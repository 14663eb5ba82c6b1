//! Where each thing lies below the cache folder (`$DRILLYARD_CACHE`). The layout is a contract with scripts.

use std::path::{Path, PathBuf};

/// A program of the bundle, for the host and for nodes: `bundle/bin/NAME`.
#[must_use]
pub fn bin(cache: &Path, name: &str) -> PathBuf {
    bundle(cache).join("bin").join(name)
}

/// An image archive: `bundle/images/NAME.tar`.
#[must_use]
pub fn image(cache: &Path, name: &str) -> PathBuf {
    bundle(cache).join("images").join(format!("{name}.tar"))
}

/// An unpacked Helm chart: `bundle/charts/NAME`.
#[must_use]
pub fn chart(cache: &Path, name: &str) -> PathBuf {
    bundle(cache).join("charts").join(name)
}

/// The agent for one target triple: `bundle/bin/NAME-TRIPLE`.
#[must_use]
pub fn crate_bin(cache: &Path, name: &str, target: &str) -> PathBuf {
    bin(cache, &format!("{name}-{target}"))
}

/// What nodes see as `/opt/drillyard/bundle`.
#[must_use]
pub fn bundle(cache: &Path) -> PathBuf {
    cache.join("bundle")
}

/// The manifest of the whole bundle.
#[must_use]
pub fn manifest(cache: &Path) -> PathBuf {
    bundle(cache).join("manifest.json")
}

/// The nodes' root file system, the lower folder of every node's overlay.
#[must_use]
pub fn rootfs_tree(cache: &Path) -> PathBuf {
    rootfs(cache).join("tree")
}

/// Facts about the root file system: tree digest and Debian package versions.
#[must_use]
pub fn rootfs_manifest(cache: &Path) -> PathBuf {
    rootfs(cache).join("manifest.json")
}

/// The ready content store, what nodes see as `/opt/drillyard/store`; its state of containerd is in `containerd/`.
#[must_use]
pub fn store(cache: &Path) -> PathBuf {
    rootfs(cache).join("store")
}

/// The log of one artefact's build.
#[must_use]
pub fn log(cache: &Path, name: &str) -> PathBuf {
    work(cache).join("log").join(format!("{name}.log"))
}

pub(crate) fn rootfs(cache: &Path) -> PathBuf {
    cache.join("rootfs")
}

/// Everything that only building needs; safe to delete at the price of building again.
pub(crate) fn work(cache: &Path) -> PathBuf {
    cache.join("build")
}

pub(crate) fn go_build(cache: &Path) -> PathBuf {
    work(cache).join("go-build")
}

pub(crate) fn go_mod(cache: &Path) -> PathBuf {
    work(cache).join("go-mod")
}
