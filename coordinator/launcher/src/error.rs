//! What can go wrong while nodes are made, powered or removed; each with a stable code and the next thing to do.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Failure of a launcher operation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// Mounts, cgroups and links need root.
    #[error("not running as root")]
    NotRoot,
    /// A value that no provider could honour.
    #[error("{field} is {value:?}, but {rule}")]
    InvalidSpec {
        /// Name of the field.
        field: &'static str,
        /// The value found.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// The subnet is in use by a link that is not ours.
    #[error("address {address} overlaps with {found} on link {link}, which is not this lab's")]
    AddressInUse {
        /// The address wanted for the bridge.
        address: String,
        /// The address that is there.
        found: String,
        /// The link that carries it.
        link: String,
    },
    /// A node of this name exists and differs in something that cannot be changed in place.
    #[error("node {node} exists with {field} {recorded}, but {wanted} is asked for")]
    SpecDiffers {
        /// The node.
        node: String,
        /// Name of the field.
        field: &'static str,
        /// What the existing node has.
        recorded: String,
        /// What was asked for.
        wanted: String,
    },
    /// A host program could not be started.
    #[error("program {program} cannot be started")]
    CommandStart {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A host program failed.
    #[error("{program} {subject} ended with {status}: {stderr}")]
    Command {
        /// The program.
        program: String,
        /// What it was asked to do, in one or two words.
        subject: String,
        /// Exit code or signal.
        status: String,
        /// Last lines of its standard error.
        stderr: String,
    },
    /// A host program did not end.
    #[error("{program} {subject} did not end within {:?} and was killed", limit)]
    CommandHung {
        /// The program.
        program: String,
        /// What it was asked to do, in one or two words.
        subject: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A record or a program's JSON could not be read.
    #[error("{what} is not the JSON that is expected")]
    Json {
        /// The document.
        what: String,
        /// Where it breaks.
        #[source]
        source: serde_json::Error,
    },
    /// The nodes' root file system has not been made.
    #[error("no root file system in {}", path.display())]
    RootfsMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The content store could not be given to the node.
    #[error("content store of node {node} cannot be prepared: {reason}")]
    Store {
        /// The node.
        node: String,
        /// What the seeder said.
        reason: String,
    },
    /// The coordinator gave no user-data for the node.
    #[error("no user-data for node {node}: {reason}")]
    UserData {
        /// The node.
        node: String,
        /// What the source of user-data said.
        reason: String,
    },
    /// The machine ended before it was up.
    #[error("node {node} ended while booting; last console lines: {console}")]
    BootFailed {
        /// The node.
        node: String,
        /// Tail of its console.
        console: String,
    },
    /// Something did not come about in time.
    #[error("node {node}: {awaited} not seen within {} s; last seen: {last}", limit.as_secs())]
    Timeout {
        /// The node.
        node: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// The last state seen.
        last: String,
    },
    /// There is no such node.
    #[error("no node {node} in lab {lab}")]
    NotFound {
        /// The node.
        node: String,
        /// The lab.
        lab: String,
    },
    /// The operation does not fit the node's state.
    #[error("node {node} is {state}, so it cannot be {operation}")]
    WrongState {
        /// The node.
        node: String,
        /// Its power state.
        state: String,
        /// What was asked, as a participle.
        operation: &'static str,
    },
    /// Something of ours could not be removed.
    #[error("{what} is still there after removal")]
    StillThere {
        /// The thing.
        what: String,
    },
    /// What carries the lab's label on this host belongs to another home.
    #[error("lab {lab} on this host belongs to another home, {}", home.display())]
    OtherHome {
        /// The lab.
        lab: String,
        /// That home.
        home: PathBuf,
    },
    /// The lease of a fault does not allow what was asked for.
    #[error("lease {lease} {rule}")]
    Lease {
        /// The lease.
        lease: String,
        /// What it does not allow.
        rule: &'static str,
    },
}

impl LaunchError {
    /// The stable code of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRoot => "DY-0301",
            Self::InvalidSpec { .. } => "DY-0302",
            Self::AddressInUse { .. } => "DY-0303",
            Self::SpecDiffers { .. } => "DY-0304",
            Self::CommandStart { .. } => "DY-0305",
            Self::Command { .. } | Self::CommandHung { .. } => "DY-0306",
            Self::Io { .. } => "DY-0307",
            Self::Json { .. } => "DY-0308",
            Self::RootfsMissing { .. } => "DY-0309",
            Self::Store { .. } => "DY-0310",
            Self::UserData { .. } => "DY-0311",
            Self::BootFailed { .. } => "DY-0312",
            Self::Timeout { .. } => "DY-0313",
            Self::NotFound { .. } => "DY-0314",
            Self::WrongState { .. } => "DY-0315",
            Self::StillThere { .. } => "DY-0316",
            Self::Lease { .. } => "DY-0317",
            Self::OtherHome { .. } => "DY-0318",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NotRoot => "run the command as root".to_owned(),
            Self::InvalidSpec { .. } => "correct the lab document and run `coordinator up` again".to_owned(),
            Self::AddressInUse { link, .. } => {
                format!("choose another subnet in the lab document, or remove link {link} if it is left over")
            }
            Self::SpecDiffers { .. } => {
                "restore the old value, or remove the lab with `coordinator down` and make it anew".to_owned()
            }
            Self::CommandStart { .. } | Self::RootfsMissing { .. } => {
                "run `coordinator doctor`, then `coordinator bundle build`".to_owned()
            }
            Self::Io { .. } | Self::Command { .. } => "run `coordinator doctor` and try again".to_owned(),
            Self::CommandHung { program, .. } => {
                format!("run `{program}` by hand and see what it waits for, then try again")
            }
            Self::Json { .. } => "remove the node with `coordinator down` and make it anew".to_owned(),
            Self::Store { .. } => "run `coordinator bundle verify`".to_owned(),
            Self::UserData { .. } => "see that `coordinator serve` runs for this lab".to_owned(),
            Self::BootFailed { node, .. } | Self::Timeout { node, .. } => {
                format!("read nodes/{node}/console.log below the lab's home, then run `coordinator up` again")
            }
            Self::NotFound { .. } => "run `coordinator status` for the nodes there are".to_owned(),
            Self::WrongState { .. } => {
                "run `coordinator up`, which brings the node to the wanted state".to_owned()
            }
            Self::StillThere { .. } => "run `coordinator down` again".to_owned(),
            Self::OtherHome { home, .. } => {
                let home = home.display();
                format!(
                    "take that lab away with `DRILLYARD_HOME={home} coordinator down`, or give this one another name"
                )
            }
            Self::Lease { .. } => "run `coordinator drill doctor` for the leases there are".to_owned(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn errno(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(nix::errno::Errno) -> Self {
        let path = path.to_path_buf();
        move |errno| Self::Io {
            action,
            path,
            source: errno.into(),
        }
    }
}
