//! The record of a lease on the host: `home/leases/LEASE.json`, replaced durably at every change.

use std::fs;
use std::path::PathBuf;

use model::fault::HostFault;
use model::ids::LeaseId;
use model::lease::{LeaseStatus, Terms};
use serde::{Deserialize, Serialize};

use crate::error::LaunchError;
use crate::files::{Lock, make_dir, remove_dir, write_durably};
use crate::process::ProcessId;
use crate::spec::LabHandle;

/// Undone leases that are remembered.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) fault: HostFault,
    pub(super) terms: Terms,
    /// The kernel's boot id: monotonic times mean nothing in another boot.
    pub(super) boot: String,
    /// Monotonic clock when it was armed.
    pub(super) armed_ms: u64,
    /// Monotonic clock when the undo is due.
    pub(super) due_ms: u64,
    /// The coordinator that asked for the fault.
    pub(super) owner: Option<ProcessId>,
    /// The process that undoes it.
    pub(super) guard: Option<ProcessId>,
    pub(super) status: LeaseStatus,
}

impl Record {
    pub(super) fn is_outstanding(&self) -> bool {
        self.status.state != model::lease::LeaseState::Undone
    }

    pub(super) fn load(handle: &LabHandle, lease: LeaseId) -> Result<Option<Self>, LaunchError> {
        let path = file(handle, lease, "json");
        let text = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(LaunchError::io("read", &path))?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| LaunchError::Json {
                what: path.display().to_string(),
                source,
            })
    }

    pub(super) fn save(&self, handle: &LabHandle) -> Result<(), LaunchError> {
        let path = file(handle, self.status.lease, "json");
        let text = serde_json::to_vec(self).map_err(|source| LaunchError::Json {
            what: path.display().to_string(),
            source,
        })?;
        write_durably(&path, &text, 0o600)
    }
}

/// Leases that have a record, readable or not.
pub(super) fn leases(handle: &LabHandle) -> Vec<LeaseId> {
    let names = fs::read_dir(folder(handle)).into_iter().flatten().flatten();
    let mut found: Vec<LeaseId> = names
        .filter_map(|entry| LeaseId::parse(entry.file_name().to_str()?.strip_suffix(".json")?).ok())
        .collect();
    found.sort_unstable();
    found
}

/// The records that can be read.
pub(super) fn all(handle: &LabHandle) -> Vec<Record> {
    let load = |lease| match Record::load(handle, lease) {
        Ok(record) => record,
        Err(error) => {
            tracing::error!(%lease, %error, "a lease's record cannot be read; `drill doctor --fix` removes it");
            None
        }
    };
    leases(handle).into_iter().filter_map(load).collect()
}

/// Held while a lease is injected, renewed or undone.
pub(super) fn lock(handle: &LabHandle, lease: LeaseId) -> Result<Lock, LaunchError> {
    make_dir(&folder(handle), 0o700)?;
    Lock::take(&file(handle, lease, "lock"))
}

/// Forgets the oldest undone leases beyond the limit.
pub(super) fn prune(handle: &LabHandle) -> Result<(), LaunchError> {
    let mut over: Vec<_> = all(handle)
        .into_iter()
        .filter(|r| !r.is_outstanding())
        .map(|r| (r.status.armed, r.status.lease))
        .collect();
    over.sort_unstable();
    let surplus = over.len().saturating_sub(REMEMBERED);
    over.into_iter()
        .take(surplus)
        .try_for_each(|(_, lease)| remove(handle, lease))
}

pub(super) fn remove(handle: &LabHandle, lease: LeaseId) -> Result<(), LaunchError> {
    for extension in ["json", "lock"] {
        let path = file(handle, lease, extension);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LaunchError::io("remove", &path)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn remove_all(handle: &LabHandle) -> Result<(), LaunchError> {
    remove_dir(&folder(handle))
}

pub(super) fn folder(handle: &LabHandle) -> PathBuf {
    handle.home.join("leases")
}

fn file(handle: &LabHandle, lease: LeaseId, extension: &str) -> PathBuf {
    folder(handle).join(format!("{lease}.{extension}"))
}

/// Milliseconds of a clock that nobody sets and that goes on while the host sleeps: a lease does not.
pub(super) fn monotonic_ms() -> u64 {
    shell::clock::since_boot_ms()
}

/// The kernel's name of this boot.
pub(super) fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
