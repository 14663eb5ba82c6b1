//! Starting a node: one systemd-nspawn process that outlives the launcher.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::disk::BOUND;
use super::{NodePaths, STORE_IN_NODE, UNIFIED_IN_NODE};
use crate::cgroup::{CgroupMode, NodeCgroup, mode};
use crate::command::{last_lines, start_error};
use crate::error::LaunchError;
use crate::names;
use crate::process::ProcessId;
use crate::record::NodeRecord;
use crate::spec::LabHandle;

/// Holds the new process until its pid is in the groups and on disk. If the launcher dies before it says so, the pipe
/// closes and the process ends without having done anything; a node that runs is therefore always a recorded one.
const GATE: &str = r#"read -r word && [ "$word" = go ] || exit 1; exec "$@" < /dev/null"#;

/// Starts the node's machine and records its process.
pub(super) fn start(
    lab: &LabHandle,
    paths: &NodePaths,
    record: &mut NodeRecord,
) -> Result<ProcessId, LaunchError> {
    let machine = names::machine(&lab.lab, &record.spec.name);
    let cgroup = NodeCgroup::of(&machine);
    // After a power loss the groups of the node's pods are still there, empty; kubelet then looks at each of them for
    // seconds before it starts anything. Groups with processes in them cannot be removed and stay.
    let _ = cgroup.remove();
    cgroup.create()?;
    cgroup.limit(record.spec.memory_mib, record.spec.cpus)?;
    let mut child = spawn_gated(lab, paths, record, &machine)?;
    let pid = child.id();
    let process = i32::try_from(pid).ok().and_then(ProcessId::of);
    let ready = cgroup.enter(pid).and_then(|()| {
        record.process = process;
        record.save(lab)
    });
    if let Err(error) = ready {
        drop(child.stdin.take());
        let _ = child.wait();
        return Err(error);
    }
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(b"go\n")
            .map_err(LaunchError::io("start", &paths.root))?;
    }
    process.ok_or_else(|| boot_failed(paths, &record.spec.name))
}

/// The error for a machine that ended while it should have come up.
pub(super) fn boot_failed(paths: &NodePaths, node: &str) -> LaunchError {
    let console = fs::read(&paths.console).unwrap_or_default();
    LaunchError::BootFailed {
        node: node.to_owned(),
        console: last_lines(&String::from_utf8_lossy(&console), 5),
    }
}

fn spawn_gated(
    lab: &LabHandle,
    paths: &NodePaths,
    record: &NodeRecord,
    machine: &str,
) -> Result<Child, LaunchError> {
    let console = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&paths.console)
        .map_err(LaunchError::io("open", &paths.console))?;
    let stderr = console
        .try_clone()
        .map_err(LaunchError::io("open", &paths.console))?;
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", GATE, "gate"])
        .args(arguments(lab, paths, record, machine));
    // Nothing of the launcher's environment is the node's business.
    command.env_clear();
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    for (name, value) in environment() {
        command.env(name, value);
    }
    command.current_dir("/").stdin(Stdio::piped());
    command.stdout(console).stderr(stderr);
    command.spawn().map_err(|e| start_error("setsid", e))
}

fn environment() -> Vec<(&'static str, &'static str)> {
    let mut set = vec![
        ("SYSTEMD_SECCOMP", "0"),
        ("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1"),
        ("SYSTEMD_NSPAWN_USE_CGNS", "1"),
    ];
    if mode() == CgroupMode::V1 {
        set.push(("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0"));
    }
    set
}

fn arguments(lab: &LabHandle, paths: &NodePaths, record: &NodeRecord, machine: &str) -> Vec<String> {
    let mut list: Vec<String> = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--timezone=off",
        "--resolv-conf=off",
        // A node never sets the clock: it is the host's.
        "--capability=all",
        "--drop-capability=CAP_SYS_TIME",
        // SIGTERM to nspawn becomes an orderly power-off of the node.
        "--kill-signal=RTMIN+4",
        // Not `passive`: nobody would drain that terminal, and the node's init would block on it.
        "--console=pipe",
    ]
    .map(String::from)
    .to_vec();
    list.push(format!("--machine={machine}"));
    list.push(format!("--hostname={}", record.spec.name));
    list.push(format!("--directory={}", paths.root.display()));
    list.push(format!("--network-bridge={}", names::bridge(&lab.lab)));
    for device in ["/dev/kmsg", "/dev/fuse"] {
        if Path::new(device).exists() {
            list.push(format!("--bind={device}"));
        }
    }
    for folder in BOUND {
        let from = paths.disk.join(folder);
        list.push(format!("--bind={}:/var/lib/{folder}", from.display()));
    }
    if let Some(group) = NodeCgroup::of(machine).pressure_group() {
        list.push(format!("--bind-ro={}:{UNIFIED_IN_NODE}", group.display()));
    }
    let bundle = lab.cache.join("bundle");
    for (from, to) in [
        (bundle, "/opt/drillyard/bundle"),
        (lab.rootfs_store(), STORE_IN_NODE),
    ] {
        if from.is_dir() {
            list.push(format!("--bind-ro={}:{to}", from.display()));
        }
    }
    list
}
