//! Disks, control groups and states of units of this node. In a container /proc shows the host; the groups show the node.

use crate::paths::Paths;
use crate::step::systemd;
use nix::sys::statvfs::statvfs;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 6] = [
    "/",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/drillyard",
    "/var/log",
];

/// Where hierarchies of control groups may be: version 2, and those of version 1 that explain troubles.
const HIERARCHIES: [&str; 5] = ["", "memory", "cpu", "pids", "unified"];

/// Groups in each of them; the first is the node itself.
const GROUPS: [&str; 7] = [
    "",
    "system.slice/kubelet.service",
    "system.slice/containerd.service",
    "system.slice/drillyard-agent.service",
    "system.slice/drillyard-exec.service",
    "kubepods",
    "kubepods.slice",
];

/// Files of a group, of both versions.
const FILES: [&str; 18] = [
    "cgroup.controllers",
    "memory.current",
    "memory.peak",
    "memory.max",
    "memory.events",
    "memory.pressure",
    "memory.usage_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.failcnt",
    "cpu.max",
    "cpu.stat",
    "cpu.pressure",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "io.pressure",
    "pids.current",
    "pids.max",
];

const UNITS: [&str; 4] = [
    "kubelet.service",
    "containerd.service",
    "drillyard-agent.service",
    "drillyard-exec.service",
];

pub(super) fn look(paths: &Paths) -> Value {
    let disks: Vec<Value> = FOLDERS.iter().filter_map(|folder| disk(paths, folder)).collect();
    let units: Map<String, Value> = UNITS
        .iter()
        .filter_map(|unit| Some(((*unit).to_owned(), properties(&systemd::show(unit)?))))
        .collect();
    let proc = |name: &str| fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default();
    json!({
        "disks": disks,
        "cgroups": groups(paths),
        "units": units,
        "loadavg": proc("loadavg").trim(),
        "uptime": proc("uptime").trim(),
    })
}

fn disk(paths: &Paths, folder: &str) -> Option<Value> {
    let stat = statvfs(&paths.at(folder)).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Some(json!({
        "folder": folder,
        "bytes": bytes(stat.blocks()),
        "free_bytes": bytes(stat.blocks_available()),
        "files": stat.files(),
        "free_files": stat.files_available(),
    }))
}

fn groups(paths: &Paths) -> Value {
    let root = paths.at("/sys/fs/cgroup");
    let mut found = Map::new();
    for hierarchy in HIERARCHIES {
        let mut folder = root.join(hierarchy);
        if hierarchy == "unified" && !folder.is_dir() {
            folder = paths.unified();
        }
        for group in GROUPS {
            let folder = folder.join(group);
            let values: Map<String, Value> = FILES
                .iter()
                .filter_map(|name| {
                    let text = fs::read_to_string(folder.join(name)).ok()?;
                    Some(((*name).to_owned(), json!(text.trim())))
                })
                .collect();
            if !values.is_empty() {
                // By its components: an empty last one would leave a slash behind.
                let name: PathBuf = Path::new("/").join(hierarchy).join(group).components().collect();
                found.insert(name.display().to_string(), Value::Object(values));
            }
        }
    }
    Value::Object(found)
}

fn properties(shown: &str) -> Value {
    let pairs = shown.lines().filter_map(|line| line.split_once('='));
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_found_and_disks_measured() {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let unit = paths.at("/sys/fs/cgroup/memory/system.slice/kubelet.service");
        for (folder, file, text) in [
            (paths.at("/sys/fs/cgroup"), "memory.current", "7\n"),
            (unit, "memory.usage_in_bytes", "9\n"),
            (paths.unified(), "cpu.pressure", "some avg10=1.00\n"),
        ] {
            fs::create_dir_all(&folder).expect("made");
            fs::write(folder.join(file), text).expect("written");
        }
        let facts = look(&paths);
        assert_eq!(facts["cgroups"]["/"]["memory.current"], "7");
        let kubelet = &facts["cgroups"]["/memory/system.slice/kubelet.service"];
        assert_eq!(kubelet["memory.usage_in_bytes"], "9");
        assert_eq!(facts["cgroups"]["/unified"]["cpu.pressure"], "some avg10=1.00");
        assert_eq!(facts["disks"][0]["folder"], "/");
        assert!(facts["disks"][0]["bytes"].as_u64() > Some(0), "{facts}");
    }

    #[test]
    fn systemds_words_are_taken_apart() {
        assert_eq!(
            properties("ActiveState=active\nResult=success"),
            json!({"ActiveState": "active", "Result": "success"})
        );
    }
}
