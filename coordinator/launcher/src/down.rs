//! Taking the whole lab away: everything on this host that carries its label, and nothing else.
//!
//! Our own records are trusted first. Beside them the host is searched, since a record can be lost while the node it
//! spoke of still runs.

use std::collections::BTreeSet;
use std::path::Path;

use model::causes::chain;
use serde::Serialize;

use crate::cgroup::{NodeCgroup, top_groups};
use crate::claim::Claim;
use crate::error::LaunchError;
use crate::host_settings::HostSettings;
use crate::multipass::Multipass;
use crate::nspawn::remove_machine;
use crate::provider::NodeProvider;
use crate::record::NodeRecord;
use crate::spec::{LabHandle, check_name};
use crate::{mounts, names, network, process};

/// What `down` did. Nothing found is a success, too: it may be repeated.
#[derive(Debug, Default, Serialize)]
pub struct DownReport {
    /// Nodes that are gone now.
    pub nodes: Vec<String>,
    /// Name of the bridge, if it was there.
    pub bridge: Option<String>,
    /// Control groups without a node that were removed.
    pub cgroups: Vec<String>,
    /// Kernel settings of the host that were put back to what they were before the first node.
    pub settings: Vec<String>,
    /// What could not be removed.
    pub left: Vec<Leftover>,
}

/// Something that `down` could not remove.
#[derive(Debug, Serialize)]
pub struct Leftover {
    /// The node, link or group.
    pub what: String,
    /// Why, with causes.
    pub why: String,
    /// Stable code of the failure.
    pub code: &'static str,
}

impl DownReport {
    /// Whether nothing of the lab is left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }

    fn failed(&mut self, what: &str, error: &LaunchError) {
        self.left.push(Leftover {
            what: what.to_owned(),
            why: chain(error),
            code: error.code(),
        });
    }
}

/// Removes the lab's nodes, then what is left without a node, then its network.
#[must_use]
pub fn down(lab: &LabHandle) -> DownReport {
    let mut report = DownReport::default();
    if let Err(error) = lab.check() {
        report.failed("lab", &error);
        return report;
    }
    let claim = Claim::of(lab);
    if let Err(error) = claim.check() {
        report.failed("lab", &error);
        return report;
    }
    // First: what they would start again is about to be removed.
    if let Err(error) = crate::fault::forget(lab) {
        report.failed("faults", &error);
    }
    let nodes = match nodes_of(lab) {
        Ok(nodes) => nodes,
        Err(error) => {
            report.failed("list of nodes", &error);
            NodeRecord::names(&lab.nodes_dir()).into_iter().collect()
        }
    };
    // Ending a node is mostly waiting for the kernel, so all at once.
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = nodes
            .iter()
            .map(|node| (node, scope.spawn(|| remove_node(lab, node))))
            .collect();
        started.into_iter().map(|(n, t)| (n, t.join())).collect()
    });
    for (node, outcome) in outcomes {
        match outcome {
            Ok(Ok(())) => report.nodes.push(node.clone()),
            Ok(Err(error)) => report.failed(node, &error),
            Err(_) => report.failed(node, &still_there("node")),
        }
    }
    remove_empty_groups(lab, &mut report);
    if report.is_clean() {
        network::release_ports(lab);
    }
    match network::remove_network(lab) {
        Ok(true) => report.bridge = Some(names::bridge(&lab.lab)),
        Ok(false) => {}
        Err(error) => report.failed("bridge", &error),
    }
    put_settings_back(&mut report);
    if report.is_clean()
        && let Err(error) = claim.release()
    {
        report.failed("note of the lab's home", &error);
    }
    // Fails while a node is left, which is right.
    let _ = std::fs::remove_dir(lab.nodes_dir());
    let _ = std::fs::remove_file(lab.home.join("network.lock"));
    report
}

/// Another lab's nodes may be here: then the settings are left to the last one.
fn put_settings_back(report: &mut DownReport) {
    if top_groups().iter().any(|group| group.starts_with("drillyard-")) {
        return;
    }
    match HostSettings::default().put_back() {
        Ok(settings) => report.settings = settings,
        Err(error) => report.failed("kernel settings", &error),
    }
}

fn remove_node(lab: &LabHandle, node: &str) -> Result<(), LaunchError> {
    // An unreadable record must not keep a node alive: what it made on this host is found by its label.
    if let Ok(Some(record)) = NodeRecord::load(lab, node)
        && record.provider == "multipass"
    {
        return Multipass::new(lab.clone()).remove(node);
    }
    remove_machine(&lab.node_dir(node), &names::machine(&lab.lab, node), node).map(|_| ())
}

/// Every node of which a folder, a process, a mount or a loop device is there.
fn nodes_of(lab: &LabHandle) -> Result<BTreeSet<String>, LaunchError> {
    let nodes_dir = lab.nodes_dir();
    let mut found: BTreeSet<String> = NodeRecord::names(&nodes_dir).into_iter().collect();
    let mut add = |path: &Path| {
        let node = path
            .strip_prefix(&nodes_dir)
            .ok()
            .and_then(|rest| rest.iter().next()?.to_str());
        found.extend(node.map(ToOwned::to_owned));
    };
    for process in process::all() {
        for argument in process.arguments() {
            if let Some(path) = argument.strip_prefix("--directory=") {
                add(Path::new(path));
            }
        }
    }
    for mount in mounts::list()? {
        add(&mount.target);
    }
    for entry in std::fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let backing = entry.path().join("loop/backing_file");
        if let Ok(file) = std::fs::read_to_string(backing) {
            add(Path::new(file.trim()));
        }
    }
    found.retain(|n| check_name("name", n, 24).is_ok());
    Ok(found)
}

/// Groups of nodes whose folder is lost. One in which something still runs is left: lab names may begin alike
/// (`a` and `a-b`), and then it may be another lab's.
fn remove_empty_groups(lab: &LabHandle, report: &mut DownReport) {
    let prefix = names::machine_prefix(&lab.lab);
    for machine in top_groups().iter().filter(|g| g.starts_with(&prefix)) {
        let group = NodeCgroup::of(machine);
        if group.processes().is_empty() && group.remove() {
            report.cgroups.push(machine.clone());
        } else {
            tracing::warn!(machine, "control group is in use and has no record, left alone");
        }
    }
}

fn still_there(what: &str) -> LaunchError {
    LaunchError::StillThere {
        what: what.to_owned(),
    }
}
