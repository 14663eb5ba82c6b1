//! The provider's operations, each under the node's lock.

use model::moment::Moment;

use super::Multipass;
use super::json::Machine;
use crate::clock::now;
use crate::error::LaunchError;
use crate::files::{Lock, remove_dir};
use crate::names;
use crate::process::wait_until;
use crate::provider::{NodeProvider, NodeState, Outcome, Power, PowerOff, UserDataSource};
use crate::record::{NodeRecord, Stage};
use crate::spec::NodeSpec;
use crate::user_data::TOKEN_IN_NODE;

impl NodeProvider for Multipass {
    fn ensure(&self, spec: &NodeSpec, user_data: &mut UserDataSource<'_>) -> Result<NodeState, LaunchError> {
        self.lab.check()?;
        spec.check()?;
        let _lock = self.lock(&spec.name)?;
        let mut record = match NodeRecord::load(&self.lab, &spec.name)? {
            Some(mut record) => {
                record.accept(spec)?;
                record
            }
            None => NodeRecord::new(&self.lab, "multipass", spec),
        };
        record.save(&self.lab)?;
        let outcome = match self.machine(&self.name_of(&spec.name))? {
            None => self.create(spec, user_data)?,
            Some(machine) => self.start(&spec.name, &machine)?,
        };
        record.stage = Stage::Created;
        record.save(&self.lab)?;
        self.wait_for_address(spec)?;
        self.observe(&record, outcome)
    }

    fn state(&self, node: &str) -> Result<Option<NodeState>, LaunchError> {
        match NodeRecord::load(&self.lab, node)? {
            Some(record) => self.observe(&record, Outcome::Observed).map(Some),
            None => Ok(None),
        }
    }

    fn remove(&self, node: &str) -> Result<(), LaunchError> {
        let _lock = self.lock(node)?;
        let machine = self.name_of(node);
        if self.machine(&machine)?.is_some() {
            self.call(&["delete", "--purge", &machine], "delete")?;
            if self.machine(&machine)?.is_some() {
                return Err(LaunchError::StillThere {
                    what: format!("Multipass machine {machine}"),
                });
            }
        }
        remove_dir(&self.lab.node_dir(node))
    }

    fn power_off(&self, node: &str, how: PowerOff) -> Result<Moment, LaunchError> {
        let (_lock, record) = self.locked(node)?;
        let machine = self.name_of(node);
        if self.observe(&record, Outcome::Observed)?.power != Power::Off {
            match how {
                PowerOff::Orderly => self.call(&["stop", &machine], "stop"),
                PowerOff::Abrupt => self.call(&["stop", "--force", &machine], "stop"),
            }?;
        }
        Ok(now())
    }

    fn power_on(&self, node: &str) -> Result<NodeState, LaunchError> {
        let (_lock, record) = self.locked(node)?;
        let outcome = match self.machine(&self.name_of(node))? {
            Some(machine) => self.start(node, &machine)?,
            None => return Err(self.not_found(node)),
        };
        self.wait_for_address(&record.spec)?;
        self.observe(&record, outcome)
    }

    fn suspend(&self, node: &str) -> Result<(), LaunchError> {
        let (_lock, _) = self.locked(node)?;
        self.call(&["suspend", &self.name_of(node)], "suspend")
            .map(|_| ())
    }

    /// Multipass resumes with `start`, as it starts a stopped machine.
    fn resume(&self, node: &str) -> Result<NodeState, LaunchError> {
        self.power_on(node)
    }

    fn deliver_token(&self, node: &str, token: &str) -> Result<(), LaunchError> {
        let (_lock, _) = self.locked(node)?;
        self.write_as_root(&self.name_of(node), TOKEN_IN_NODE, token)
    }
}

impl Multipass {
    fn create(&self, spec: &NodeSpec, user_data: &mut UserDataSource<'_>) -> Result<Outcome, LaunchError> {
        let text = user_data().map_err(|reason| LaunchError::UserData {
            node: spec.name.clone(),
            reason,
        })?;
        let machine = self.name_of(&spec.name);
        let output = self.launch(&machine, spec, &text)?;
        // A launch that failed may still have made the machine: a timeout ends the waiting, not the machine.
        if !output.status.success() {
            let status = output.status;
            if self.machine(&machine)?.is_none() {
                self.failure("launch", output)?;
            }
            tracing::warn!(machine, %status, "launch failed, but the machine is there and is adopted");
        }
        Ok(Outcome::Created)
    }

    fn start(&self, node: &str, machine: &Machine) -> Result<Outcome, LaunchError> {
        let name = self.name_of(node);
        if machine.is_deleted() {
            // Deleted but not purged: its disk is whole, so it is brought back and not made anew.
            self.call(&["recover", &name], "recover")?;
            self.call(&["start", &name], "start")?;
            return Ok(Outcome::PoweredOn);
        }
        match machine.power() {
            Power::Off | Power::Suspended => {
                self.call(&["start", &name], "start")?;
                Ok(Outcome::PoweredOn)
            }
            _ => Ok(Outcome::Adopted),
        }
    }

    fn wait_for_address(&self, spec: &NodeSpec) -> Result<(), LaunchError> {
        let name = self.name_of(&spec.name);
        let mut last = "nothing".to_owned();
        let seen = wait_until(self.address_limit, || match self.machine(&name) {
            Ok(Some(machine)) => {
                last = machine.describe();
                machine.power() == Power::Running && machine.ipv4.contains(&spec.address)
            }
            Ok(None) => {
                "absent".clone_into(&mut last);
                false
            }
            Err(error) => {
                last = error.to_string();
                false
            }
        });
        if seen {
            return Ok(());
        }
        Err(LaunchError::Timeout {
            node: spec.name.clone(),
            awaited: format!("address {}", spec.address),
            limit: self.address_limit,
            last,
        })
    }

    fn observe(&self, record: &NodeRecord, outcome: Outcome) -> Result<NodeState, LaunchError> {
        let machine = self.name_of(&record.spec.name);
        let power = match self.machine(&machine)? {
            Some(m) if !m.is_deleted() => m.power(),
            _ => Power::Absent,
        };
        Ok(NodeState {
            name: record.spec.name.clone(),
            machine,
            address: record.spec.address,
            power,
            leader: None,
            generation: record.generation,
            outcome,
        })
    }

    fn lock(&self, node: &str) -> Result<Lock, LaunchError> {
        Lock::take(&self.lab.node_dir(node).join("lock"))
    }

    /// The record of an existing node, under its lock; looked up before locking, too, since the lock's file would make
    /// a folder for a node that there is not.
    fn locked(&self, node: &str) -> Result<(Lock, NodeRecord), LaunchError> {
        self.record(node)?;
        let lock = self.lock(node)?;
        Ok((lock, self.record(node)?))
    }

    fn record(&self, node: &str) -> Result<NodeRecord, LaunchError> {
        NodeRecord::load(&self.lab, node)?.ok_or_else(|| self.not_found(node))
    }

    fn not_found(&self, node: &str) -> LaunchError {
        LaunchError::NotFound {
            node: node.to_owned(),
            lab: self.lab.lab.clone(),
        }
    }

    fn name_of(&self, node: &str) -> String {
        names::machine(&self.lab.lab, node)
    }
}
