//! What the host must have before a lab is made on it, what it has, and what to do about the difference.
//!
//! Nothing is changed by looking. A check that can be put right here carries a [`Fix`], applied on consent only.

mod capacity;
mod fix;
mod kernel;
mod programs;

use std::time::Duration;

use serde::Serialize;

pub use fix::{Fix, apply_fix};

use crate::network::foreign_overlap;
use crate::spec::{LabHandle, NetworkSpec};

/// How long a program may take to answer a short question. All of them do so at once on an idle host; this is for a busy one.
const ANSWER: Duration = Duration::from_secs(20);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As needed.
    Ok,
    /// The lab works, with a limit that is told.
    Warn,
    /// The lab would not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostCheck {
    /// Stable name of the check, such as `inotify_instances`.
    pub id: &'static str,
    /// How it came out.
    pub level: Level,
    /// What the host has.
    pub found: String,
    /// What the lab needs.
    pub need: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
    /// What can be done about it here.
    pub fix: Option<Fix>,
}

/// What makes the nodes, as far as the host's needs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostProvider {
    /// systemd-nspawn on this kernel.
    Nspawn,
    /// Multipass, with kernels of its own.
    Multipass,
}

/// What the lab is going to take.
#[derive(Debug, Clone)]
pub struct HostNeeds {
    /// What makes the nodes.
    pub provider: HostProvider,
    /// The lab's subnet.
    pub network: NetworkSpec,
    /// Memory that the running lab was measured to use, in MiB; not the sum of the nodes' limits.
    pub memory_mib: u64,
    /// Disk that the lab's home will take, in GiB: images are sparse, so less than the sum of the nodes' disks.
    pub home_gib: u64,
    /// Disk that the cache will take beyond what is in it, in GiB.
    pub cache_gib: u64,
    /// The oldest Go that builds the bundle, such as `1.26.7`; none where the bundle is there.
    pub go: Option<String>,
}

/// Looks at the host. The order is that of the remedies: the first failed one is best put right first.
#[must_use]
pub fn host_report(lab: &LabHandle, needs: &HostNeeds) -> Vec<HostCheck> {
    let mut report = Vec::new();
    if needs.provider == HostProvider::Nspawn {
        report.push(root());
        report.push(programs::packages());
        report.extend(kernel::checks());
    } else {
        report.push(programs::multipass());
    }
    report.push(programs::terraform());
    report.push(programs::go(needs.go.as_deref()));
    report.extend(capacity::checks(lab, needs));
    if needs.provider == HostProvider::Nspawn {
        report.push(subnet(lab, &needs.network));
    }
    report
}

fn root() -> HostCheck {
    let uid = nix::unistd::geteuid();
    HostCheck::of("root", uid.is_root(), Level::Fail)
        .found(format!("user {uid}"))
        .need("user 0: mounts, links and control groups are made")
        .remedy("run the command as root, for example with sudo")
}

fn subnet(lab: &LabHandle, network: &NetworkSpec) -> HostCheck {
    let wanted = format!("{}/{} free", network.bridge_address, network.prefix);
    match foreign_overlap(&lab.lab, network) {
        Ok(None) => HostCheck::of("subnet", true, Level::Fail)
            .found("free")
            .need(wanted),
        Ok(Some(other)) => HostCheck::of("subnet", false, Level::Fail)
            .found(format!(
                "{}/{} on link {}",
                other.address, other.prefix, other.link
            ))
            .need(wanted)
            .remedy("choose another subnet in the lab document, or remove that link if it is left over"),
        Err(error) => HostCheck::of("subnet", false, Level::Fail)
            .found(error.to_string())
            .need(wanted)
            .remedy("install iproute2"),
    }
}

impl HostCheck {
    /// A check that is fine if `good`, and of level `otherwise` if not.
    fn of(id: &'static str, good: bool, otherwise: Level) -> Self {
        Self {
            id,
            level: if good { Level::Ok } else { otherwise },
            found: String::new(),
            need: String::new(),
            remedy: String::new(),
            fix: None,
        }
    }

    fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    fn need(mut self, need: impl Into<String>) -> Self {
        self.need = need.into();
        self
    }

    /// Kept only where something is to be done, and then the first that is given.
    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if self.level != Level::Ok && self.remedy.is_empty() {
            self.remedy = remedy.into();
        }
        self
    }

    fn fix(mut self, fix: Fix) -> Self {
        if self.level != Level::Ok {
            self.fix = Some(fix);
        }
        self
    }
}
