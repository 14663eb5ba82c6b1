//! `PrepareNode`: container runtime, kubelet's unit, links to the bundle, kernel settings. Idempotent throughout.

use super::node::NodeKind;
use super::{Context, StepError, cgroup, containerd, systemd, until};
use crate::durable;
use crate::paths::Paths;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const KUBELET_UNIT: &str = include_str!("kubelet.service");
const KUBELET_UNIT_PATH: &str = "/etc/systemd/system/kubelet.service";
const KUBELET_WANTED: &str = "/etc/systemd/system/multi-user.target.wants/kubelet.service";
const PROGRAMS: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];
const CONTAINERD_SECONDS: u64 = 60;

/// What differs from what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// systemd must read its units again.
    pub units: bool,
    /// containerd must be restarted.
    pub containerd: bool,
}

pub(crate) fn prepare(context: &Context, address: Ipv4Addr) -> Result<(), StepError> {
    context.say("preparing container runtime and kubelet");
    if Path::new("/sys/fs/cgroup/memory").is_dir() {
        let changed = cgroup::make_writable()?;
        println!("{changed} control group hierarchies made writable");
    }
    has_address(address)?;
    let changed = write_static(&context.paths)?;
    if changed.units {
        systemd::reload()?;
    }
    if changed.containerd {
        systemd::restart("containerd.service")?;
    } else if !answers(&context.paths) {
        systemd::start("containerd.service")?;
    }
    await_containerd(context)
}

/// All files that depend on nothing but the node; installing the agent writes them too, so that the step finds them.
pub fn write_static(paths: &Paths) -> Result<Changed, StepError> {
    let bundle = paths.bundle();
    for program in PROGRAMS {
        let from = bundle.join("bin").join(program);
        if from.exists() {
            link(&from, &Path::new("/usr/bin").join(program))?;
        } else if !Path::new("/usr/bin").join(program).exists() {
            return Err(StepError::Missing { what: program.into() });
        }
    }
    cni_links()?;
    for folder in ["/etc/kubernetes/manifests", "/etc/cni/net.d", "/var/lib/kubelet"] {
        std::fs::create_dir_all(folder).map_err(StepError::io("make", folder))?;
    }
    let units = durable::write_if_changed(Path::new(KUBELET_UNIT_PATH), KUBELET_UNIT, 0o644)
        .map_err(StepError::io("write", KUBELET_UNIT_PATH))?;
    link(Path::new(KUBELET_UNIT_PATH), Path::new(KUBELET_WANTED))?;
    sysctls();
    Ok(Changed {
        units,
        containerd: containerd::configure(NodeKind::detect(&bundle))?,
    })
}

/// Forwarding belongs to the node's own network; anything wider is the host's business and is not touched.
fn sysctls() {
    for (key, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/bridge/bridge-nf-call-iptables", "1"),
    ] {
        let path = Path::new("/proc/sys").join(key);
        let wrong = std::fs::read_to_string(&path).is_ok_and(|now| now.trim() != value);
        if wrong && let Err(error) = std::fs::write(&path, value) {
            println!("{} stays as it is: {error}", path.display());
        }
    }
}

/// Static pods and kubelet's registration use this address; without it nothing later can work.
fn has_address(address: Ipv4Addr) -> Result<(), StepError> {
    let found = nix::ifaddrs::getifaddrs().map_err(|e| StepError::io("list", "addresses")(e.into()))?;
    let ours = found.filter_map(|a| a.address.and_then(|s| s.as_sockaddr_in().map(|i| i.ip())));
    if ours.into_iter().any(|ip| ip == address) {
        return Ok(());
    }
    Err(StepError::Missing {
        what: format!("address {address}"),
    })
}

fn cni_links() -> Result<(), StepError> {
    let (from, to) = (Path::new("/usr/lib/cni"), Path::new("/opt/cni/bin"));
    std::fs::create_dir_all(to).map_err(StepError::io("make", to))?;
    let Ok(entries) = std::fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if !target.exists() {
            link(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<(), StepError> {
    if std::fs::read_link(to).is_ok_and(|found| found == from) {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(StepError::io("make", parent))?;
    }
    durable::remove(to).map_err(StepError::io("remove", to))?;
    symlink(from, to).map_err(StepError::io("link", to))
}

/// Whether containerd accepts connections: it listens only after all of its plugins are loaded.
pub(crate) fn answers(paths: &Paths) -> bool {
    UnixStream::connect(paths.containerd_socket()).is_ok()
}

fn await_containerd(context: &Context) -> Result<(), StepError> {
    let socket = context.paths.containerd_socket();
    let limit = Duration::from_secs(CONTAINERD_SECONDS);
    until("containerd answers", limit, Duration::from_millis(20), || {
        Ok(UnixStream::connect(&socket).err().map(|error| error.to_string()))
    })
}

/// Whether everything the step makes is there; names the first thing that is not.
pub(crate) fn missing(paths: &Paths) -> Option<String> {
    let unit = std::fs::read_to_string(KUBELET_UNIT_PATH).is_ok_and(|text| text == KUBELET_UNIT);
    let config = std::fs::read_to_string("/etc/containerd/config.toml").unwrap_or_default();
    let checks = [
        (unit, "kubelet's unit"),
        (
            PROGRAMS.iter().all(|p| Path::new("/usr/bin").join(p).exists()),
            "links to the bundle's programs",
        ),
        (
            containerd::suffices(&config, NodeKind::detect(&paths.bundle())),
            "containerd's configuration",
        ),
        (answers(paths), "an answering containerd"),
    ];
    checks
        .into_iter()
        .find(|(there, _)| !there)
        .map(|(_, what)| format!("{what} is missing"))
}
