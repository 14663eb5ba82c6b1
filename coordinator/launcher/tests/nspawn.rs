//! Real nodes: booted, adopted, killed, frozen, removed. Needs root and the root file system of the bundle; where they
//! are missing it says so and passes. The lab and its subnet are this test's own, so it runs beside any other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use launcher::cgroup::NodeCgroup;
use launcher::process::ProcessId;
use launcher::record::{NodeRecord, Stage};
use launcher::{
    LabHandle, LaunchError, NetworkSpec, NodeProvider, NodeSpec, NodeState, Nspawn, Outcome, Power, PowerOff,
    down, ensure_network, fault, mounts, names,
};
use model::fault::HostFault;
use model::ids::{LeaseId, NodeName};
use model::lease::{LeaseState, Terms, UndoCause};

const LAB: &str = "launcher-test";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 73, 1);
const USER_DATA: &str = "#cloud-config\nwrite_files:\n  - path: /var/lib/marker\n    content: 'here'\n";

struct Lab {
    handle: LabHandle,
    provider: Nspawn,
    asked: AtomicUsize,
    _home: tempfile::TempDir,
}

impl Lab {
    fn new() -> Option<Self> {
        let cache = std::env::var_os("DRILLYARD_CACHE").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/drillyard"),
            PathBuf::from,
        );
        if !nix::unistd::geteuid().is_root() || !cache.join("rootfs/tree/usr/bin").exists() {
            eprintln!("skipped: needs root and a root file system (coordinator bundle build makes one)");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let handle = LabHandle {
            lab: LAB.into(),
            home: home.path().to_path_buf(),
            cache,
        };
        ensure_network(&handle, &network(GATEWAY)).unwrap();
        Some(Self {
            provider: Nspawn::new(handle.clone()),
            handle,
            asked: AtomicUsize::new(0),
            _home: home,
        })
    }

