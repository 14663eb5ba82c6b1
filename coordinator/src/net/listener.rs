//! Listening sockets that may be bound before their address exists: the bridge comes after the daemon.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Connections that wait to be accepted: all agents of a large lab dial at once when their coordinator is back, and one that finds
/// no place tries again only after a second.
const BACKLOG: i32 = 2048;

/// Binds and listens. On Linux the address need not exist yet; elsewhere it must.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A daemon that comes back at once must not wait for the old sockets' last minute.
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    if address.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_freebind_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_does_not_exist_yet_can_be_bound() {
        // TEST-NET-1 is never on an interface.
        super::bind("192.0.2.1:0".parse().expect("valid")).expect("bound");
    }
}
