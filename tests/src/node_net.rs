//! What a node of the lab sees: looked at from inside its namespaces, without a program of ours in it.

use crate::lab::TestLab;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A running node, by its PID 1 as the host numbers it.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    leader: i32,
}

/// The node's present PID 1; None when it is off.
pub fn inside(lab: &TestLab, node: &str) -> Option<Inside> {
    let text = std::fs::read(lab.home().join("nodes").join(node).join("node.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let keeper = record["process"]["pid"].as_i64()?;
    let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    let leader = children.split_whitespace().next()?.parse().ok()?;
    Some(Inside { leader })
}

impl Inside {
    /// Its PID 1 as the host numbers it.
    pub fn leader(self) -> i32 {
        self.leader
    }

    /// A file of the node, as the host sees it.
    pub fn path(self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader))
    }

    /// Runs a program of the node in all of its namespaces; whether it succeeded.
    pub fn run(self, words: &[&str]) -> bool {
        self.output(words).is_some()
    }

    /// The standard output of a program of the node; None when it failed.
    pub fn output(self, words: &[&str]) -> Option<String> {
        let output = Command::new("nsenter")
            .arg(format!("--target={}", self.leader))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--"])
            .args(words)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    /// Whether a connection from the node comes about within a second.
    pub fn reaches(self, address: Ipv4Addr, port: u16) -> bool {
        let address = SocketAddr::from((address, port));
        let limit = Duration::from_secs(1);
        self.there(move || TcpStream::connect_timeout(&address, limit).is_ok())
    }

    /// Whether a datagram to a name server leaves the node; whether one answers does not matter.
    pub fn may_ask_names(self, server: Ipv4Addr) -> bool {
        self.there(move || {
            let sent = UdpSocket::bind("0.0.0.0:0").and_then(|s| s.send_to(b"?", (server, 53)));
            // A filter on the way out refuses the call itself.
            sent.map_or_else(|e| e.kind() != io::ErrorKind::PermissionDenied, |_| true)
        })
    }

    /// How many of `count` connections to a port that refuses are refused at once: the others lost a packet.
    pub fn refused_at_once(self, address: Ipv4Addr, port: u16, count: usize) -> usize {
        let address = SocketAddr::from((address, port));
        self.there(move || {
            let limit = Duration::from_millis(300);
            let refused = |_: &usize| {
                let answer = TcpStream::connect_timeout(&address, limit);
                answer.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            };
            (0..count).filter(refused).count()
        })
    }

    /// In a thread that moved into the node's network; the default where it cannot.
    fn there<T: Default + Send + 'static>(self, look: impl FnOnce() -> T + Send + 'static) -> T {
        let Ok(namespace) = File::open(format!("/proc/{}/ns/net", self.leader)) else {
            return T::default();
        };
        let looked = std::thread::spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
            Some(look())
        });
        looked.join().ok().flatten().unwrap_or_default()
    }
}
