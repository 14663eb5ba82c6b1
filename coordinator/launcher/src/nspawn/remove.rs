//! Taking a node away with everything it has on the host, whatever state a crash left it in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Serialize;

use super::NodePaths;
use super::power::kill_all;
use crate::cgroup::NodeCgroup;
use crate::command::run;
use crate::error::LaunchError;
use crate::files::{Lock, remove_dir};
use crate::mounts::unmount_below;
use crate::process;

/// What was there of one node and is gone now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Processes that were ended.
    pub processes: usize,
    /// Mounts that stayed busy and were detached: they go with their last user.
    pub detached: Vec<std::path::PathBuf>,
    /// Loop devices that had to be freed by hand.
    pub loop_devices: Vec<String>,
}

/// Removes the machine of exactly this name and the folder `dir` with its record and disk. The record goes last: a
/// crash in between leaves a node that the next call finds again.
///
/// # Errors
/// When something of it stays.
pub fn remove_machine(dir: &Path, machine: &str, node: &str) -> Result<Removed, LaunchError> {
    let paths = NodePaths::below(dir);
    let _lock = Lock::take(&paths.lock)?;
    let cgroup = NodeCgroup::of(machine);
    let mut removed = Removed {
        processes: cgroup.processes().len(),
        ..Removed::default()
    };
    kill_all(machine, node)?;
    // A keeper may have ended up outside its groups: it is found by its command line, too.
    let directory = format!("--directory={}", paths.root.display());
    let stray = || {
        process::all()
            .into_iter()
            .filter(|p| p.arguments().contains(&directory))
    };
    let gone = process::wait_until(Duration::from_secs(10), || {
        stray().inspect(|p| p.signal(Signal::SIGKILL)).count() == 0
    });
    if !gone {
        return Err(LaunchError::StillThere {
            what: format!("systemd-nspawn of {machine}"),
        });
    }
    removed.detached = unmount_below(dir)?;
    removed.loop_devices = free_loop_devices(dir)?;
    if !process::wait_until(Duration::from_secs(5), || cgroup.remove()) {
        return Err(LaunchError::StillThere {
            what: format!("cgroup {machine}"),
        });
    }
    for folder in ["propagate", "unix-export"] {
        let path = Path::new("/run/systemd/nspawn").join(folder).join(machine);
        let _ = fs::remove_dir_all(path);
    }
    remove_dir(dir)?;
    Ok(removed)
}

/// A loop device goes with its last mount by itself; one that a crash left between its making and its mount does not.
fn free_loop_devices(dir: &Path) -> Result<Vec<String>, LaunchError> {
    let mut freed = Vec::new();
    let Ok(entries) = fs::read_dir("/sys/block") else {
        return Ok(freed);
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let backing = entry.path().join("loop/backing_file");
        let file = fs::read_to_string(&backing).unwrap_or_default();
        if name.starts_with("loop") && Path::new(file.trim()).starts_with(dir) {
            let device = format!("/dev/{name}");
            run("losetup", ["--detach", &device], "detach")?;
            freed.push(device);
        }
    }
    Ok(freed)
}
