//! Every path the agent touches, in one place. Tests put another root in front; nodes use `/`.

use model::ids::{Attempt, StepId};
use std::path::{Path, PathBuf};

/// Paths below one root folder.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self::below("/")
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident => $path:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> PathBuf {
            self.at($path)
        }
    )*};
}

impl Paths {
    /// All paths below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `path`, which is absolute on a node, below this root.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fixed! {
        /// What cloud-init left; root only.
        seed => "/var/lib/drillyard/seed";
        /// State of the unprivileged front.
        front => "/var/lib/drillyard/agent";
        /// State of the root helper.
        exec => "/var/lib/drillyard/exec";
        /// Runtime folder of the root helper, on tmpfs.
        run => "/run/drillyard";
        /// Where the root helper listens.
        socket => "/run/drillyard/exec.sock";
        /// This boot's id, drawn by the root helper.
        boot => "/run/drillyard/boot";
        /// Orders with their secrets while their unit runs, root only.
        steps => "/run/drillyard/steps";
        /// Secrets that steps yielded and nobody took yet, root only.
        yielded => "/run/drillyard/yielded";
        /// One line per running step: what it waits for.
        progress => "/run/drillyard/progress";
        /// Results, one file per attempt.
        results => "/var/lib/drillyard/exec/results";
        /// Attempts that were started, one file each.
        started => "/var/lib/drillyard/exec/started";
        /// Undo records of faults, one file per lease.
        leases => "/var/lib/drillyard/exec/leases";
        /// Exists once this node's API server was healthy: from then on nothing is reset or made anew.
        served => "/var/lib/drillyard/exec/served";
        /// The bundle, read-only.
        bundle => "/opt/drillyard/bundle";
        /// On a host with control groups of version 1: this node's group of the unified hierarchy, which the launcher binds.
        unified => "/opt/drillyard/cgroup";
        /// containerd's socket.
        containerd_socket => "/run/containerd/containerd.sock";
        /// What kubeadm makes.
        kubernetes => "/etc/kubernetes";
        /// Network namespaces of pods.
        netns => "/run/netns";
        /// Static pods, as kubelet finds them.
        manifests => "/etc/kubernetes/manifests";
        /// Static pods that a fault keeps from kubelet; on the same file system, so that moving is one rename.
        held_manifests => "/etc/kubernetes/drillyard-held";
        /// Kubelet's state.
        kubelet => "/var/lib/kubelet";
    }

    /// The file of one attempt in `folder`, with `extension`.
    pub fn attempt(folder: &Path, step: StepId, attempt: Attempt, extension: &str) -> PathBuf {
        folder.join(format!("{step}-{attempt}.{extension}"))
    }
}

/// Reads the name of an attempt's file back; `None` for names that are not one.
pub fn parse_attempt(file_name: &str) -> Option<(StepId, Attempt)> {
    let (stem, _) = file_name.split_once('.')?;
    let (step, attempt) = stem.split_once('-')?;
    Some((StepId::parse(step).ok()?, Attempt(attempt.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_files_round_trip_and_others_are_ignored() {
        let step = StepId([7; 32]);
        let path = Paths::attempt(&Paths::default().results(), step, Attempt(3), "json");
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        assert_eq!(parse_attempt(name), Some((step, Attempt(3))));
        assert_eq!(parse_attempt("x-1.json"), None);
        assert_eq!(parse_attempt(".tmp"), None);
    }

    #[test]
    fn another_root_moves_everything() {
        assert_eq!(
            Paths::below("/t").results(),
            PathBuf::from("/t/var/lib/drillyard/exec/results")
        );
    }
}
