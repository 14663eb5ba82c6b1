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
const CGROUPS: [&str; 5] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/cpu",
    "/sys/fs/cgroup/pids",
    "/sys/fs/cgroup/unified",
];

/// Files of a group that are taken, of both versions.
const OF_GROUP: [&str; 14] = [
    "memory.current",
    "memory.peak",
    "memory.max",
    "memory.events",
    "memory.usage_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.failcnt",
    "memory.pressure",
    "cpu.max",
    "cpu.stat",
    "cpu.pressure",
    "pids.current",
    "pids.max",
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
        "node_disks": node_disks(&places.home),
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

/// The images that are nodes' disks: how large a node sees its disk, and what of it this host really holds.
fn node_disks(home: &Path) -> Value {
    use std::os::unix::fs::MetadataExt;
    let nodes = std::fs::read_dir(home.join("nodes"))
        .into_iter()
        .flatten()
        .flatten();
    let disks = nodes.filter_map(|node| {
        let image = std::fs::metadata(node.path().join("disk.img")).ok()?;
        let held = image.blocks().saturating_mul(512);
        let name = node.file_name().to_string_lossy().into_owned();
        Some(json!({"node": name, "bytes": image.len(), "held_bytes": held}))
    });
    Value::Array(disks.collect())
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
        let values: serde_json::Map<_, _> = OF_GROUP
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), json!(read(name)?))))
            .collect();
        found.insert(group.path().display().to_string(), Value::Object(values));
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_disk_of_a_node_is_told_as_what_it_is() {
        let dir = tempfile::tempdir().expect("temp");
        let node = dir.path().join("nodes/app1-cp");
        std::fs::create_dir_all(&node).expect("made");
        let image = std::fs::File::create(node.join("disk.img")).expect("made");
        image.set_len(1 << 30).expect("sparse");
        let disks = node_disks(dir.path());
        assert_eq!(
            (&disks[0]["node"], &disks[0]["bytes"]),
            (&json!("app1-cp"), &json!(1 << 30))
        );
        assert!(disks[0]["held_bytes"].as_u64() < Some(1 << 20), "{disks}");
        assert_eq!(node_disks(&dir.path().join("none")), json!([]));
    }
}
