//! The accept loop under pressure: silent peers, too many peers, no file descriptors left.

use super::harness::{PATIENCE, Yard};
use super::{AcceptMetrics, Acceptor, Limits, Listener, bind};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;

/// Waits until a counter has reached `least`.
async fn reaches(counter: &AtomicU64, least: u64) {
    let reached = async {
        while counter.load(Ordering::Relaxed) < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, reached).await;
    assert!(
        waited.is_ok(),
        "stayed at {} of {least}",
        counter.load(Ordering::Relaxed)
    );
}

/// Whether the peer closes within `within`.
async fn closes(stream: &mut TcpStream, within: Duration) -> bool {
    let read = tokio::time::timeout(within, stream.read(&mut [0; 64])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// An accept loop of its own with the given caps; nothing serves what it accepts.
fn door(yard: &Yard, limits: Limits) -> (SocketAddr, Arc<AcceptMetrics>, super::Incoming) {
    let acceptor = acceptor(yard, limits);
    let address = acceptor.listener.local_addr().expect("address");
    let metrics = Arc::clone(&acceptor.metrics);
    (address, metrics, acceptor.start(&yard.network.tasks))
}

fn acceptor(yard: &Yard, limits: Limits) -> Acceptor {
    Acceptor {
        listener: bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound"),
        config: yard.network.certificate.config(Listener::Enrol).expect("config"),
        lab: yard.authority.lab().clone(),
        limits,
        gate: Arc::new(|| true),
        metrics: Arc::default(),
    }
}

#[tokio::test]
async fn a_silent_peer_is_closed_when_the_handshake_takes_too_long() {
    let yard = Yard::start();
    let limits = Limits {
        handshake: Duration::from_millis(200),
        ..Limits::NODES
    };
    let (address, metrics, mut incoming) = door(&yard, limits);
    let mut silent = TcpStream::connect(address).await.expect("connected");
    assert!(
        closes(&mut silent, PATIENCE).await,
        "a silent peer keeps its place"
    );
    reaches(&metrics.timed_out, 1).await;
    // The place is free again, and an honest peer gets in.
    let server = shell::channel::ServerAddress {
        address,
        ..yard.server(&yard.enrol)
    };
    let config = yard.config(None);
    let dialled = tokio::spawn(async move { shell::channel::dial(&server, config).await });
    let connection = tokio::time::timeout(PATIENCE, incoming.connections.next())
        .await
        .expect("in time");
    assert!(connection.expect("the loop lives").is_ok());
    dialled.await.expect("joined").expect("connected");
}

#[tokio::test]
async fn handshakes_are_capped_per_address_and_refusals_are_immediate() {
    let yard = Yard::start();
    let (address, metrics, _incoming) = door(
        &yard,
        Limits {
            pending_per_ip: 4,
            ..Limits::NODES
        },
    );
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.expect("connected"));
    }
    let mut fifth = TcpStream::connect(address).await.expect("connected");
    assert!(
        closes(&mut fifth, Duration::from_secs(2)).await,
        "the fifth was let wait"
    );
    assert_eq!(metrics.refused.load(Ordering::Relaxed), 1);
    assert!(
        !closes(&mut silent[0], Duration::from_millis(50)).await,
        "the first lost its place"
    );
    // One of the four goes, and its place is free.
    silent.pop();
    reaches(&metrics.failed, 1).await;
    let mut sixth = TcpStream::connect(address).await.expect("connected");
    assert!(
        !closes(&mut sixth, Duration::from_millis(200)).await,
        "the free place was not given"
    );
}

#[tokio::test]
async fn rubbish_instead_of_tls_is_a_failed_handshake_and_nothing_more() {
    use tokio::io::AsyncWriteExt;
    let yard = Yard::start();
    let (address, metrics, _incoming) = door(&yard, Limits::NODES);
    for rubbish in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 4096],
        &[0x16, 3, 1, 0xff, 0xff, 1],
    ] {
        let mut peer = TcpStream::connect(address).await.expect("connected");
        peer.write_all(rubbish).await.expect("sent");
        peer.shutdown().await.expect("half closed");
        assert!(closes(&mut peer, PATIENCE).await || closes(&mut peer, PATIENCE).await);
    }
    reaches(&metrics.failed, 3).await;
}

const CHILD: &str = "DRILLYARD_TEST_WITHOUT_DESCRIPTORS";

/// In a process of its own, because the limit is the process's. Once with a descriptor kept back, so that the queue is
/// turned away; once without even that, so that only the pause is left.
#[test]
fn without_file_descriptors_the_loop_neither_spins_nor_dies() {
    for spare in ["with a spare", "without a spare"] {
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "net::tests::child_without_descriptors",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, spare)
            .output()
            .expect("started");
        let text =
            String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{spare}: {text}"
        );
        println!(
            "{spare}: {}",
            text.lines().find(|line| line.contains("CPU")).unwrap_or_default()
        );
    }
}

#[test]
#[ignore = "run by without_file_descriptors_the_loop_neither_spins_nor_dies in a process of its own"]
fn child_without_descriptors() {
    let Some(mode) = std::env::var_os(CHILD) else {
        return;
    };
    let spare = mode == "with a spare";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let yard = Yard::start();
        let acceptor = acceptor(
            &yard,
            Limits {
                pending_per_ip: 64,
                open_per_ip: 64,
                ..Limits::NODES
            },
        );
        let address = acceptor.listener.local_addr().expect("address");
        let metrics = Arc::clone(&acceptor.metrics);
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("limit");
        setrlimit(Resource::RLIMIT_NOFILE, 120.min(hard), hard).expect("lowered");
        // Clients whose sockets are made while there are descriptors, and connect when there are none.
        let clients: Vec<_> = (0..20)
            .map(|_| tokio::net::TcpSocket::new_v4().expect("socket"))
            .collect();
        let (mut acceptor, mut incoming, mut hoard) = (Some(acceptor), None, Vec::new());
        if spare {
            incoming = acceptor
                .take()
                .map(|acceptor| acceptor.start(&yard.network.tasks));
        }
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        if let Some(acceptor) = acceptor {
            incoming = Some(acceptor.start(&yard.network.tasks));
        }
        let (before, started) = (cpu(), Instant::now());
        let mut waiting = Vec::new();
        for client in clients {
            waiting.push(client.connect(address).await.expect("the kernel accepts"));
        }
        reaches(&metrics.exhausted, 3).await;
        tokio::time::sleep(Duration::from_secs(2).saturating_sub(started.elapsed())).await;
        let (used, wall) = (cpu() - before, started.elapsed());
        println!(
            "CPU {used} ms in {} ms of wall time, {:?} times",
            wall.as_millis(),
            metrics.exhausted
        );
        assert!(
            used < 300,
            "{used} ms of CPU time in {wall:?} without descriptors"
        );
        if spare {
            let mut first = waiting.swap_remove(0);
            assert!(closes(&mut first, PATIENCE).await, "the first in the queue hangs");
        }
        drop((hoard, waiting));
        let server = shell::channel::ServerAddress {
            address,
            ..yard.server(&yard.enrol)
        };
        shell::channel::dial(&server, yard.config(None))
            .await
            .expect("the loop works again");
        drop(incoming);
    });
}

fn cpu() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
}

#[tokio::test]
async fn a_stop_is_not_held_up_by_an_open_connection() {
    let yard = Yard::start();
    yard.mint("app1-worker");
    let idle = yard.channel(&yard.enrol, None).await.expect("connected");
    let stopped = yard.network.tasks.stop(Duration::from_secs(12)).await;
    stopped.expect("no idle connection holds the daemon");
    drop(idle);
}
