//! The node's control groups: limits, freezer, and the way to find every process of a node.
//!
//! On a v1 (hybrid) host a node needs a group of its own in every controller and in the unified hierarchy: without the
//! latter all nodes' Cilium would attach its socket programs to the same root. On a v2 host there is one group.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::LaunchError;
use crate::process::{ProcessId, wait_until};

/// Which control groups the host mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupMode {
    /// One hierarchy per controller.
    V1,
    /// The unified hierarchy alone.
    V2,
}

const ROOT: &str = "/sys/fs/cgroup";
const CPU_PERIOD_US: u64 = 100_000;

/// How long a group may take to stop or to go on: a process that waits for a disk is stopped when the disk has answered.
const SETTLE: Duration = Duration::from_secs(10);

/// The host's mode. A host whose memory controller is a v1 one is v1, whatever else it mounts.
#[must_use]
pub fn mode() -> CgroupMode {
    if Path::new(ROOT).join("memory").is_dir() {
        CgroupMode::V1
    } else {
        CgroupMode::V2
    }
}

/// The groups of one machine, in every hierarchy of the host.
#[derive(Debug, Clone)]
pub struct NodeCgroup {
    mode: CgroupMode,
    dirs: Vec<PathBuf>,
}

impl NodeCgroup {
    /// The groups that the machine has or would have.
    #[must_use]
    pub fn of(machine: &str) -> Self {
        let dirs = hierarchies().iter().map(|h| h.join(machine)).collect();
        Self { mode: mode(), dirs }
    }

    /// Makes the groups; existing ones are kept.
    ///
    /// # Errors
    /// When a group cannot be made.
    pub fn create(&self) -> Result<(), LaunchError> {
        for dir in &self.dirs {
            if let Err(e) = fs::create_dir(dir)
                && e.kind() != std::io::ErrorKind::AlreadyExists
            {
                return Err(LaunchError::io("create", dir)(e));
            }
            // A v1 cpuset group starts empty, and no process may enter it before it has both.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let parents = dir.parent().map(|p| p.join(file)).filter(|p| p.exists());
                if let (CgroupMode::V1, Some(from)) = (self.mode, parents) {
                    let value = fs::read_to_string(&from).map_err(LaunchError::io("read", &from))?;
                    write(&dir.join(file), value.trim())?;
                }
            }
        }
        Ok(())
    }

    /// On a v1 host, the node's group that measures pressure stalls, where the kernel does. On a v2 host there is nothing
    /// to be told: the node's only group does, and the node sees it.
    #[must_use]
    pub fn pressure_group(&self) -> Option<&Path> {
        if self.mode == CgroupMode::V2 {
            return None;
        }
        let measures = |dir: &&PathBuf| dir.join("cpu.pressure").exists();
        self.dirs.iter().find(measures).map(PathBuf::as_path)
    }

    /// Sets the node's memory limit, and its CPU limit where that is below what the host has.
    ///
    /// # Errors
    /// When the kernel refuses a limit.
    pub fn limit(&self, memory_mib: u64, cpus: u32) -> Result<(), LaunchError> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let quota = usize::try_from(cpus)
            .is_ok_and(|c| c < cores)
            .then(|| u64::from(cpus) * CPU_PERIOD_US);
        let bytes = (memory_mib * 1024 * 1024).to_string();
        match self.mode {
            CgroupMode::V1 => {
                self.set("memory.limit_in_bytes", &bytes)?;
                self.set(
                    "cpu.cfs_quota_us",
                    &quota.map_or("-1".to_owned(), |q| q.to_string()),
                )
            }
            CgroupMode::V2 => {
                self.set("memory.max", &bytes)?;
                let quota = quota.map_or("max".to_owned(), |q| q.to_string());
                self.set("cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
            }
        }
    }

    /// Moves a process into the groups.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self, pid: u32) -> Result<(), LaunchError> {
        self.dirs
            .iter()
            .try_for_each(|d| write(&d.join("cgroup.procs"), &pid.to_string()))
    }

    /// Stops (`true`) or continues every process of the node, and waits until that is so. What could not be stopped in time
    /// goes on.
    ///
    /// # Errors
    /// When there is no freezer, or it does not come to rest.
    pub fn freeze(&self, frozen: bool) -> Result<(), LaunchError> {
        self.freeze_or_take_back(frozen, SETTLE)
    }

    /// The kernel forgets no order: left alone, a freeze that failed would be whole later, when nobody would undo it.
    fn freeze_or_take_back(&self, frozen: bool, limit: Duration) -> Result<(), LaunchError> {
        let settled = self.freeze_within(frozen, limit);
        if frozen && settled.is_err() && self.is_held() {
            self.order(false)?;
        }
        settled
    }

    /// Stops or continues like [`freeze`](Self::freeze), for whom another limit is right. What could not be stopped in time
    /// may stop later: only for a caller who is about to end it all.
    ///
    /// # Errors
    /// When there is no freezer, or it does not come to rest.
    pub fn freeze_within(&self, frozen: bool, limit: Duration) -> Result<(), LaunchError> {
        let path = self.order(frozen)?;
        if wait_until(limit, || self.is_frozen() == frozen) {
            return Ok(());
        }
        Err(LaunchError::Io {
            action: "settle",
            path,
            source: std::io::ErrorKind::TimedOut.into(),
        })
    }

    /// Tells the freezer, and answers which file that was; nothing is awaited.
    fn order(&self, frozen: bool) -> Result<PathBuf, LaunchError> {
        let (file, value) = match (self.mode, frozen) {
            (CgroupMode::V1, true) => ("freezer.state", "FROZEN"),
            (CgroupMode::V1, false) => ("freezer.state", "THAWED"),
            (CgroupMode::V2, true) => ("cgroup.freeze", "1"),
            (CgroupMode::V2, false) => ("cgroup.freeze", "0"),
        };
        let path = self.file(file).ok_or_else(|| LaunchError::StillThere {
            what: format!("host without a freezer ({file})"),
        })?;
        write(&path, value)?;
        Ok(path)
    }

    /// Whether the node is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        match self.mode {
            CgroupMode::V1 => self.text("freezer.state") == "FROZEN",
            CgroupMode::V2 => self.text("cgroup.events").lines().any(|l| l == "frozen 1"),
        }
    }

    /// Whether the node is frozen, or about to be.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match self.mode {
            CgroupMode::V1 => matches!(self.text("freezer.state").as_str(), "FROZEN" | "FREEZING"),
            CgroupMode::V2 => self.text("cgroup.freeze") == "1",
        }
    }

    /// Every process of the node, in whichever group below the node's it is.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessId> {
        let mut pids: Vec<i32> = Vec::new();
        for dir in self.dirs.iter().flat_map(|d| groups_below(d)) {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            // 0 stands for a process that this pid namespace does not see.
            pids.extend(
                text.lines()
                    .filter_map(|l| l.parse::<i32>().ok())
                    .filter(|p| *p > 0),
            );
        }
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().filter_map(ProcessId::of).collect()
    }

    /// Removes the groups, the innermost first; says whether all are gone.
    #[must_use]
    pub fn remove(&self) -> bool {
        for dir in self.dirs.iter().flat_map(|d| groups_below(d)) {
            let _ = fs::remove_dir(dir);
        }
        self.dirs.iter().all(|d| !d.exists())
    }

    /// Whether any of the groups is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.dirs.iter().any(|d| d.exists())
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.dirs.iter().map(|d| d.join(name)).find(|p| p.exists())
    }

    /// What a file of the groups says; empty where there is none.
    fn text(&self, file: &str) -> String {
        let text = self.file(file).map(fs::read_to_string);
        text.and_then(Result::ok).unwrap_or_default().trim().to_owned()
    }

    fn set(&self, file: &str, value: &str) -> Result<(), LaunchError> {
        match self.file(file) {
            Some(path) => write(&path, value),
            None => {
                tracing::warn!(file, value, "host has no such limit, node runs without it");
                Ok(())
            }
        }
    }
}

