//! What nodes that share this kernel need of it.

use std::fs;
use std::path::Path;

use super::fix::Fix;
use super::{ANSWER, HostCheck, Level};
use crate::cgroup::{CgroupMode, mode};
use crate::command::run_within;
use crate::error::LaunchError;

/// Six nodes with Cilium exhaust the usual 128, and its agents then crash with "too many open files".
const INOTIFY_INSTANCES: u64 = 8192;
const INOTIFY_WATCHES: u64 = 524_288;
const CAP_SYS_RESOURCE: u32 = 24;

/// The link that is made to see whether one can be.
const PROBE_LINK: &str = "dy-vxlan-probe";

pub(super) fn checks() -> Vec<HostCheck> {
    vec![
        cgroups(),
        sysctl(
            "inotify_instances",
            "fs.inotify.max_user_instances",
            INOTIFY_INSTANCES,
        ),
        sysctl("inotify_watches", "fs.inotify.max_user_watches", INOTIFY_WATCHES),
        overlay(),
        bpf(),
        vxlan(),
        loop_devices(),
        cap_sys_resource(),
    ]
}

fn cgroups() -> HostCheck {
    let root = Path::new("/sys/fs/cgroup");
    let wanted = ["cpu", "cpuset", "memory", "devices", "freezer", "pids", "unified"];
    let (found, missing): (&str, Vec<&str>) = match mode() {
        CgroupMode::V1 => (
            "v1 (hybrid)",
            wanted.into_iter().filter(|c| !root.join(c).is_dir()).collect(),
        ),
        CgroupMode::V2 => {
            let has = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
            let missing = ["cpu", "cpuset", "memory", "pids"]
                .into_iter()
                .filter(|c| !has.split_whitespace().any(|h| h == *c))
                .collect();
            ("v2", missing)
        }
    };
    HostCheck::of("cgroups", missing.is_empty(), Level::Fail)
        .found(match missing.as_slice() {
            [] => found.to_owned(),
            some => format!("{found} without {}", some.join(" ")),
        })
        .need("v2, or v1 with all controllers and the unified hierarchy")
        .remedy("mount the missing controllers, or boot with systemd.unified_cgroup_hierarchy=1")
}

fn sysctl(id: &'static str, key: &str, need: u64) -> HostCheck {
    let path = Path::new("/proc/sys").join(key.replace('.', "/"));
    let found = fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let good = found.parse::<u64>().is_ok_and(|n| n >= need);
    HostCheck::of(id, good, Level::Fail)
        .found(format!("{key} = {found}"))
        .need(format!("at least {need}"))
        .remedy(format!("sysctl -w {key}={need}"))
        .fix(Fix::RaiseSysctl {
            key: key.to_owned(),
            value: need,
        })
}

fn overlay() -> HostCheck {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let good = known.split_whitespace().any(|w| w == "overlay") || module_exists("overlay");
    HostCheck::of("overlay", good, Level::Fail)
        .found(if good { "there" } else { "unknown to this kernel" })
        .need("overlayfs, for the nodes' shared root file system")
        .remedy("modprobe overlay")
}

fn bpf() -> HostCheck {
    // The setting exists only in kernels with the bpf system call; BTF lets Cilium's programs fit themselves.
    let call = Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists();
    let btf = Path::new("/sys/kernel/btf/vmlinux").exists();
    HostCheck::of("bpf", call && btf, if call { Level::Warn } else { Level::Fail })
        .found(match (call, btf) {
            (true, true) => "bpf with BTF",
            (true, false) => "bpf without BTF",
            (false, _) => "no bpf",
        })
        .need("bpf with BTF, for Cilium")
        .remedy("use a kernel built with CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF")
}

/// A module list says little where everything is built in, so one is made: in a network of its own, which goes with the program
/// that made it, so that nothing is left of a look that was killed and two looks do not meet.
fn vxlan() -> HostCheck {
    let words = [
        "--net", "ip", "link", "add", PROBE_LINK, "type", "vxlan", "id", "4094", "dstport", "0",
    ];
    let made = run_within("unshare", words, "ip link add", ANSWER);
    let found = match &made {
        Ok(_) => "there".to_owned(),
        Err(error @ LaunchError::CommandHung { .. }) => error.to_string(),
        Err(_) => "a vxlan link cannot be made".to_owned(),
    };
    HostCheck::of("vxlan", made.is_ok(), Level::Fail)
        .found(found)
        .need("vxlan, for Cilium's tunnels")
        .remedy("modprobe vxlan, and run as root")
}

fn loop_devices() -> HostCheck {
    let good = Path::new("/dev/loop-control").exists();
    HostCheck::of("loop_devices", good, Level::Fail)
        .found(if good { "there" } else { "no /dev/loop-control" })
        .need("loop devices, for the nodes' disks")
        .remedy("modprobe loop, or give the container /dev/loop-control")
}

/// Its lack is adapted to, not refused: many containers are started without it.
fn cap_sys_resource() -> HostCheck {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|v| u64::from_str_radix(v.trim(), 16).ok())
        .unwrap_or_default();
    let good = effective & (1 << CAP_SYS_RESOURCE) != 0;
    HostCheck::of("cap_sys_resource", good, Level::Warn)
        .found(if good { "held" } else { "not held" })
        .need("nothing; with it, the node's daemons are protected from the OOM killer")
        .remedy("nothing to do: the lab adapts (no negative oom_score_adj)")
}

fn module_exists(module: &str) -> bool {
    run_within("modprobe", ["--dry-run", "--quiet", module], module, ANSWER).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_vxlan_do_not_meet_and_leave_nothing() {
        let looks: Vec<HostCheck> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..6).map(|_| scope.spawn(vxlan)).collect();
            started.into_iter().map(|look| look.join().unwrap()).collect()
        });
        // Without root none is made, and all say so.
        assert!(looks.iter().all(|look| *look == looks[0]), "{looks:?}");
        assert!(!Path::new("/sys/class/net").join(PROBE_LINK).exists());
    }
}
