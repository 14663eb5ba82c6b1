//! How many connections a listener takes: in handshake and open, in total, per address and per node.

use model::ids::NodeName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Caps of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes at a time.
    pub pending: usize,
    /// Handshakes at a time from one address.
    pub pending_per_ip: usize,
    /// Open connections.
    pub open: usize,
    /// Open connections from one address.
    pub open_per_ip: usize,
    /// Open connections of one node.
    pub open_per_node: usize,
    /// Longest handshake.
    pub handshake: Duration,
}

impl Limits {
    /// For strangers and nodes, which come from addresses of their own.
    pub const NODES: Limits = Limits {
        pending: 64,
        pending_per_ip: 4,
        open: 4096,
        open_per_ip: 8,
        open_per_node: 2,
        handshake: Duration::from_secs(5),
    };

    /// For operators, who all come from the loopback address.
    pub const OPERATORS: Limits = Limits {
        pending_per_ip: 32,
        open: 512,
        open_per_ip: 256,
        ..Limits::NODES
    };
}

#[derive(Debug, Default)]
struct Counts {
    pending: usize,
    open: usize,
    pending_by_ip: HashMap<IpAddr, usize>,
    open_by_ip: HashMap<IpAddr, usize>,
    open_by_node: HashMap<NodeName, usize>,
}

/// The counters behind one listener.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    limits: Limits,
    counts: Arc<Mutex<Counts>>,
}

/// A place in the handshake; gives it back when dropped.
#[derive(Debug)]
pub(super) struct PendingPlace {
    admission: Admission,
    ip: IpAddr,
}

/// A place among the open connections; gives it back when dropped.
#[derive(Debug)]
pub(super) struct OpenPlace {
    admission: Admission,
    ip: IpAddr,
    node: Option<NodeName>,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Arc::default(),
        }
    }

    /// A place in the handshake, unless some cap is reached.
    pub(super) fn begin(&self, ip: IpAddr) -> Option<PendingPlace> {
        self.with(|counts, limits| {
            let full = counts.pending >= limits.pending
                || counts.open + counts.pending >= limits.open
                || count(&counts.pending_by_ip, &ip) >= limits.pending_per_ip
                || count(&counts.open_by_ip, &ip) + count(&counts.pending_by_ip, &ip) >= limits.open_per_ip;
            if full {
                return None;
            }
            counts.pending += 1;
            *counts.pending_by_ip.entry(ip).or_default() += 1;
            Some(PendingPlace {
                admission: self.clone(),
                ip,
            })
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counts, &Limits) -> T) -> T {
        change(
            &mut self.counts.lock().unwrap_or_else(PoisonError::into_inner),
            &self.limits,
        )
    }
}

impl PendingPlace {
    /// The handshake is over: a place among the open connections, unless the node has enough of them.
    pub(super) fn open(self, node: Option<&NodeName>) -> Option<OpenPlace> {
        let ip = self.ip;
        self.admission.with(|counts, limits| {
            if let Some(node) = node {
                let of_node = counts.open_by_node.entry(node.clone()).or_default();
                if *of_node >= limits.open_per_node {
                    return None;
                }
                *of_node += 1;
            }
            counts.open += 1;
            *counts.open_by_ip.entry(ip).or_default() += 1;
            Some(OpenPlace {
                admission: self.admission.clone(),
                ip,
                node: node.cloned(),
            })
        })
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        self.admission.with(|counts, _| {
            counts.pending -= 1;
            release(&mut counts.pending_by_ip, &self.ip);
        });
    }
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.admission.with(|counts, _| {
            counts.open -= 1;
            release(&mut counts.open_by_ip, &self.ip);
            if let Some(node) = &self.node {
                release(&mut counts.open_by_node, node);
            }
        });
    }
}

fn count<K: std::hash::Hash + Eq>(map: &HashMap<K, usize>, key: &K) -> usize {
    map.get(key).copied().unwrap_or(0)
}

/// Counts down and forgets at zero, so that the maps do not grow with every address ever seen.
fn release<K: std::hash::Hash + Eq>(map: &mut HashMap<K, usize>, key: &K) {
    if let Some(left) = map.get_mut(key) {
        *left -= 1;
        if *left == 0 {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_capped_and_come_back() {
        let admission = Admission::new(Limits {
            pending: 3,
            pending_per_ip: 2,
            open_per_ip: 3,
            ..Limits::NODES
        });
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let node = NodeName::new("app1-cp").expect("valid");
        let first = admission.begin(a).expect("first");
        let second = admission.begin(a).expect("second");
        assert!(admission.begin(a).is_none(), "two handshakes per address");
        let third = admission.begin(b).expect("other address");
        assert!(admission.begin(b).is_none(), "three handshakes in total");
        let one = first.open(Some(&node)).expect("first of the node");
        let two = second.open(Some(&node)).expect("second of the node");
        assert!(third.open(Some(&node)).is_none(), "two per node");
        drop((one, two));
        let counts = admission.counts.lock().expect("not poisoned");
        assert_eq!((counts.open, counts.pending), (0, 0));
        assert!(
            counts.open_by_ip.is_empty() && counts.open_by_node.is_empty() && counts.pending_by_ip.is_empty()
        );
    }
}
