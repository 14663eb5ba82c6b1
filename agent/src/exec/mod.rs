//! The root helper: no network, no parser of anything foreign, blocking threads only.
//!
//! It accepts typed steps on a Unix socket from the front's user, validates them again, and has PID 1 start a unit for
//! each. Markers on disk make a second start of the same attempt impossible whatever the front has forgotten.

mod attempts;
mod leases;
mod peer;
pub mod protocol;
mod publish;
mod server;
mod units;
mod watch;

pub(crate) use units::agent_path;

use crate::paths::Paths;
use crate::{clock, durable, failpoint, notify};
use model::ids::NodeName;
use serde::Deserialize;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// User of the front, and group of the socket.
pub const USER: &str = "drillyard";

/// Why the helper cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A file or folder of its own cannot be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The front's user is missing, so nobody could be let in.
    #[error("user {USER} does not exist; run `drillyard-agent install`")]
    NoUser,
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExecError + use<> {
    let path = path.to_owned();
    move |source| ExecError::Io { action, path, source }
}

/// What the helper must know of the node, from the root-owned copy of the seed's `agent.json`.
#[derive(Debug, Deserialize)]
struct Identity {
    node: NodeName,
}

/// Serves until it is ended.
pub fn run(paths: Paths) -> Result<(), ExecError> {
    let front = peer::uid_of(USER).zip(peer::gid_of(USER));
    let (uid, gid) = failpoint::stand_in().or(front).ok_or(ExecError::NoUser)?;
    make_folders(&paths)?;
    clock::boot_id(&paths.boot()).map_err(at("draw", &paths.boot()))?;
    let config = paths.exec().join("agent.json");
    let bytes = std::fs::read(&config).map_err(at("read", &config))?;
    let identity: Identity = serde_json::from_slice(&bytes).map_err(|e| at("read", &config)(e.into()))?;

    // Before anything is looked at: what ends after the look is noticed by the watch.
    let watch = watch::Watch::new(&paths).map_err(at("watch", &paths.results()))?;
    let attempts =
        attempts::Attempts::recover(paths.clone(), identity.node).map_err(at("recover", &paths.started()))?;
    let leases = Arc::new(leases::Leases::recover(paths.clone()));
    let server = Arc::new(server::Server::new(attempts, leases.clone()));
    let publisher = server.clone();
    std::thread::spawn(move || watch.run(&publisher));
    std::thread::spawn(move || leases.guard());

    let socket = paths.socket();
    durable::remove(&socket).map_err(at("remove", &socket))?;
    let listener = UnixListener::bind(&socket).map_err(at("bind", &socket))?;
    std::os::unix::fs::chown(&socket, Some(0), Some(gid)).map_err(at("own", &socket))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660))
        .map_err(at("protect", &socket))?;
    notify::ready();
    server::accept(&server, &listener, uid);
    Ok(())
}

fn make_folders(paths: &Paths) -> Result<(), ExecError> {
    for folder in [
        paths.exec(),
        paths.results(),
        paths.started(),
        paths.leases(),
        paths.steps(),
        paths.yielded(),
        paths.progress(),
    ] {
        durable::folder(&folder, 0o700).map_err(at("make", &folder))?;
    }
    Ok(())
}
