//! What kind of node this is: control group version, capabilities, processors. Detected, never required.

use std::path::Path;

/// Facts that change what is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeKind {
    /// Control groups of version 1, or the hybrid of both.
    pub(crate) cgroup_v1: bool,
    /// Without CAP_SYS_RESOURCE a negative `oom_score_adj` is refused, and with it every pod sandbox.
    pub(crate) sys_resource: bool,
    /// A bundle with image archives is there, so nothing needs to be pulled.
    pub(crate) has_bundle: bool,
}

impl NodeKind {
    /// Looks at this node.
    pub(crate) fn detect(bundle: &Path) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cgroup_v1: Path::new("/sys/fs/cgroup/memory").is_dir(),
            sys_resource: has_sys_resource(&status),
            has_bundle: bundle.join("images").is_dir(),
        }
    }

    /// The driver that kubelet and containerd must agree on.
    pub(crate) fn cgroup_driver(self) -> &'static str {
        if self.cgroup_v1 { "cgroupfs" } else { "systemd" }
    }
}

fn has_sys_resource(status: &str) -> bool {
    const BIT: u32 = 24;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    mask >> BIT & 1 == 1
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_capability_is_read_from_the_effective_set() {
        assert!(super::has_sys_resource("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!super::has_sys_resource(
            "CapEff:\t000001fffeffffff\nCapBnd:\t000001ffffffffff\n"
        ));
        assert!(!super::has_sys_resource(""));
    }
}
