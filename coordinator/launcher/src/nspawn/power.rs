//! Whether a node runs, and changing that.

use std::fs;
use std::time::Duration;

use model::moment::Moment;
use nix::sys::signal::Signal;

use super::boot::{boot_failed, start};
use super::{NodePaths, Nspawn, disk};
use crate::cgroup::NodeCgroup;
use crate::clock::now;
use crate::error::LaunchError;
use crate::host_settings::HostSettings;
use crate::process::{ProcessId, wait_until};
use crate::provider::{NodeState, Outcome, Power, PowerOff};
use crate::record::NodeRecord;
use crate::{names, network};

/// The node's units get 20 s to stop, by its root file system's configuration.
const ORDERLY_LIMIT: Duration = Duration::from_secs(60);
const ABRUPT_LIMIT: Duration = Duration::from_secs(10);

/// How long a node may take to stand still before its power is gone. What does not is killed all the same, one by one.
const STILL_LIMIT: Duration = Duration::from_secs(1);
/// An idle machine shows its address after 3 s; six at once on two busy cores need several times that.
const ADDRESS_LIMIT: Duration = Duration::from_secs(120);

impl Nspawn {
    pub(super) fn observe(&self, record: &NodeRecord, outcome: Outcome) -> NodeState {
        let machine = names::machine(&self.lab.lab, &record.spec.name);
        let alive = record.process.filter(|p| p.is_alive());
        let power = match alive {
            None => Power::Off,
            Some(_) if NodeCgroup::of(&machine).is_frozen() => Power::Suspended,
            Some(_) => Power::Running,
        };
        NodeState {
            name: record.spec.name.clone(),
            machine,
            address: record.spec.address,
            power,
            leader: alive.and_then(ProcessId::first_child).map(|p| p.pid),
            generation: record.generation,
            outcome,
        }
    }

    /// Starts the node on the disk it has, and waits until its address is there.
    pub(super) fn start_on_disk(&self, record: &mut NodeRecord) -> Result<(), LaunchError> {
        let paths = self.paths(&record.spec.name);
        let machine = names::machine(&self.lab.lab, &record.spec.name);
        kill_all(&machine, &record.spec.name)?;
        network::release_port(&machine);
        disk::attach(&paths, &self.lab.rootfs_tree(), &machine)?;
        HostSettings::default().keep()?;
        let process = start(&self.lab, &paths, record)?;
        wait_for_address(&paths, record, process)
    }

    /// Answers since when nothing of the node acts on anything outside.
    pub(super) fn stop(&self, record: &NodeRecord, how: PowerOff) -> Result<Moment, LaunchError> {
        let name = &record.spec.name;
        let machine = names::machine(&self.lab.lab, name);
        let cgroup = NodeCgroup::of(&machine);
        let Some(process) = record.process.filter(|p| p.is_alive()) else {
            return kill_all(&machine, name).map(|()| now());
        };
        if how == PowerOff::Abrupt {
            // A power loss hits everything in one moment, and processes die one by one: none runs on while others are dead. Many
            // take a while to stand still, one port does not: who is outside sees the node go when its port does.
            let cut = network::cut_port(&machine).map(|()| now());
            let still = cgroup.freeze_within(true, STILL_LIMIT).map(|()| now());
            kill_all(&machine, name)?;
            return Ok(cut.or(still).unwrap_or_else(|_| now()));
        }
        if cgroup.is_held() {
            cgroup.freeze(false)?;
        }
        process.signal(Signal::SIGTERM);
        if wait_until(ORDERLY_LIMIT, || !process.is_alive()) {
            return kill_all(&machine, name).map(|()| now());
        }
        Err(LaunchError::Timeout {
            node: name.clone(),
            awaited: "orderly power-off".to_owned(),
            limit: ORDERLY_LIMIT,
            last: "running".to_owned(),
        })
    }
}

/// Ends every process of a machine, as a power loss does. Nothing to end is fine.
pub(crate) fn kill_all(machine: &str, node: &str) -> Result<(), LaunchError> {
    let cgroup = NodeCgroup::of(machine);
    let kill = || {
        let left = cgroup.processes();
        left.iter().for_each(|p| p.signal(Signal::SIGKILL));
        left.is_empty()
    };
    if cgroup.is_held() {
        // A frozen v1 group takes SIGKILL when it thaws, before anything else.
        kill();
        cgroup.freeze(false)?;
    }
    let gone = wait_until(ABRUPT_LIMIT, kill);
    if gone {
        return Ok(());
    }
    Err(LaunchError::Timeout {
        node: node.to_owned(),
        awaited: "end of all processes".to_owned(),
        limit: ABRUPT_LIMIT,
        last: format!("{} left", cgroup.processes().len()),
    })
}

/// The node's own routing table says that the address is configured, without a program started in the node.
fn wait_for_address(paths: &NodePaths, record: &NodeRecord, process: ProcessId) -> Result<(), LaunchError> {
    let spec = &record.spec;
    let needle = format!("|-- {}\n", spec.address);
    let mut ended = false;
    let mut booted = false;
    let seen = wait_until(ADDRESS_LIMIT, || {
        ended = !process.is_alive();
        let leader = process.first_child();
        booted |= leader.is_some();
        let table = leader
            .and_then(|l| fs::read_to_string(format!("/proc/{}/net/fib_trie", l.pid)).ok())
            .unwrap_or_default();
        ended || table.contains(&needle)
    });
    match (ended, seen) {
        (true, _) => Err(boot_failed(paths, &spec.name)),
        (false, true) => Ok(()),
        (false, false) => Err(LaunchError::Timeout {
            node: spec.name.clone(),
            awaited: format!("address {}", spec.address),
            limit: ADDRESS_LIMIT,
            last: (if booted { "init runs" } else { "no init" }).to_owned(),
        }),
    }
}
