//! The provider's operations, each under the node's lock.

use model::moment::Moment;

use super::{Nspawn, disk, power, remove, seed};
use crate::cgroup::NodeCgroup;
use crate::claim::Claim;
use crate::error::LaunchError;
use crate::files::{Lock, make_dir, write_durably};
use crate::mounts::unmount_below;
use crate::names;
use crate::provider::{NodeProvider, NodeState, Outcome, Power, PowerOff, UserDataSource};
use crate::record::{NodeRecord, Stage};
use crate::spec::NodeSpec;
use crate::user_data::TOKEN_IN_NODE;

impl NodeProvider for Nspawn {
    fn ensure(&self, spec: &NodeSpec, user_data: &mut UserDataSource<'_>) -> Result<NodeState, LaunchError> {
        self.lab.check()?;
        spec.check()?;
        require_root()?;
        let tree = self.lab.rootfs_tree();
        if !tree.join("usr/lib/systemd/systemd").exists() {
            return Err(LaunchError::RootfsMissing { path: tree });
        }
        Claim::of(&self.lab).take()?;
        let _lock = Lock::take(&self.paths(&spec.name).lock)?;
        match NodeRecord::load(&self.lab, &spec.name)? {
            Some(record) if record.stage == Stage::Created => self.take_over(record, spec),
            _ => self.create(spec, user_data),
        }
    }

    fn state(&self, node: &str) -> Result<Option<NodeState>, LaunchError> {
        let record = NodeRecord::load(&self.lab, node)?;
        Ok(record.map(|r| self.observe(&r, Outcome::Observed)))
    }

    fn remove(&self, node: &str) -> Result<(), LaunchError> {
        require_root()?;
        Claim::of(&self.lab).check()?;
        let machine = names::machine(&self.lab.lab, node);
        remove::remove_machine(&self.lab.node_dir(node), &machine, node).map(|_| ())
    }

    fn power_off(&self, node: &str, how: PowerOff) -> Result<Moment, LaunchError> {
        let (_lock, record) = self.locked(node)?;
        self.stop(&record, how)
    }

    fn power_on(&self, node: &str) -> Result<NodeState, LaunchError> {
        let (_lock, record) = self.locked(node)?;
        let spec = record.spec.clone();
        // A boot takes the note away, and the node with it.
        Claim::of(&self.lab).take()?;
        self.take_over(record, &spec)
    }

    fn suspend(&self, node: &str) -> Result<(), LaunchError> {
        let (_lock, record) = self.locked(node)?;
        self.freezable(&record, "suspended")?.freeze(true)
    }

    fn resume(&self, node: &str) -> Result<NodeState, LaunchError> {
        let (_lock, record) = self.locked(node)?;
        self.freezable(&record, "resumed")?.freeze(false)?;
        Ok(self.observe(&record, Outcome::Observed))
    }

    /// The root is mounted on the host as long as the node exists, so the file is written from here.
    fn deliver_token(&self, node: &str, token: &str) -> Result<(), LaunchError> {
        let (_lock, record) = self.locked(node)?;
        let paths = self.paths(node);
        let machine = names::machine(&self.lab.lab, &record.spec.name);
        disk::attach(&paths, &self.lab.rootfs_tree(), &machine)?;
        let token_file = paths.root.join(TOKEN_IN_NODE.trim_start_matches('/'));
        write_durably(&token_file, token.as_bytes(), 0o600)
    }
}

impl Nspawn {
    fn create(&self, spec: &NodeSpec, user_data: &mut UserDataSource<'_>) -> Result<NodeState, LaunchError> {
        let paths = self.paths(&spec.name);
        let machine = names::machine(&self.lab.lab, &spec.name);
        // What an interrupted attempt left has never run: it is cleared, not repaired.
        power::kill_all(&machine, &spec.name)?;
        unmount_below(&paths.dir)?;
        let mut record = NodeRecord::new(&self.lab, "nspawn", spec);
        record.save(&self.lab)?;
        // The bundle may still be in the making; a mount point that exists lets it appear in the node later.
        make_dir(&self.lab.cache.join("bundle"), 0o755)?;
        disk::create(&paths, spec.disk_gib)?;
        disk::attach(&paths, &self.lab.rootfs_tree(), &machine)?;
        if let Some(seeder) = &self.seeder {
            seeder(&paths.disk.join("containerd")).map_err(|reason| LaunchError::Store {
                node: spec.name.clone(),
                reason,
            })?;
        }
        // Asked last: the token in it lives for minutes only.
        let user_data = user_data().map_err(|reason| LaunchError::UserData {
            node: spec.name.clone(),
            reason,
        })?;
        seed::write(&paths.root, &record, &user_data)?;
        record.stage = Stage::Created;
        record.save(&self.lab)?;
        self.start_on_disk(&mut record)?;
        Ok(self.observe(&record, Outcome::Created))
    }

    /// Adopts a node that is there: changed limits are set in place, a dead one is started, a frozen one is left so.
    fn take_over(&self, mut record: NodeRecord, spec: &NodeSpec) -> Result<NodeState, LaunchError> {
        let changed = record.spec != *spec;
        record.accept(spec)?;
        if changed {
            record.save(&self.lab)?;
        }
        if self.observe(&record, Outcome::Observed).power == Power::Off {
            self.start_on_disk(&mut record)?;
            return Ok(self.observe(&record, Outcome::PoweredOn));
        }
        if changed {
            let machine = names::machine(&self.lab.lab, &spec.name);
            NodeCgroup::of(&machine).limit(spec.memory_mib, spec.cpus)?;
        }
        Ok(self.observe(&record, Outcome::Adopted))
    }

    /// The record of an existing node, under its lock. Looked up before locking as well: the lock's file would make a
    /// folder for a node that there is not.
    fn locked(&self, node: &str) -> Result<(Lock, NodeRecord), LaunchError> {
        require_root()?;
        self.record(node)?;
        // The record is of this home, and the machine of that name may be another's.
        Claim::of(&self.lab).check()?;
        let lock = Lock::take(&self.paths(node).lock)?;
        Ok((lock, self.record(node)?))
    }

    fn record(&self, node: &str) -> Result<NodeRecord, LaunchError> {
        NodeRecord::load(&self.lab, node)?.ok_or_else(|| LaunchError::NotFound {
            node: node.to_owned(),
            lab: self.lab.lab.clone(),
        })
    }

    fn freezable(&self, record: &NodeRecord, operation: &'static str) -> Result<NodeCgroup, LaunchError> {
        let state = self.observe(record, Outcome::Observed);
        if matches!(state.power, Power::Running | Power::Suspended) {
            return Ok(NodeCgroup::of(&state.machine));
        }
        Err(LaunchError::WrongState {
            node: record.spec.name.clone(),
            state: state.power.to_string(),
            operation,
        })
    }
}

fn require_root() -> Result<(), LaunchError> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(LaunchError::NotRoot)
}
