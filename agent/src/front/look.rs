//! What the node's health is judged by, and how it is looked at.

use super::context::Context;
use super::vitals::Vitals;
use crate::exec::protocol::{Reply, Request};
use model::fact::NodeFacts;
use model::moment::{ClockOffset, Moment};
use model::step::Role;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KUBELET_HEALTH: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 10248);
const ANSWER: Duration = Duration::from_secs(2);

/// Where the parts of a control plane listen on their own node.
pub(super) const CONTROL_PLANE: [(&str, u16); 4] = [
    ("API server", 6443),
    ("etcd", 2379),
    ("scheduler", 10259),
    ("controller manager", 10257),
];

/// What was looked at.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) containerd: bool,
    pub(super) kubelet: bool,
    /// Kubelet's own health answer; `None` when it was not asked.
    pub(super) kubelet_healthy: Option<bool>,
    pub(super) disk_free: Option<u64>,
    pub(super) facts: NodeFacts,
    /// Parts of the control plane that do not listen; `None` on a worker.
    pub(super) control_plane: Option<Vec<&'static str>>,
    /// How far the clock is off; `None` when it was not measured.
    pub(super) clock: Option<ClockOffset>,
    /// Validity of the agent's certificate; `None` before there is one.
    pub(super) certificate: Option<(Moment, Moment)>,
}

impl Look {
    /// Looks at everything.
    pub(super) async fn at(vitals: &Vitals, context: &Context, role: Role) -> Self {
        let kubelet = vitals.service_runs("kubelet.service");
        Self {
            containerd: vitals.service_runs("containerd.service"),
            kubelet,
            kubelet_healthy: if kubelet {
                Some(is_kubelet_healthy().await)
            } else {
                None
            },
            disk_free: vitals.disk_free(),
            facts: vitals.sample(helper_rss(context).await),
            control_plane: match role {
                Role::ControlPlane => Some(not_listening()),
                Role::Worker => None,
            },
            clock: *context.clock.borrow(),
            certificate: *context.certificate.borrow(),
        }
    }
}

async fn helper_rss(context: &Context) -> u64 {
    match context.helper.ask(&Request::Observe).await {
        Ok(Reply::Observed { rss }) => rss,
        _ => 0,
    }
}

/// Asks kubelet's own health port, which is plain and local.
async fn is_kubelet_healthy() -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(SocketAddr::from(KUBELET_HEALTH)).await?;
        stream
            .write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut head = [0u8; 12];
        stream.read_exact(&mut head).await?;
        Ok::<bool, std::io::Error>(head.ends_with(b"200"))
    };
    matches!(tokio::time::timeout(ANSWER, ask).await, Ok(Ok(true)))
}

/// Asks the kernel's own table instead of the ports: a connection that says nothing is an error in their logs.
fn not_listening() -> Vec<&'static str> {
    let table = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let tables = [table("tcp"), table("tcp6")];
    CONTROL_PLANE
        .iter()
        .filter(|(_, port)| !tables.iter().any(|table| listens(table, *port)))
        .map(|(name, _)| *name)
        .collect()
}

/// Whether a table of sockets has one that listens on `port`: local address in the second column, state `0A` in the fourth.
fn listens(table: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().is_some_and(|local| local.ends_with(&wanted));
        local && columns.nth(1) == Some("0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_who_listens() {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bound");
        let port = socket.local_addr().expect("address").port();
        let table = || std::fs::read_to_string("/proc/net/tcp").expect("a table");
        assert!(listens(&table(), port));
        drop(socket);
        assert!(!listens(&table(), port));
        let text = "  sl  local_address rem_address   st\n   0: 0100007F:192B 00000000:0000 01 0:0";
        assert!(!listens(text, 6443), "connected is not listening");
    }
}
