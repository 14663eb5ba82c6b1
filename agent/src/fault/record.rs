//! The undo record of a lease: one file, replaced durably at every change, and a lock for whoever changes it.

use crate::durable;
use crate::paths::Paths;
use model::fault::{Fault, NodeFault};
use model::ids::{BootId, LeaseId, NodeName};
use model::lease::{HeldLease, LeaseState, LeaseStatus, Terms};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Undone leases that are remembered, so that none is injected a second time.
const REMEMBERED: usize = 64;

/// What must be known to undo a fault, by somebody who was not there when it was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) node: NodeName,
    pub(crate) fault: NodeFault,
    pub(crate) terms: Terms,
    /// The boot in which it was armed: monotonic times mean nothing in another.
    pub(crate) boot: BootId,
    /// Monotonic clock when it was armed.
    pub(crate) armed_ms: u64,
    /// Monotonic clock when the undo is due.
    pub(crate) due_ms: u64,
    /// The last renewal that was taken; 0 for none.
    pub(crate) renewal: u32,
    pub(crate) status: LeaseStatus,
}

impl Record {
    pub(crate) fn lease(&self) -> LeaseId {
        self.status.lease
    }

    pub(crate) fn is_outstanding(&self) -> bool {
        self.status.state != LeaseState::Undone
    }

    pub(crate) fn read(paths: &Paths, lease: LeaseId) -> io::Result<Option<Self>> {
        match std::fs::read(file(paths, lease, "json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write(&self, paths: &Paths) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        durable::replace(&file(paths, self.lease(), "json"), &bytes, 0o600)
    }

    /// The lease as others see it.
    pub(crate) fn held(self) -> HeldLease {
        HeldLease {
            fault: Fault::Node {
                node: self.node,
                inject: self.fault,
            },
            status: self.status,
        }
    }
}

/// Every record, the unreadable ones named by their error.
pub(crate) fn all(paths: &Paths) -> Vec<Result<Record, (LeaseId, io::Error)>> {
    let names = std::fs::read_dir(paths.leases()).into_iter().flatten().flatten();
    let mut leases: Vec<LeaseId> = names
        .filter_map(|entry| parse(entry.file_name().to_str()?))
        .collect();
    leases.sort_unstable();
    leases
        .into_iter()
        .filter_map(|lease| match Record::read(paths, lease) {
            Ok(record) => record.map(Ok),
            Err(error) => Some(Err((lease, error))),
        })
        .collect()
}

/// The records that can be read.
pub(crate) fn readable(paths: &Paths) -> Vec<Record> {
    all(paths).into_iter().flatten().collect()
}

/// The lease whose record has this name.
pub(crate) fn parse(name: &str) -> Option<LeaseId> {
    LeaseId::parse(name.strip_suffix(".json")?).ok()
}

/// Held while a lease is injected, renewed or undone; the kernel lets go of it when the holder dies.
pub(crate) fn lock(paths: &Paths, lease: LeaseId) -> io::Result<Flock<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(file(paths, lease, "lock"))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

/// Which state was told to the coordinator last.
pub(crate) fn told(paths: &Paths, lease: LeaseId) -> Option<LeaseState> {
    serde_json::from_slice(&std::fs::read(file(paths, lease, "told")).ok()?).ok()
}

/// Remembers what was told. Losing this only makes the same be told again.
pub(crate) fn set_told(paths: &Paths, lease: LeaseId, state: LeaseState) -> io::Result<()> {
    std::fs::write(file(paths, lease, "told"), serde_json::to_vec(&state)?)
}

/// Forgets the oldest undone leases beyond the limit.
pub(crate) fn prune(paths: &Paths) -> io::Result<()> {
    let mut over: Vec<_> = readable(paths)
        .into_iter()
        .filter(|r| !r.is_outstanding() && told(paths, r.lease()) == Some(LeaseState::Undone))
        .map(|r| (r.status.armed, r.lease()))
        .collect();
    over.sort_unstable();
    let surplus = over.len().saturating_sub(REMEMBERED);
    for (_, lease) in over.into_iter().take(surplus) {
        for extension in ["json", "told", "lock"] {
            durable::remove(&file(paths, lease, extension))?;
        }
    }
    Ok(())
}

fn file(paths: &Paths, lease: LeaseId, extension: &str) -> PathBuf {
    paths.leases().join(format!("{lease}.{extension}"))
}
