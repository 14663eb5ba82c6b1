//! Nodes as systemd-nspawn machines: the embedded default on Linux, no hypervisor needed.
//!
//! ```text
//! home/nodes/NAME/  node.json   record, written first          disk.img  sparse ext4 image, on a loop device
//!                   lock        one launcher at a time          disk/     where it is mounted
//!                   console.log console of the node's init      root/     overlay of rootfs/tree and disk/upper
//! ```

mod boot;
mod disk;
mod power;
mod provider;
mod remove;
mod seed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use remove::{Removed, remove_machine};

use crate::spec::LabHandle;

/// Where the shared store is bound, read-only, inside every node.
pub const STORE_IN_NODE: &str = "/opt/drillyard/store";

/// Where a node on a v1 host finds its own group of the unified hierarchy, read-only: only that one measures pressure,
/// and a node whose init uses v1 groups has no other view of it.
pub const UNIFIED_IN_NODE: &str = "/opt/drillyard/cgroup";

/// Gives a node its part of the shared content store. The argument is the node's `/var/lib/containerd` on the host;
/// the store itself is at [`STORE_IN_NODE`] inside the node.
pub type StoreSeeder = dyn Fn(&Path) -> Result<(), String> + Send + Sync;

/// The provider.
#[derive(Clone)]
pub struct Nspawn {
    lab: LabHandle,
    seeder: Option<Arc<StoreSeeder>>,
}

impl Nspawn {
    /// A provider for one lab. Nodes that it makes start with an empty content store and import their images.
    #[must_use]
    pub fn new(lab: LabHandle) -> Self {
        Self { lab, seeder: None }
    }

    /// Nodes that it makes begin with what `seeder` gives them.
    #[must_use]
    pub fn with_store_seeder(mut self, seeder: Arc<StoreSeeder>) -> Self {
        self.seeder = Some(seeder);
        self
    }

    fn paths(&self, node: &str) -> NodePaths {
        NodePaths::below(&self.lab.node_dir(node))
    }
}

impl std::fmt::Debug for Nspawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nspawn")
            .field("lab", &self.lab)
            .finish_non_exhaustive()
    }
}

/// Where the parts of one node are.
#[derive(Debug, Clone)]
pub(crate) struct NodePaths {
    pub(crate) dir: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) image: PathBuf,
    pub(crate) disk: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) console: PathBuf,
}

impl NodePaths {
    pub(crate) fn below(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            lock: dir.join("lock"),
            image: dir.join("disk.img"),
            disk: dir.join("disk"),
            root: dir.join("root"),
            console: dir.join("console.log"),
        }
    }
}
