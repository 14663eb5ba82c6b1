//! Packets are dropped: all of them or a share, to and from peers, or DNS queries. Undone by removing the lease's tables.
//!
//! The filter sits at the node's uplink (family `netdev`, ingress and egress), below what the kernel routes and above what
//! programs of the container network redirect on their way out. A kernel without an egress hook gets the same rules on the
//! routed path (family `inet`), which such programs may pass by.

use super::Trace;
use super::nft::{self, Place, Table};
use crate::command::CommandError;
use crate::step::StepError;
use model::fault_parts::{Peers, Percent};
use model::ids::LeaseId;

/// Before everything else that filters.
const PRIORITY: &str = "priority -400; policy accept;";

/// Drops everything between this node and the peers.
pub(super) fn cut(lease: LeaseId, peers: &Peers) -> Result<(), StepError> {
    between(&Place::Node, lease, peers, "")
}

/// Drops a share of it.
pub(super) fn lose(lease: LeaseId, peers: &Peers, percent: Percent) -> Result<(), StepError> {
    let share = format!("numgen random mod 100 < {} ", percent.get());
    between(&Place::Node, lease, peers, &share)
}

/// Drops queries that the node's own processes or pods send, or that are routed through it. A pod that comes later is not
/// hit; a pod that goes takes its table along.
pub(super) fn drop_dns(lease: LeaseId) -> Result<(), StepError> {
    let rule = "meta l4proto { tcp, udp } th dport 53 counter drop";
    let chain = |hook: &str| format!("chain {hook} {{ type filter hook {hook} {PRIORITY} {rule}; }}");
    nft::replace(
        &Place::Node,
        "inet",
        lease,
        &format!("{}; {};", chain("output"), chain("forward")),
    )?;
    for pod in nft::pods() {
        let done = nft::replace(&pod, "inet", lease, &format!("{};", chain("output")));
        // A pod that went in the meantime is as good.
        if let Err(error) = done
            && nft::pods().contains(&pod)
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Removes every table of the lease, wherever it is.
pub(super) fn undo(lease: LeaseId) -> Result<(), StepError> {
    for (place, table) in ours()?.iter().filter(|(_, table)| table.lease == lease) {
        nft::remove(place, table)?;
    }
    Ok(())
}

pub(super) fn trace(lease: LeaseId) -> Result<Trace, StepError> {
    let node = nft::tables(&Place::Node)?.iter().any(|t| t.lease == lease);
    let pods = ours()?.iter().any(|(_, table)| table.lease == lease);
    Ok(match (node, pods) {
        (true, _) => Trace::Whole,
        (false, true) => Trace::Part("tables are left in pods only".into()),
        (false, false) => Trace::Nothing,
    })
}

/// All tables of any lease, on the node and in its pods.
pub(super) fn ours() -> Result<Vec<(Place, Table)>, CommandError> {
    let mut found = Vec::new();
    for place in std::iter::once(Place::Node).chain(nft::pods()) {
        let tables = nft::tables(&place)?;
        found.extend(tables.into_iter().map(|table| (place.clone(), table)));
    }
    Ok(found)
}

fn between(place: &Place, lease: LeaseId, peers: &Peers, share: &str) -> Result<(), StepError> {
    let list: Vec<String> = peers.iter().map(|a| a.to_string()).collect();
    let list = list.join(", ");
    let (from, to) = (
        format!("ip saddr {{ {list} }} {share}counter drop;"),
        format!("ip daddr {{ {list} }} {share}counter drop;"),
    );
    // A device that is not there would be taken all the same by newer kernels, and filter nothing.
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    if let Some(device) = uplink(&routes).filter(|_| *place == Place::Node) {
        let hook = |hook: &str, rule: &str| {
            format!("chain {hook} {{ type filter hook {hook} device \"{device}\" {PRIORITY} {rule} }};")
        };
        let body = format!("{} {}", hook("ingress", &from), hook("egress", &to));
        if nft::replace(place, "netdev", lease, &body).is_ok() {
            return Ok(());
        }
    }
    let hook =
        |hook: &str, rule: &str| format!("chain {hook} {{ type filter hook {hook} {PRIORITY} {rule} }};");
    let body = format!(
        "{} {} {}",
        hook("input", &from),
        hook("output", &to),
        hook("forward", &format!("{from} {to}"))
    );
    Ok(nft::replace(place, "inet", lease, &body)?)
}

/// The device of the default route.
fn uplink(routes: &str) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (device, destination) = (words.next()?, words.next()?);
        let plain = device
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        (destination == "00000000" && plain).then(|| device.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::process::Command;

    #[test]
    fn the_uplink_is_the_default_route_s_device() {
        let text = "Iface\tDestination\tGateway\nhost0\t0040A8C0\t00000000\nhost0\t00000000\t0140A8C0\n";
        assert_eq!(uplink(text).as_deref(), Some("host0"));
        assert_eq!(uplink("Iface\tDestination\n"), None);
    }

    struct Namespace(String);

    impl Namespace {
        /// A namespace with two addresses on its own loopback.
        fn new() -> Option<Self> {
            let name = format!("dy-test-{}", std::process::id());
            let ip = |words: &str| {
                let done = Command::new("ip").args(words.split(' ')).status();
                done.is_ok_and(|status| status.success())
            };
            let made = ip(&format!("netns add {name}"))
                && ip(&format!("-n {name} link set lo up"))
                && ip(&format!("-n {name} address add 10.9.0.1/32 dev lo"))
                && ip(&format!("-n {name} address add 10.9.0.2/32 dev lo"));
            made.then_some(Self(name))
        }

        fn place(&self) -> Place {
            Place::Pod(std::path::Path::new("/run/netns").join(&self.0))
        }

        /// Datagrams that arrive of `count` sent between two addresses of the namespace.
        fn arriving(&self, count: usize) -> usize {
            let file = std::fs::File::open(format!("/run/netns/{}", self.0)).expect("the namespace");
            let counted = std::thread::spawn(move || {
                // Only this thread moves.
                nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
                let receiver = UdpSocket::bind("10.9.0.2:5353").expect("bound");
                let sender = UdpSocket::bind("10.9.0.1:0").expect("bound");
                receiver.set_nonblocking(true).expect("set");
                let arrived = |_| {
                    // A packet that is dropped on its way out is an error here; loopback delivers within the call.
                    let _ = sender.send_to(b"x", "10.9.0.2:5353");
                    receiver.recv(&mut [0]).is_ok()
                };
                (0..count).filter(|i| arrived(*i)).count()
            });
            counted.join().expect("counted")
        }
    }

    impl Drop for Namespace {
        fn drop(&mut self) {
            let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
        }
    }

    /// In a namespace of the test's own: the machine's own packets are none of its business.
    #[test]
    fn packets_are_cut_and_lost_for_real_and_come_back() {
        let Some(namespace) = Namespace::new() else {
            eprintln!("SKIPPED: network namespaces need root");
            return;
        };
        let place = namespace.place();
        let (lease, other) = (LeaseId([4; 16]), LeaseId([5; 16]));
        let peers = Peers::new([[10, 9, 0, 2].into()]).expect("valid");
        assert_eq!(namespace.arriving(100), 100);

        between(&place, lease, &peers, "").expect("cut");
        between(&place, lease, &peers, "").expect("cut again");
        assert_eq!(namespace.arriving(20), 0);
        let tables = nft::tables(&place).expect("listed");
        assert!(!tables.is_empty() && tables.iter().all(|t| t.lease == lease));
        for table in &tables {
            nft::remove(&place, table).expect("removed");
            nft::remove(&place, table).expect("gone is fine");
        }
        assert_eq!(namespace.arriving(100), 100);

        between(&place, other, &peers, "numgen random mod 100 < 30 ").expect("lossy");
        let arrived = namespace.arriving(1000);
        // 700 are expected; six standard deviations of a binomial are 87.
        assert!((613..=787).contains(&arrived), "{arrived} of 1000");
        for table in nft::tables(&place).expect("listed") {
            nft::remove(&place, &table).expect("removed");
        }
        assert_eq!(namespace.arriving(100), 100);
    }
}
