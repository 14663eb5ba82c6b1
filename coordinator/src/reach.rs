//! Looks at a silent node from outside, by signs that do not depend on one another: whether its kernel answers on any of
//! several ports, whether it answers ARP, and what the provider says of its machine. What they mean, the domain decides.
//!
//! A refusal comes from a living kernel without any process of the node having to run; a firewall that drops what it is
//! asked refuses nothing, but its kernel still answers ARP.

use crate::faults;
use crate::places::Places;
use domain::signs::{Answer, Machine, Signs};
use launcher::{LabHandle, Power, outside};
use model::ids::NodeName;
use model::lab::Lab;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A port that nobody listens on, and those where something of a node usually does: kubelet and the API server.
const PORTS: [u16; 3] = [1, 10250, 6443];

/// Tries, and how long each waits, since one packet may be lost. On the lab's own bridge an answer takes microseconds.
const TRIES: u32 = 2;
const TRY: Duration = Duration::from_millis(250);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Accepted, refused or reset: only a living kernel does that.
    Answered,
    /// An error at once: this host's own word that there is no neighbour, or an ICMP error of the node.
    Unreachable,
    /// Nothing came.
    Nothing,
}

/// Looks at nodes of one lab.
#[derive(Debug, Clone)]
pub struct Outside {
    handle: LabHandle,
}

impl Outside {
    /// For the nodes of `lab`.
    pub fn new(lab: &Lab, places: &Places) -> Self {
        Self {
            handle: faults::handle(lab, places),
        }
    }

    /// All signs of `node`, within about half a second.
    pub async fn look(&self, node: &NodeName, address: Ipv4Addr) -> Signs {
        let (handle, name) = (self.handle.clone(), node.to_string());
        let before = tokio::task::spawn_blocking(move || {
            (machine(&handle, &name), outside::forget_neighbour(address))
        });
        let (machine, forgotten) = before.await.unwrap_or_default();
        let ended = ask(&PORTS, IpAddr::V4(address)).await;
        // Known again after it was forgotten: it answered just now.
        let neighbour = match outside::neighbour_answered(address) {
            Some(true) if forgotten => Answer::Yes,
            Some(false) => Answer::No,
            _ => Answer::NotAsked,
        };
        let kernel = match (ended, neighbour) {
            (Ended::Answered, _) | (Ended::Unreachable, Answer::Yes) => Answer::Yes,
            _ => Answer::No,
        };
        Signs {
            kernel,
            neighbour,
            machine,
        }
    }
}

fn machine(handle: &LabHandle, node: &str) -> Machine {
    match outside::machine(handle, node) {
        Ok(seen) => match (seen.power, seen.port_down) {
            (Power::Suspended, _) => Machine::Frozen,
            (Power::Off | Power::Absent, _) => Machine::Off,
            (Power::Running, Some(true)) => Machine::Unplugged,
            (Power::Running, _) => Machine::Running,
            (Power::Unknown, _) => Machine::NotKnown,
        },
        Err(error) => {
            tracing::debug!(node, %error, "the machine cannot be looked at");
            Machine::NotKnown
        }
    }
}

/// Connects to all ports at once and tries again; done with the first answer.
async fn ask(ports: &[u16], address: IpAddr) -> Ended {
    let mut last = Ended::Nothing;
    for _ in 0..TRIES {
        let began = tokio::time::Instant::now();
        let mut asked: JoinSet<Ended> = ports
            .iter()
            .map(|port| connect(SocketAddr::new(address, *port)))
            .collect();
        while let Some(ended) = asked.join_next().await {
            match ended {
                Ok(Ended::Answered) => return Ended::Answered,
                Ok(ended) => last = ended,
                Err(_) => {}
            }
        }
        tokio::time::sleep_until(began + TRY).await;
    }
    last
}

async fn connect(address: SocketAddr) -> Ended {
    match tokio::time::timeout(TRY, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ended::Answered,
        Ok(Err(error)) if is_refusal(error.kind()) => Ended::Answered,
        Ok(Err(_)) => Ended::Unreachable,
        Err(_) => Ended::Nothing,
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_living_kernel_answers_and_one_that_drops_what_comes_does_not() {
        let somewhere = IpAddr::from([127, 0, 0, 9]);
        assert_eq!(
            ask(&[1], somewhere).await,
            Ended::Answered,
            "a refusal is an answer"
        );
        // A queue that is full makes the kernel drop every further try without a word, as a node without power does.
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("bound");
        socket.listen(0).expect("listening");
        let address = socket.local_addr().expect("address").as_socket().expect("IPv4");
        let _queued = TcpStream::connect(address).await.expect("the one place");
        let since = Instant::now();
        assert_eq!(ask(&[address.port()], address.ip()).await, Ended::Nothing);
        let took = since.elapsed();
        assert!(took >= TRY * TRIES && took < 4 * TRY, "{took:?}");
        // One port that drops does not hide another that refuses.
        assert_eq!(ask(&[address.port(), 1], address.ip()).await, Ended::Answered);
    }
}
