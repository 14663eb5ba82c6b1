//! Memory and disk: what the lab was measured to take against what is free.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{ANSWER, HostCheck, HostNeeds, HostProvider, Level};
use crate::command::run_within;
use crate::spec::LabHandle;

pub(super) fn checks(lab: &LabHandle, needs: &HostNeeds) -> Vec<HostCheck> {
    vec![
        memory(needs),
        disk("disk_home", &lab.home, needs.home_gib),
        disk("disk_cache", &lab.cache, needs.cache_gib),
    ]
}

fn memory(needs: &HostNeeds) -> HostCheck {
    let (total, free) = memory_mib();
    let level = if total < needs.memory_mib {
        Level::Fail
    } else {
        Level::Warn
    };
    let remedy = match needs.provider {
        HostProvider::Nspawn => "close what uses much memory, or make the nodes smaller in the lab document",
        // Six machines take their whole size there: the reference is a Mac with 64 GB, 56 of them for machines.
        HostProvider::Multipass => {
            "close what uses much memory; the reference host has 64 GB and a 540 GB disk"
        }
    };
    HostCheck::of("memory", free >= needs.memory_mib, level)
        .found(format!("{free} MiB free of {total} MiB"))
        .need(format!("{} MiB free", needs.memory_mib))
        .remedy(remedy)
}

fn disk(id: &'static str, folder: &Path, need: u64) -> HostCheck {
    // The folder may not exist yet: its nearest existing parent is on the same file system.
    let existing = folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let free = statvfs(existing)
        .map(|s| wide(s.blocks_available()).saturating_mul(wide(s.fragment_size())) >> 30)
        .unwrap_or_default();
    HostCheck::of(id, free >= need, Level::Fail)
        .found(format!("{free} GiB free at {}", existing.display()))
        .need(format!("{need} GiB"))
        .remedy("free some space, or set DRILLYARD_HOME and DRILLYARD_CACHE to a larger file system")
}

/// The counts are 32 bits wide on some systems and 64 on others.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

/// Total and available memory in MiB; on macOS the kernel tells the total only, which is then taken for both.
fn memory_mib() -> (u64, u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let read = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024)
    };
    if let (Some(total), Some(free)) = (read("MemTotal:"), read("MemAvailable:")) {
        return (total, free);
    }
    let total = run_within("sysctl", ["-n", "hw.memsize"], "memory", ANSWER);
    let bytes = total
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or_default();
    (bytes >> 20, bytes >> 20)
}
