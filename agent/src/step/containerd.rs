//! containerd's configuration: kept when what is there already says what kubelet needs, written otherwise.

use super::StepError;
use super::node::NodeKind;
use crate::{command, durable};
use std::fmt::Write as _;
use std::path::Path;

/// The pause image that kubeadm of this Kubernetes release expects.
pub(crate) const SANDBOX_IMAGE: &str = "registry.k8s.io/pause:3.10.1";
const PATH: &str = "/etc/containerd/config.toml";

/// Makes the configuration right; says whether containerd must be restarted for it.
pub(crate) fn configure(kind: NodeKind) -> Result<bool, StepError> {
    let path = Path::new(PATH);
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if suffices(&found, kind) {
        return Ok(false);
    }
    let wanted = if major_version() >= 2 {
        render_v3(kind)
    } else {
        render_v2(kind)
    };
    durable::write_if_changed(path, &wanted, 0o644).map_err(StepError::io("write", path))
}

/// Whether the file says all that matters here; an image may bring one with more in it.
pub(crate) fn suffices(text: &str, kind: NodeKind) -> bool {
    let says = |key: &str, value: &str| {
        text.lines().any(|line| {
            let mut sides = line.splitn(2, '=').map(str::trim);
            sides.next() == Some(key) && sides.next() == Some(value)
        })
    };
    let sandbox = format!("\"{SANDBOX_IMAGE}\"");
    (says("sandbox_image", &sandbox) || says("sandbox", &sandbox))
        && (kind.sys_resource || says("restrict_oom_score_adj", "true"))
        && (kind.cgroup_v1 || says("SystemdCgroup", "true"))
        && !text
            .lines()
            .any(|l| l.starts_with("disabled_plugins") && l.contains("cri"))
}

fn major_version() -> u32 {
    let out = command::run(Path::new("/usr/bin/containerd"), ["--version"])
        .map(|o| o.stdout)
        .unwrap_or_default();
    // `containerd github.com/containerd/containerd 1.6.20~ds1 ...`
    out.split_whitespace()
        .filter_map(|word| word.trim_start_matches('v').split_once('.')?.0.parse().ok())
        .next()
        .unwrap_or(1)
}

fn render_v2(kind: NodeKind) -> String {
    let mut text =
        String::from("# Written by drillyard-agent.\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n");
    let _ = writeln!(text, "  sandbox_image = \"{SANDBOX_IMAGE}\"");
    if !kind.sys_resource {
        text.push_str("  restrict_oom_score_adj = true\n");
    }
    text.push_str("  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n    bin_dir = \"/opt/cni/bin\"\n    conf_dir = \"/etc/cni/net.d\"\n");
    if !kind.cgroup_v1 {
        text.push_str("  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n    runtime_type = \"io.containerd.runc.v2\"\n");
        text.push_str("    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n      SystemdCgroup = true\n");
    }
    text
}

fn render_v3(kind: NodeKind) -> String {
    let mut text = String::from(
        "# Written by drillyard-agent.\nversion = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\n",
    );
    let _ = writeln!(text, "  sandbox = \"{SANDBOX_IMAGE}\"");
    text.push_str("[plugins.'io.containerd.cri.v1.runtime']\n");
    if !kind.sys_resource {
        text.push_str("  restrict_oom_score_adj = true\n");
    }
    text.push_str("  [plugins.'io.containerd.cri.v1.runtime'.cni]\n    bin_dirs = [\"/opt/cni/bin\"]\n    conf_dir = \"/etc/cni/net.d\"\n");
    if !kind.cgroup_v1 {
        text.push_str("  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n    runtime_type = \"io.containerd.runc.v2\"\n");
        text.push_str("    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n      SystemdCgroup = true\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> impl Iterator<Item = NodeKind> {
        [(true, true), (true, false), (false, true), (false, false)]
            .into_iter()
            .map(|(cgroup_v1, sys_resource)| NodeKind {
                cgroup_v1,
                sys_resource,
                has_bundle: true,
            })
    }

    #[test]
    fn what_is_written_suffices_for_the_kind_it_was_written_for() {
        for kind in kinds() {
            assert!(suffices(&render_v2(kind), kind), "{kind:?}");
            assert!(suffices(&render_v3(kind), kind), "{kind:?}");
        }
    }

    #[test]
    fn a_distribution_default_or_a_disabled_plugin_does_not_suffice() {
        let kind = NodeKind {
            cgroup_v1: true,
            sys_resource: true,
            has_bundle: true,
        };
        assert!(!suffices("version = 2\n", kind));
        assert!(!suffices(
            &format!("disabled_plugins = [\"cri\"]\n{}", render_v2(kind)),
            kind
        ));
    }
}
