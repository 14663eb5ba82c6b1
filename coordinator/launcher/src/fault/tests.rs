//! Leases on the host with the one fault that needs no node: a packet filter between addresses that nobody has. The guard
//! is a script in our program's place that does what `lease-guard` does up to its first word, or the real loop in a thread.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use model::fault::HostFault;
use model::ids::{ClusterName, LeaseId};
use model::lab::Lab;
use model::lease::{LeaseState, Terms, UndoCause};

use super::{cut, forget, heal, inject, record, renew, run_guard, status, survey, undo};
use crate::process::wait_until;
use crate::spec::LabHandle;

struct Bench {
    handle: LabHandle,
    lab: Lab,
    program: PathBuf,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// None where packet filters cannot be made.
    fn new(name: &str, word: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let probe = LeaseId([0xee; 16]);
        if !nix::unistd::geteuid().is_root()
            || cut::between(name, probe, "192.0.2.1", "192.0.2.2").is_err()
            || cut::undo(name, probe).is_err()
        {
            eprintln!("SKIPPED: needs root and nftables");
            return None;
        }
        let program = dir.path().join("guard");
        std::fs::write(&program, format!("#!/bin/sh\necho {word}\nexec sleep 60\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let handle = LabHandle {
            lab: name.into(),
            home: dir.path().join("home"),
            cache: dir.path().join("cache"),
        };
        Some(Self {
            handle,
            lab: Lab::with_subnet(name, [192, 0, 2]),
            program,
            _dir: dir,
        })
    }

    fn inject(&self, lease: LeaseId, ttl_ms: u64) -> Result<(), crate::LaunchError> {
        let cluster = |n: &str| ClusterName::new(n).unwrap();
        let fault = HostFault::CutClusters {
            one: cluster("mgmt"),
            other: cluster("app1"),
        };
        let terms = Terms::new(ttl_ms, 2_000, 60_000).unwrap();
        inject(
            &self.handle,
            &self.lab,
            &self.program,
            lease,
            terms,
            &fault,
            || (),
        )
        .map(|_| ())
    }

    fn state(&self, lease: LeaseId) -> LeaseState {
        status(&self.handle, lease).unwrap().unwrap().state
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        forget(&self.handle).unwrap();
    }
}

#[test]
fn a_lease_is_injected_once_renewed_and_undone_by_its_guard() {
    let Some(bench) = Bench::new("lease-a", "watches") else {
        return;
    };
    let lease = LeaseId([1; 16]);
    bench.inject(lease, 700).unwrap();
    assert_eq!(cut::tables("lease-a").unwrap(), [lease]);
    let twice = bench.inject(lease, 700);
    assert!(
        matches!(twice, Err(crate::LaunchError::Lease { .. })),
        "{twice:?}"
    );
    let before = status(&bench.handle, lease).unwrap().unwrap().deadline;
    std::thread::sleep(Duration::from_millis(20));
    assert!(renew(&bench.handle, lease).unwrap().deadline > before);
    let handle = bench.handle.clone();
    let guard = std::thread::spawn(move || run_guard(&handle, lease, &mut Vec::new()));
    guard.join().unwrap().unwrap();
    let over = status(&bench.handle, lease).unwrap().unwrap();
    assert_eq!(
        (over.state, over.cause),
        (LeaseState::Undone, Some(UndoCause::Expired))
    );
    let late = over.undone.unwrap().to.millis_since(over.deadline);
    assert!(late < 1_000, "undone {late} ms late");
    assert_eq!(cut::tables("lease-a").unwrap(), []);
    assert!(renew(&bench.handle, lease).is_err());
}

#[test]
fn without_a_guard_nothing_is_broken() {
    let Some(bench) = Bench::new("lease-b", "no") else {
        return;
    };
    std::fs::write(&bench.program, "#!/bin/sh\nexit 1\n").unwrap();
    let lease = LeaseId([2; 16]);
    assert!(bench.inject(lease, 5_000).is_err());
    assert_eq!(cut::tables("lease-b").unwrap(), []);
}

#[test]
fn a_dead_owner_s_lease_ends_after_its_grace_and_residue_is_healed() {
    let Some(bench) = Bench::new("lease-c", "watches") else {
        return;
    };
    let lease = LeaseId([3; 16]);
    bench.inject(lease, 30_000).unwrap();
    let mut record = record::Record::load(&bench.handle, lease).unwrap().unwrap();
    record.owner = None;
    record.save(&bench.handle).unwrap();
    let handle = bench.handle.clone();
    let guard = std::thread::spawn(move || run_guard(&handle, lease, &mut Vec::new()));
    assert!(wait_until(Duration::from_secs(10), || bench.state(lease)
        == LeaseState::Undone));
    guard.join().unwrap().unwrap();
    let over = status(&bench.handle, lease).unwrap().unwrap();
    assert_eq!(over.cause, Some(UndoCause::CoordinatorLost));

    let stray = LeaseId([4; 16]);
    cut::between("lease-c", stray, "192.0.2.1", "192.0.2.2").unwrap();
    let found = survey(&bench.handle).unwrap();
    assert!(found.leases.is_empty());
    assert_eq!(found.residue.len(), 1, "{found:?}");
    heal(&bench.handle).unwrap();
    assert_eq!(survey(&bench.handle).unwrap().residue, Vec::<String>::new());
    assert_eq!(undo(&bench.handle, stray, UndoCause::Released).unwrap(), None);
}
