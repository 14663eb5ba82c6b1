//! Asks a silent node's kernel whether it is there. A connection to a closed port is enough: a refusal comes from a living
//! kernel, without any process of the node having to run. Two tries, since one packet may be lost.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Port that nobody listens on.
const CLOSED_PORT: u16 = 1;

/// Tries, and how long each waits. On the lab's own bridge an answer takes microseconds.
const TRIES: u32 = 2;
const TRY: Duration = Duration::from_millis(250);

/// Whether anything at `address` answers.
pub async fn answers(address: IpAddr) -> bool {
    answers_at(SocketAddr::new(address, CLOSED_PORT)).await
}

async fn answers_at(address: SocketAddr) -> bool {
    for _ in 0..TRIES {
        let asked = TcpStream::connect(address);
        match tokio::time::timeout(TRY, asked).await {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) if is_refusal(error.kind()) => return true,
            // No neighbour or no way: this host says so itself, at once or after a while.
            Ok(Err(_)) => tokio::time::sleep(TRY).await,
            Err(_) => {}
        }
    }
    false
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
        assert!(
            answers(IpAddr::from([127, 0, 0, 9])).await,
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
        assert!(!answers_at(address).await);
        let took = since.elapsed();
        assert!(took >= TRY * TRIES && took < 4 * TRY, "{took:?}");
    }
}
