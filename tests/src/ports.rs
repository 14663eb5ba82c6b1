//! Ports for programs under test, which open them themselves.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below those that systems hand out to outgoing connections (32,768 on Linux, 49,152 on macOS): a client's connection that
/// happens to hold the port of a listener which comes back keeps it out.
const OURS: std::ops::Range<u16> = 10_000..32_000;

/// Neighbours: enrolment, agents, operators, web.
const TOGETHER: u16 = 4;

/// Blocks that this process has looked at: a port that was given out is not taken yet, and tests run beside each other.
static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);

/// The first of four neighbouring ports that nobody has on any of `addresses`, looked for from another place in every process.
///
/// # Panics
///
/// When none are free.
pub fn four_free(addresses: &[Ipv4Addr]) -> u16 {
    let blocks = OURS.len() / usize::from(TOGETHER);
    let from = usize::try_from(std::process::id()).unwrap_or(0) % blocks;
    let free = |port: u16| addresses.iter().all(|at| TcpListener::bind((*at, port)).is_ok());
    let all: Vec<u16> = OURS.step_by(usize::from(TOGETHER)).collect();
    let next = || {
        let at = from + LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        all.get(at % blocks).copied()
    };
    std::iter::from_fn(next)
        .take(blocks)
        .find(|first| (0..TOGETHER).all(|i| free(first + i)))
        .unwrap_or_else(|| panic!("no four ports of {OURS:?} are free"))
}

/// One address on loopback that nobody has.
///
/// # Panics
///
/// When none are free.
pub fn one_free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, four_free(&[Ipv4Addr::LOCALHOST])))
}