    fn ensure(&self, spec: &NodeSpec) -> Result<NodeState, LaunchError> {
        self.provider.ensure(spec, &mut || {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(USER_DATA.to_owned())
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn power(&self, node: &str) -> Power {
        self.provider
            .state(node)
            .unwrap()
            .map_or(Power::Absent, |s| s.power)
    }

    /// A file of the running node, read through its PID 1.
    fn file(&self, node: &str, path: &str) -> PathBuf {
        let leader = self.provider.state(node).unwrap().unwrap().leader.unwrap();
        Path::new(&format!("/proc/{leader}/root")).join(path)
    }

    fn left_on_host(&self) -> Vec<String> {
        let home = self.handle.home.display().to_string();
        let mut left: Vec<String> = mounts::list()
            .unwrap()
            .iter()
            .filter(|m| m.target.starts_with(&home))
            .map(|m| m.target.display().to_string())
            .collect();
        let losetup = Command::new("losetup").arg("--list").output().unwrap();
        let devices = String::from_utf8_lossy(&losetup.stdout).into_owned();
        left.extend(devices.lines().filter(|l| l.contains(&home)).map(String::from));
        let label = names::machine_prefix(LAB);
        left.extend(
            launcher::cgroup::top_groups()
                .into_iter()
                .filter(|g| g.starts_with(&label)),
        );
        let keepers = launcher::process::all()
            .into_iter()
            .flat_map(ProcessId::arguments);
        left.extend(keepers.filter(|a| a.contains(&home)));
        let bridge = Path::new("/sys/class/net").join(names::bridge(LAB));
        let note = Path::new("/run").join(format!("{}.home", names::lab_label(LAB)));
        left.extend(
            [bridge, note]
                .iter()
                .filter(|p| p.exists())
                .map(|p| p.display().to_string()),
        );
        left
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let report = down(&self.handle);
        if !report.is_clean() {
            eprintln!("{report:?}");
        }
    }
}

fn network(bridge_address: Ipv4Addr) -> NetworkSpec {
    NetworkSpec {
        bridge_address,
        prefix: 24,
    }
}

fn spec(name: &str, last: u8) -> NodeSpec {
    NodeSpec {
        name: name.into(),
        role: "worker".into(),
        address: Ipv4Addr::new(192, 168, 73, last),
        prefix: 24,
        gateway: GATEWAY,
        cpus: 1,
        memory_mib: 1024,
        disk_gib: 7,
    }
}

/// Polls until `seen` gives a value, and fails with its last words otherwise.
fn wait_for<T>(what: &str, mut seen: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match seen() {
            Ok(value) => return value,
            Err(last) => assert!(Instant::now() < deadline, "{what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

#[test]
fn a_node_lives_through_everything_and_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    let (a, b) = (spec("a", 10), spec("b", 11));

    // Two at once, as Terraform starts them.
    let state = std::thread::scope(|s| {
        let other = s.spawn(|| lab.ensure(&b).unwrap());
        let state = lab.ensure(&a).unwrap();
        assert_eq!(other.join().unwrap().outcome, Outcome::Created);
        state
    });
    assert_eq!((state.outcome, state.power), (Outcome::Created, Power::Running));
    assert_eq!(lab.asked(), 2);
    is_what_was_asked_for(&lab);
    answers_on_its_address(&a);

    // Again: adopted, and no further token is minted.
    assert_eq!(lab.ensure(&a).unwrap().outcome, Outcome::Adopted);
    assert_eq!(lab.asked(), 2);

    limits_change_in_place_and_identity_does_not(&lab, &a);
    power_loss_brings_the_same_node_back(&lab, &a);
    suspended_nodes_stand_still(&lab);
    a_power_loss_cut_short_is_finished_before_power_comes_back(&lab, &a);
    power_comes_back_where_the_loss_cannot_be_read(&lab, &a);

    fs::create_dir_all(lab.file("a", "var/lib/drillyard/seed")).unwrap();
    lab.provider.deliver_token("a", "fresh").unwrap();
    assert_eq!(
        read(&lab.file("a", "var/lib/drillyard/seed/token")).unwrap(),
        "fresh"
    );

    // One goes, the other stays, and the disk of the first is really free.
    lab.provider.remove("b").unwrap();
    assert_eq!((lab.power("b"), lab.power("a")), (Power::Absent, Power::Running));
    let left = lab.left_on_host();
    assert!(
        !left.iter().any(|l| l.contains("/nodes/b/") || l.ends_with("-b")),
        "{left:?}"
    );

    lab.provider.power_off("a", PowerOff::Orderly).unwrap();
    assert_eq!(lab.power("a"), Power::Off);
    assert_eq!(lab.provider.power_on("a").unwrap().outcome, Outcome::PoweredOn);

    // Even with the record lost, the label is found; and once more finds nothing.
    fs::remove_file(lab.handle.node_dir("a").join("node.json")).unwrap();
    let report = down(&lab.handle);
    assert!(report.is_clean() && report.nodes == ["a"], "{report:?}");
    assert_eq!(lab.left_on_host(), Vec::<String>::new());
    assert!(down(&lab.handle).nodes.is_empty());

    a_creation_cut_short_is_done_again(&lab, &a);
    foreign_addresses_are_refused(&lab);
    let error = lab.provider.power_on("nobody").unwrap_err();
    assert!(matches!(error, LaunchError::NotFound { .. }), "{error}");
    assert!(!lab.handle.node_dir("nobody").exists());
}

fn is_what_was_asked_for(lab: &Lab) {
    let hostname = read(&lab.file("a", "etc/hostname")).unwrap();
    assert_eq!(hostname, "a\n");
    wait_for("user-data applied", || read(&lab.file("a", "var/lib/marker")));
    let leader = lab.provider.state("a").unwrap().unwrap().leader.unwrap();
    let status = fs::read_to_string(format!("/proc/{leader}/status")).unwrap();
    let bounding = status.lines().find_map(|l| l.strip_prefix("CapBnd:")).unwrap();
    let bounding = u64::from_str_radix(bounding.trim(), 16).unwrap();
    assert_eq!(bounding & (1 << 25), 0, "the node may set the host's clock");
    let disk = nix::sys::statvfs::statvfs(&lab.file("a", "var/lib/containerd")).unwrap();
    let gib = (disk.blocks() * disk.fragment_size()) >> 30;
    assert_eq!(gib, 6, "a 7 GiB disk has 6 whole ones for files");
    let seed = lab.file("a", "var/lib/cloud/seed/nocloud/user-data");
    assert_eq!(fs::metadata(seed).unwrap().permissions().mode() & 0o777, 0o600);
    let processes = NodeCgroup::of(&names::machine(LAB, "a")).processes();
    assert!(
        processes.iter().any(|p| p.pid == leader),
        "the node is outside its group"
    );
}

/// Nothing listens there, so the node itself has to refuse.
fn answers_on_its_address(spec: &NodeSpec) {
    wait_for("answer of the node", || {
        let to = SocketAddr::from((spec.address, 9));
        match TcpStream::connect_timeout(&to, Duration::from_millis(500)) {
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn limits_change_in_place_and_identity_does_not(lab: &Lab, node: &NodeSpec) {
    let larger = NodeSpec {
        memory_mib: 2048,
        ..node.clone()
    };
    assert_eq!(lab.ensure(&larger).unwrap().outcome, Outcome::Adopted);
    let v1 = Path::new("/sys/fs/cgroup/memory").join(names::machine(LAB, "a"));
    if v1.exists() {
        let limit = read(&v1.join("memory.limit_in_bytes")).unwrap();
        assert_eq!(limit.trim(), (2048_u64 << 20).to_string());
    }
    let moved = NodeSpec {
        address: Ipv4Addr::new(192, 168, 73, 99),
        ..node.clone()
    };
    let error = lab.ensure(&moved).unwrap_err();
    assert!(
        matches!(error, LaunchError::SpecDiffers { field: "address", .. }),
        "{error}"
    );
}

fn power_loss_brings_the_same_node_back(lab: &Lab, node: &NodeSpec) {
    let id = read(&lab.file("a", "etc/machine-id")).unwrap();
    let before = lab.provider.state("a").unwrap().unwrap();
    let keeper = NodeRecord::load(&lab.handle, "a")
        .unwrap()
        .unwrap()
        .process
        .unwrap();
    keeper.signal(nix::sys::signal::Signal::SIGKILL);
    wait_for("end of the keeper", || match lab.power("a") {
        Power::Off => Ok(()),
        other => Err(other.to_string()),
    });
    let after = lab.ensure(node).unwrap();
    assert_eq!(
        (after.outcome, after.generation),
        (Outcome::PoweredOn, before.generation)
    );
    assert_eq!(read(&lab.file("a", "etc/machine-id")).unwrap(), id);
    assert_eq!(
        lab.asked(),
        2,
        "a token was minted for a node that has its identity"
    );
    answers_on_its_address(node);
}

fn suspended_nodes_stand_still(lab: &Lab) {
    lab.provider.suspend("a").unwrap();
    assert_eq!(lab.power("a"), Power::Suspended);
    assert_eq!(lab.provider.resume("a").unwrap().power, Power::Running);
    lab.provider.suspend("a").unwrap();
    // A frozen node can still lose power.
    lab.provider.power_off("a", PowerOff::Abrupt).unwrap();
    assert_eq!(lab.power("a"), Power::Off);
    assert_eq!(lab.provider.power_on("a").unwrap().power, Power::Running);
}

/// The coordinator dies between its record and the loss, and the test begins the loss in its place.
fn a_power_loss_cut_short_is_finished_before_power_comes_back(lab: &Lab, node: &NodeSpec) {
    let program = lab.handle.home.join("guard");
    fs::write(&program, "#!/bin/sh\necho watches\nexec sleep 60\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let lease = LeaseId([1; 16]);
    let terms = Terms::new(60_000, 2_000, 60_000).unwrap();
    let loss = HostFault::PowerLoss {
        node: NodeName::new("a").unwrap(),
    };
    let parts = model::lab::Lab::default();
    let died = catch_unwind(AssertUnwindSafe(|| {
        let handle = &lab.handle;
        fault::inject(handle, &parts, &program, lease, terms, &loss, || {
            panic!("the coordinator is killed")
        })
    }));
    assert!(died.is_err());

    let before = lab.provider.state("a").unwrap().unwrap();
    assert_eq!(before.power, Power::Running);
    let machine = names::machine(LAB, "a");
    let port = format!("vb-{machine}");
    let cut = Command::new("ip")
        .args(["link", "set", "dev", &port, "down"])
        .status();
    assert!(cut.unwrap().success());
    NodeCgroup::of(&machine).freeze(true).unwrap();

    let status = fault::undo(&lab.handle, lease, UndoCause::CoordinatorLost).unwrap();
    assert_eq!(status.unwrap().state, LeaseState::Undone);
    let after = lab.provider.state("a").unwrap().unwrap();
    assert_eq!(after.power, Power::Running);
    assert_ne!(after.leader, before.leader, "the same boot went on");
    answers_on_its_address(node);
    assert_eq!(fault::survey(&lab.handle).unwrap().residue, Vec::<String>::new());
}

fn power_comes_back_where_the_loss_cannot_be_read(lab: &Lab, node: &NodeSpec) {
    lab.provider.power_off("a", PowerOff::Abrupt).unwrap();
    let residue = || fault::survey(&lab.handle).unwrap().residue;
    assert_eq!(
        residue(),
        Vec::<String>::new(),
        "somebody may have switched it off"
    );
    let record = format!("leases/{}.json", LeaseId([2; 16]));
    fs::write(lab.handle.home.join(record), "{").unwrap();
    let found = residue();
    assert!(found.contains(&"node a is off".to_owned()), "{found:?}");
    fault::heal(&lab.handle).unwrap();
    assert_eq!(lab.power("a"), Power::Running);
    answers_on_its_address(node);
    assert_eq!(residue(), Vec::<String>::new());
}

fn a_creation_cut_short_is_done_again(lab: &Lab, node: &NodeSpec) {
    ensure_network(&lab.handle, &network(GATEWAY)).unwrap();
    let record = NodeRecord::new(&lab.handle, "nspawn", node);
    assert_eq!(record.stage, Stage::Creating);
    fs::create_dir_all(lab.handle.node_dir("a")).unwrap();
    record.save(&lab.handle).unwrap();
    fs::write(lab.handle.node_dir("a").join("disk.img"), "half").unwrap();
    let error = lab
        .provider
        .ensure(node, &mut || Err("no coordinator".into()))
        .unwrap_err();
    assert!(matches!(error, LaunchError::UserData { .. }), "{error}");
    assert_eq!(lab.ensure(node).unwrap().outcome, Outcome::Created);
    lab.provider.remove("a").unwrap();
}

fn foreign_addresses_are_refused(lab: &Lab) {
    let loopback = network(Ipv4Addr::new(127, 0, 5, 1));
    let error = ensure_network(&lab.handle, &loopback).unwrap_err();
    assert!(matches!(error, LaunchError::AddressInUse { .. }), "{error}");
}
