//! The ready content store: containerd's state after every image was imported and unpacked, made once.
//!
//! Nodes share it. Each gets copies of the two small databases and links to the rest, see [`seed_node`].

mod make;
mod manifest;
mod seed;

pub(crate) use make::make;
pub(crate) use manifest::{StoreFault, check};
pub use seed::{SeedError, SeedReport, seed_node};

/// containerd's folder below the store, as below `/var/lib/containerd`.
pub const CONTAINERD: &str = "containerd";
/// The database of names, leases and what refers to what.
pub(crate) const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
/// The overlay snapshotter's own database: which snapshot is whose parent.
pub(crate) const SNAPSHOT_DB: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";
pub(crate) const SNAPSHOTS: &str = "io.containerd.snapshotter.v1.overlayfs/snapshots";
pub(crate) const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";
