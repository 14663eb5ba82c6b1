//! `drillyard-agent install`: user, folders, configuration and units; then starts them without waiting.
//!
//! It is run by the node's seed as root, as early in boot as the network allows, and is safe to run again.

use crate::command::{self, CommandError};
use crate::exec::USER;
use crate::paths::Paths;
use crate::seed::Seed;
use crate::{durable, step};
use nix::unistd::{Gid, Uid, User};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

const FRONT_UNIT: &str = include_str!("drillyard-agent.service");
const EXEC_UNIT: &str = include_str!("drillyard-exec.service");
const UNDO_UNIT: &str = include_str!("drillyard-undo.service");
const TOKEN_UNIT: &str = include_str!("drillyard-token.service");
const TOKEN_PATH: &str = include_str!("drillyard-token.path");
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Why the agent could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Not root.
    #[error("installing needs root")]
    NotRoot,
    /// A file or folder cannot be used.
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
    /// The seed's document is not valid.
    #[error("{} is not valid", path.display())]
    Seed {
        /// The document.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The user could not be made.
    #[error("user {USER} was not made")]
    User,
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError + use<> {
    let path = path.to_owned();
    move |source| InstallError::Io { action, path, source }
}

/// Installs from the folder `seed`.
pub fn run(paths: &Paths, seed: &Path) -> Result<(), InstallError> {
    if !Uid::effective().is_root() {
        return Err(InstallError::NotRoot);
    }
    let document = seed.join("agent.json");
    let bytes = std::fs::read(&document).map_err(at("read", &document))?;
    let parsed: Seed = serde_json::from_slice(&bytes).map_err(|source| InstallError::Seed {
        path: document.clone(),
        source,
    })?;
    let (uid, gid) = user()?;

    let state = paths.at("/var/lib/drillyard");
    durable::folder(&state, 0o755).map_err(at("make", &state))?;
    durable::folder(&paths.exec(), 0o700).map_err(at("make", &paths.exec()))?;
    let front = paths.front();
    durable::folder(&front, 0o700).map_err(at("make", &front))?;
    chown(&front, Some(uid.as_raw()), Some(gid.as_raw())).map_err(at("own", &front))?;

    let copy = paths.exec().join("agent.json");
    durable::replace(&copy, &bytes, 0o600).map_err(at("write", &copy))?;
    give(&front.join("agent.json"), &bytes, uid, gid)?;
    let ca = seed.join("ca.pem");
    give(
        &front.join("ca.pem"),
        &std::fs::read(&ca).map_err(at("read", &ca))?,
        uid,
        gid,
    )?;
    hand_token_over(&seed.join("token"), &front, uid, gid)?;

    write_units(paths, &parsed)?;
    // What the first step would write is written now, so that one reload serves all; it will say what is missing.
    if let Err(error) = step::prepare_static(paths) {
        eprintln!("not prepared yet: {}", error.chain());
    }
    command::run(Path::new(SYSTEMCTL), ["daemon-reload"])?;
    command::run(
        Path::new(SYSTEMCTL),
        [
            "start",
            "--no-block",
            "drillyard-exec.service",
            "drillyard-agent.service",
            "drillyard-token.path",
        ],
    )?;
    Ok(())
}

fn user() -> Result<(Uid, Gid), InstallError> {
    let find = || {
        User::from_name(USER)
            .ok()
            .flatten()
            .map(|user| (user.uid, user.gid))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    let args = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir=/nonexistent",
        "--shell=/usr/sbin/nologin",
        USER,
    ];
    command::run(Path::new("/usr/sbin/useradd"), args)?;
    find().ok_or(InstallError::User)
}

fn give(path: &Path, content: &[u8], uid: Uid, gid: Gid) -> Result<(), InstallError> {
    durable::replace(path, content, 0o600).map_err(at("write", path))?;
    chown(path, Some(uid.as_raw()), Some(gid.as_raw())).map_err(at("own", path))
}

/// The token moves: it exists once, with the front, which removes it when it is used up.
fn hand_token_over(token: &Path, front: &Path, uid: Uid, gid: Gid) -> Result<(), InstallError> {
    match std::fs::read(token) {
        Ok(content) => {
            give(&front.join("token"), &content, uid, gid)?;
            durable::remove(token).map_err(at("remove", token))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at("read", token)(error)),
    }
}

fn write_units(paths: &Paths, seed: &Seed) -> Result<(), InstallError> {
    let front = render_front(seed.agent_url.0.ip(), seed.enrol_url.0.ip());
    for (name, text, wanted) in [
        ("drillyard-agent.service", front.as_str(), true),
        ("drillyard-exec.service", EXEC_UNIT, true),
        ("drillyard-undo.service", UNDO_UNIT, true),
        ("drillyard-token.service", TOKEN_UNIT, false),
        ("drillyard-token.path", TOKEN_PATH, true),
    ] {
        let unit = paths.at("/etc/systemd/system").join(name);
        durable::write_if_changed(&unit, text, 0o644).map_err(at("write", &unit))?;
        if !wanted {
            continue;
        }
        // What `systemctl enable` would do, without its reload.
        let wanted = paths.at("/etc/systemd/system/multi-user.target.wants").join(name);
        if std::fs::read_link(&wanted).is_err() {
            let folder = wanted.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(at("make", folder))?;
            symlink(&unit, &wanted).map_err(at("link", &wanted))?;
        }
    }
    Ok(())
}

fn render_front(agent: IpAddr, enrol: IpAddr) -> String {
    let mut allowed = vec![agent.to_string()];
    if enrol != agent {
        allowed.push(enrol.to_string());
    }
    FRONT_UNIT.replace("@COORDINATOR@", &allowed.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_may_reach_the_coordinator_only() {
        let unit = render_front(
            "192.168.64.1".parse().expect("ip"),
            "192.168.64.1".parse().expect("ip"),
        );
        assert!(
            unit.contains("IPAddressAllow=192.168.64.1 localhost\n") && unit.contains("IPAddressDeny=any"),
            "{unit}"
        );
        assert!(!unit.contains("@COORDINATOR@"), "{unit}");
    }
}
