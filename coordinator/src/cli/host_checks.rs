//! Host checks that need to know of this lab's daemon and files: its ports, and whether the clock can be right.

use super::Context;
use crate::daemon_record::DaemonRecord;
use launcher::doctor::{HostCheck, Level};
use model::moment::Moment;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files may seem younger than the clock by this much; more is no rounding.
const TOLERANCE_MS: u64 = 5 * 60 * 1000;

/// All of them.
pub(super) fn look(context: &Context) -> Vec<HostCheck> {
    let written = [
        context.places.program.clone(),
        context.places.log(),
        context.places.home.join("pki/root.pem"),
    ];
    vec![ports(context), clock(crate::clock::now(), &written)]
}

/// The three listeners' addresses; our own daemon may hold them.
fn ports(context: &Context) -> HostCheck {
    let network = &context.lab.network;
    let port = |offset: u16| network.coordinator_port.saturating_add(offset);
    let wanted = [
        SocketAddrV4::new(network.gateway, port(0)),
        SocketAddrV4::new(network.gateway, port(1)),
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, port(2)),
    ];
    let ours = DaemonRecord::alive(&context.places).is_some();
    let taken: Vec<String> = wanted
        .iter()
        .filter(|at| !ours && in_use(**at))
        .map(SocketAddrV4::to_string)
        .collect();
    let found = match (ours, taken.as_slice()) {
        (true, _) => "held by this lab's coordinator".to_owned(),
        (false, []) => "free".to_owned(),
        (false, taken) => format!("in use: {}", taken.join(", ")),
    };
    let remedy = format!(
        "end what listens there (`ss -ltnp` names it), or set network.coordinatorPort in the lab document; now {}",
        network.coordinator_port
    );
    check(
        "ports",
        taken.is_empty(),
        found,
        "three ports for the coordinator".into(),
        remedy,
    )
}

/// Whether somebody listens there. The bridge's address need not exist yet.
fn in_use(at: SocketAddrV4) -> bool {
    let bind = || -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        #[cfg(target_os = "linux")]
        socket.set_freebind_v4(true)?;
        socket.bind(&at.into())?;
        socket.listen(1)
    };
    bind().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// A clock that is behind what was written on this host makes every certificate invalid, and says so nowhere.
fn clock(now: Moment, written: &[PathBuf]) -> HostCheck {
    let youngest = written
        .iter()
        .filter_map(|path| Some((modified(path)?, path)))
        .max_by_key(|(at, _)| *at);
    let ahead = youngest.filter(|(at, _)| at.millis_since(now) > TOLERANCE_MS);
    let found = match ahead {
        Some((at, path)) => format!("{now}, and {} was written at {at}", path.display()),
        None => now.to_string(),
    };
    check(
        "clock",
        ahead.is_none(),
        found,
        "a clock that is not behind what was written here".into(),
        "set the clock, for example `timedatectl set-ntp true` or `chronyc makestep`".into(),
    )
}

fn modified(path: &Path) -> Option<Moment> {
    let at: SystemTime = std::fs::metadata(path).ok()?.modified().ok()?;
    let micros = at.duration_since(UNIX_EPOCH).ok()?.as_micros();
    Some(Moment(i64::try_from(micros).ok()?))
}

pub(super) fn check(id: &'static str, good: bool, found: String, need: String, remedy: String) -> HostCheck {
    HostCheck {
        id,
        level: if good { Level::Ok } else { Level::Fail },
        found,
        need,
        remedy: if good { String::new() } else { remedy },
        fix: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_and_a_foreign_address_is_free() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = holder.local_addr().expect("address").port();
        assert!(in_use(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
        assert!(!in_use(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), port)));
        drop(holder);
        assert!(!in_use(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
    }

    #[test]
    fn a_clock_behind_a_file_is_off() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let files = [file.path().to_owned(), "/nonexistent".into()];
        let at = modified(file.path()).expect("time");
        assert_eq!(clock(at, &files).level, Level::Ok);
        let behind = Moment(at.0 - 3_600_000_000);
        let off = clock(behind, &files);
        assert_eq!(off.level, Level::Fail);
        assert!(off.found.contains(&file.path().display().to_string()), "{off:?}");
    }
}
