//! Facts of the host that explain most troubles: kernel, memory, disk, pressure, and the lab's cgroups.

use crate::places::Places;
use serde_json::{Value, json};
use std::path::Path;

/// Files of /proc that are taken as they are; none names a process's arguments or environment.
const PROC: [&str; 6] = [
    "loadavg",
    "meminfo",
    "pressure/cpu",
    "pressure/io",
    "pressure/memory",
    "uptime",
];

/// Where cgroup hierarchies of this host may hold the lab's groups.
const CGROUPS: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/unified",
];

/// Looks at this host.
pub(super) fn facts(places: &Places, lab: &str) -> Value {
    let system = nix::sys::utsname::uname().ok();
    let kernel = system.map(|s| {
        json!({"sysname": s.sysname().to_string_lossy(), "release": s.release().to_string_lossy(),
               "machine": s.machine().to_string_lossy()})
    });
    let proc: serde_json::Map<String, Value> = PROC
        .iter()
        .filter_map(|name| {
            let text = std::fs::read_to_string(Path::new("/proc").join(name)).ok()?;
            Some(((*name).to_owned(), json!(text.lines().collect::<Vec<_>>())))
        })
        .collect();
    json!({
        "kernel": kernel,
        "cpus": std::thread::available_parallelism().map(usize::from).ok(),
        "proc": proc,
        "disks": [disk("home", &places.home), disk("cache", &places.cache)],
        "cgroups": cgroups(lab),
    })
}

fn disk(name: &str, path: &Path) -> Value {
    match nix::sys::statvfs::statvfs(path) {
        Ok(found) => {
            let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
            json!({"name": name, "bytes": bytes(found.blocks()), "free_bytes": bytes(found.blocks_available())})
        }
        Err(error) => json!({"name": name, "error": error.to_string()}),
    }
}

/// The lab's own groups with what they use.
fn cgroups(lab: &str) -> Value {
    let prefix = format!("drillyard-{lab}");
    let mut found = serde_json::Map::new();
    for group in CGROUPS
        .iter()
        .flat_map(|root| std::fs::read_dir(root).into_iter().flatten().flatten())
    {
        if !group.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let read = |name: &str| {
            let text = std::fs::read_to_string(group.path().join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        let names = [
            "memory.current",
            "memory.max",
            "memory.usage_in_bytes",
            "memory.limit_in_bytes",
            "cpu.max",
        ];
        let values: serde_json::Map<_, _> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), json!(read(name)?))))
            .collect();
        found.insert(group.path().display().to_string(), Value::Object(values));
    }
    Value::Object(found)
}