/// Names of the groups directly below the hierarchies' roots.
#[must_use]
pub fn top_groups() -> Vec<String> {
    let mut names: Vec<String> = hierarchies()
        .iter()
        .filter_map(|h| fs::read_dir(h).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from(ROOT);
    if mode() == CgroupMode::V2 {
        return vec![root];
    }
    let Ok(entries) = fs::read_dir(&root) else {
        return Vec::new();
    };
    // Controllers mounted together are one folder with symbolic links to it: each hierarchy once.
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .filter(|p| p.join("cgroup.procs").exists())
        .collect();
    found.sort();
    found
}

/// `dir` and every group below it, children before parents.
fn groups_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir(dir) {
        for entry in entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        {
            found.extend(groups_below(&entry.path()));
        }
        found.push(dir.to_path_buf());
    }
    found
}

fn write(path: &Path, value: &str) -> Result<(), LaunchError> {
    fs::write(path, value).map_err(LaunchError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of plain files: the order is noted in one, and the other goes on saying that the group is not frozen.
    fn restless() -> (tempfile::TempDir, NodeCgroup) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.freeze"), "0").unwrap();
        fs::write(dir.path().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let group = NodeCgroup {
            mode: CgroupMode::V2,
            dirs: vec![dir.path().to_owned()],
        };
        (dir, group)
    }

    #[test]
    fn a_freeze_that_does_not_settle_is_taken_back() {
        let (_dir, group) = restless();
        let error = group
            .freeze_or_take_back(true, Duration::from_millis(20))
            .unwrap_err();
        assert!(
            matches!(error, LaunchError::Io { action: "settle", .. }),
            "{error}"
        );
        assert!(!group.is_held(), "it would stand still later");
    }

    #[test]
    fn pressure_is_measured_by_the_one_group_of_a_v1_node_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let dirs: Vec<PathBuf> = ["memory", "unified"].map(|h| dir.path().join(h)).to_vec();
        dirs.iter().try_for_each(fs::create_dir).unwrap();
        let group = |mode| NodeCgroup {
            mode,
            dirs: dirs.clone(),
        };
        assert_eq!(
            group(CgroupMode::V1).pressure_group(),
            None,
            "a kernel without it"
        );
        fs::write(dirs[1].join("cpu.pressure"), "").unwrap();
        assert_eq!(group(CgroupMode::V1).pressure_group(), Some(dirs[1].as_path()));
        assert_eq!(group(CgroupMode::V2).pressure_group(), None);
    }

    #[test]
    fn whoever_ends_it_all_leaves_it_held() {
        let (_dir, group) = restless();
        assert!(group.freeze_within(true, Duration::from_millis(20)).is_err());
        assert!(group.is_held() && !group.is_frozen());
        group.freeze(false).unwrap();
        assert!(!group.is_held());
    }
}
