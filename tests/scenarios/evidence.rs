//! Breakages that need no node: made for real below a folder that stands for one, seen by the agent's own eyes, and called
//! by their names.

use agent::evidence::gather;
use agent::paths::Paths;
use domain::diagnosis::rank;
use model::step::{NodeStep, Role};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const STEP: NodeStep = NodeStep::ImportImages {
    role: Role::ControlPlane,
};

struct Node {
    _dir: tempfile::TempDir,
    paths: Paths,
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        Self { _dir: dir, paths }
    }

    fn has(self, path: &str, text: &str) -> Self {
        let path = self.paths.at(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
        self
    }

    /// The code of the most probable cause, with what speaks for it.
    fn told(&self) -> (String, String) {
        let causes = rank(&gather(&self.paths, &STEP));
        let first = causes.first().expect("a cause");
        (first.code.clone(), first.to_string())
    }
}

/// Mounted until it is dropped.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("made");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "drillyard-full"])
            .arg(at)
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn evidence_of_a_port_that_another_process_has() {
    // Whoever has it already is not etcd below this folder either.
    let _held = TcpListener::bind(("127.0.0.1", 2379));
    let node = Node::new().has("/etc/kubernetes/manifests/etcd.yaml", "spec:\n");
    let (code, text) = node.told();
    assert_eq!(code, "DY-0601", "{text}");
    assert!(
        text.contains("2379") && text.contains("where etcd should listen"),
        "{text}"
    );
}

#[test]
fn evidence_of_a_disk_that_is_full() {
    let node = Node::new();
    let etcd = node.paths.at("/var/lib/etcd");
    let Some(_mounted) = Mounted::tmpfs(&etcd) else {
        eprintln!("SKIPPED: nothing can be mounted here");
        return;
    };
    let file = std::fs::File::create(etcd.join("filled")).expect("made");
    nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, 63 << 20).expect("filled");
    let (code, text) = node.told();
    assert_eq!(code, "DY-0605", "{text}");
    assert!(text.contains("/var/lib/etcd: "), "{text}");
}

#[test]
fn evidence_of_a_configuration_that_cannot_work() {
    let kubelet = "/var/lib/kubelet/config.yaml";
    let node = Node::new()
        .has(kubelet, "cgroupDriver: systemd\nfailSwapOn: false\n")
        .has("/etc/containerd/config.toml", "SystemdCgroup = false\n");
    assert_eq!(node.told().0, "DY-0603");
    let node = Node::new()
        .has(kubelet, "failSwapOn: true\n")
        .has("/proc/swaps", "Filename Type\n/swap file\n");
    assert_eq!(node.told().0, "DY-0604");
}

#[test]
fn evidence_of_a_containers_last_words() {
    let node = Node::new().has(
        "/var/log/pods/kube-system_etcd-mgmt-cp_1/etcd/4.log",
        "2026-11-25T08:14:32.1Z stderr F {\"level\":\"fatal\",\"msg\":\"failed to create WAL\",\"error\":\"no space left on device\"}\n",
    );
    let (code, text) = node.told();
    assert_eq!(code, "DY-0605", "{text}");
    assert!(text.contains("etcd: {"), "{text}");
}
