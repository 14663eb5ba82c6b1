//! Where a node's own figures are: its control groups first, since in a container /proc shows the host.

mod pressure;

use crate::paths::Paths;
use model::fact::NodeFacts;
use nix::sys::statvfs::statvfs;
use pressure::{Pressure, Resource};
use std::path::{Path, PathBuf};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// A limit at or above this is none (version 1 shows a page-aligned maximum).
const NO_LIMIT: u64 = 1 << 60;

/// Where this node's control groups are, found once.
#[derive(Debug)]
pub(super) struct Vitals {
    root: PathBuf,
    v1: bool,
    pressure: Pressure,
    disk: PathBuf,
}

impl Vitals {
    pub(super) fn new(paths: &Paths) -> Self {
        let root = paths.at("/sys/fs/cgroup");
        let v1 = root.join("memory").is_dir();
        Self {
            pressure: Pressure::find(paths, if v1 { root.join("unified") } else { root.clone() }),
            root,
            v1,
            disk: paths.at("/var/lib"),
        }
    }

    /// Takes a sample; `helper_rss` is what the root helper says of itself.
    pub(super) fn sample(&self, helper_rss: u64) -> NodeFacts {
        let (memory_used, memory_limit) = self.memory();
        let (disk_used, disk_size) = self.disk();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        NodeFacts {
            load_milli: load.split(' ').next().map_or(0, milli),
            memory_used,
            memory_limit,
            disk_used,
            disk_size,
            psi_memory_milli: self.pressure.milli(Resource::Memory),
            psi_cpu_milli: self.pressure.milli(Resource::Cpu),
            psi_io_milli: self.pressure.milli(Resource::Io),
            psi_of_machine: self.pressure.is_of_machine(),
            cpu_ms: self.cpu_ms(),
            agent_rss: crate::clock::own_rss().saturating_add(helper_rss),
        }
    }

    /// Whether a systemd service has processes, read from its control group: no program needs to be started for it.
    pub(super) fn service_runs(&self, unit: &str) -> bool {
        let base = if self.v1 {
            self.root.join("systemd")
        } else {
            self.root.clone()
        };
        let group = base.join("system.slice").join(unit);
        std::fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| !text.trim().is_empty())
    }

    /// Bytes left on the node's writable disk.
    pub(super) fn disk_free(&self) -> Option<u64> {
        statvfs(&self.disk)
            .ok()
            .map(|s| s.blocks_available().saturating_mul(s.fragment_size()))
    }

    fn memory(&self) -> (u64, u64) {
        let folder = if self.v1 {
            self.root.join("memory")
        } else {
            self.root.clone()
        };
        let (usage, limit, inactive) = if self.v1 {
            (
                "memory.usage_in_bytes",
                "memory.limit_in_bytes",
                "total_inactive_file",
            )
        } else {
            ("memory.current", "memory.max", "inactive_file")
        };
        let Some(used) = number(&folder.join(usage)) else {
            return whole_machine();
        };
        let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        // As kubelet counts it: cache that could go at any time is not used.
        let used = used.saturating_sub(field(&stat, inactive).unwrap_or(0));
        (
            used,
            number(&folder.join(limit)).filter(|l| *l < NO_LIMIT).unwrap_or(0),
        )
    }

    fn disk(&self) -> (u64, u64) {
        statvfs(&self.disk).map_or((0, 0), |s| {
            let unit = s.fragment_size();
            (
                s.blocks().saturating_sub(s.blocks_free()).saturating_mul(unit),
                s.blocks().saturating_mul(unit),
            )
        })
    }

    fn cpu_ms(&self) -> u64 {
        if self.v1 {
            return number(&self.root.join("cpuacct/cpuacct.usage")).unwrap_or(0) / 1_000_000;
        }
        let stat = std::fs::read_to_string(self.root.join("cpu.stat")).unwrap_or_default();
        field(&stat, "usage_usec").unwrap_or(0) / 1000
    }
}

/// A virtual machine's root group counts nothing: there /proc is the node's own.
fn whole_machine() -> (u64, u64) {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kind).map_or((0, 0), |system| (system.used_memory(), system.total_memory()))
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Thousandths of a decimal such as `0.52`, without floating point.
fn milli(text: &str) -> u64 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    whole
        .parse::<u64>()
        .unwrap_or(0)
        .saturating_mul(1000)
        .saturating_add(part.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_thousandths() {
        assert_eq!(
            (milli("0.52"), milli("12.3456"), milli("3"), milli("x")),
            (520, 12_345, 3000, 0)
        );
    }

    #[test]
    fn a_version_1_node_reads_its_own_groups() {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let write = |path: &str, text: &str| {
            let path = paths.at("/sys/fs/cgroup").join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("memory/memory.usage_in_bytes", "1000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.stat", "cache 1\ntotal_inactive_file 300\n");
        write("cpuacct/cpuacct.usage", "5000000\n");
        write("systemd/system.slice/kubelet.service/cgroup.procs", "12\n");
        let vitals = Vitals::new(&paths);
        let facts = vitals.sample(0);
        assert_eq!((facts.memory_used, facts.memory_limit, facts.cpu_ms), (700, 0, 5));
        assert!(vitals.service_runs("kubelet.service") && !vitals.service_runs("containerd.service"));
    }
}
