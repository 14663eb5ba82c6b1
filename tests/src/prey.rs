//! Processes of a test lab that a test may kill: the daemon by its own note, agents by the control groups of the lab's
//! nodes. Nothing is ever chosen by its name alone.

use crate::lab::TestLab;
use coordinator::daemon_record::DaemonRecord;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The daemon on the host.
    Coordinator,
    /// The unprivileged front of a node.
    Front,
    /// The root helper of a node.
    Helper,
}

/// One process of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prey {
    /// What it is.
    pub role: Role,
    /// Its node; None for the daemon.
    pub node: Option<String>,
    /// Its pid on the host.
    pub pid: i32,
}

impl Prey {
    /// Ends it at once. One that ended by itself meanwhile is fine.
    pub fn kill(&self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

impl std::fmt::Display for Prey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let node = self.node.as_deref().unwrap_or("host");
        write!(f, "{:?} of {node} (pid {})", self.role, self.pid)
    }
}

/// The daemon that serves the lab, if one does.
pub fn daemon(lab: &TestLab) -> Option<Prey> {
    let record = DaemonRecord::alive(&lab.places())?;
    Some(Prey {
        role: Role::Coordinator,
        node: None,
        pid: i32::try_from(record.pid).ok()?,
    })
}

/// Both agent processes of every node that runs.
pub fn agents(lab: &TestLab) -> Vec<Prey> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| agent(lab, pid))
        .collect()
}

fn agent(lab: &TestLab, pid: i32) -> Option<Prey> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let (_, node) = lab.lab.nodes().find(|(_, node)| {
        let group = format!("/drillyard-{}-{}", lab.lab.name, node.name);
        groups
            .lines()
            .any(|line| line.split('/').nth(1) == group.strip_prefix('/'))
    })?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    if !words.next()?.ends_with(b"drillyard-agent") {
        return None;
    }
    let role = match words.next()? {
        b"front" => Role::Front,
        b"exec" => Role::Helper,
        _ => return None,
    };
    Some(Prey {
        role,
        node: Some(node.name.to_string()),
        pid,
    })
}
