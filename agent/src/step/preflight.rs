//! Which of kubeadm's preflight checks are ignored: by name, and only where a probe showed the finding as harmless.

use super::node::NodeKind;
use std::path::Path;

/// Names for `ignorePreflightErrors`, each with the probe that justifies it.
pub(crate) fn ignorable(kind: NodeKind) -> Vec<&'static str> {
    let bridge = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
    let forward = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap_or_default();
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let modules = Path::new("/lib/modules").is_dir();
    let findings = [
        // kubelet is told to accept version 1; and without a modules folder kubeadm cannot read the kernel's configuration.
        ("SystemVerification", kind.cgroup_v1 || !modules),
        ("NumCPU", cpus < 2),
        ("Swap", swaps.lines().count() > 1),
        (
            "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
            !bridge.exists(),
        ),
        // Forwarding was switched on by preparation; where that was refused, the host forwards for its nodes.
        ("FileContent--proc-sys-net-ipv4-ip_forward", forward.trim() != "1"),
    ];
    findings
        .into_iter()
        .filter(|(_, found)| *found)
        .map(|(name, _)| name)
        .collect()
}
