//! Tells PID 1 that a service is ready or alive: one datagram to the socket it named.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends `READY=1`; without a waiting PID 1 nothing happens.
pub fn ready() {
    send("READY=1");
}

/// Sends `WATCHDOG=1`.
pub fn alive() {
    send("WATCHDOG=1");
}

fn send(state: &str) {
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else {
        return;
    };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    // A lost datagram shows as a start timeout or watchdog in PID 1, which restarts the service: nothing to add here.
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}
