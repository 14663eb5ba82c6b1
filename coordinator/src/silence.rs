//! Lets time pass for the machine, and has silent nodes looked at from outside.
//!
//! Two missed heartbeats are the first strike: the node is looked at from outside ([`crate::reach`]). Two signs that agree
//! are the second, and told at once. Anything less leaves the matter to the machine's own patience: a busy node is not a
//! dead one.

use crate::agents::LastSeen;
use crate::clock;
use crate::engine::EngineHandle;
use crate::places::Places;
use crate::reach::Outside;
use domain::event::Event;
use model::ids::NodeName;
use model::lab::Lab;
use model::moment::Moment;
use shell::tasks::Tasks;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often silence is looked for.
const LOOK: Duration = Duration::from_millis(125);

/// How often the machine is told that time passed.
const TICK: Duration = Duration::from_millis(500);

/// Shortest heartbeat interval, and the most heartbeats of a whole lab per second.
const SHORTEST_MS: u32 = 500;
const LAB_RATE: u32 = 500;

/// Heartbeats that may be missed before a node is looked at.
const STRIKES: u64 = 2;

/// Shortest pause between looks at a node that stays silent, and the most such looks of a whole lab per second. Each asks the kernel
/// and the provider; a thousand nodes that are gone, looked at every second, keep a tenth of a core busy for nothing new.
const LOOK_AGAIN_MS: u64 = 1_000;
const LOOK_RATE: u64 = 50;

/// The heartbeat interval for a lab of that many nodes.
pub fn heartbeat_ms(nodes: usize) -> u32 {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    nodes.saturating_mul(1000).div_ceil(LAB_RATE).max(SHORTEST_MS)
}

/// The pause until a node that stays silent is looked at again, where that many are.
fn look_again_ms(silent: usize) -> u64 {
    let silent = u64::try_from(silent).unwrap_or(u64::MAX);
    (silent.saturating_mul(1000) / LOOK_RATE).max(LOOK_AGAIN_MS)
}

/// Watches all nodes of a lab.
#[derive(Debug)]
pub struct Watch {
    addresses: HashMap<NodeName, Ipv4Addr>,
    outside: Outside,
    seen: LastSeen,
    engine: EngineHandle,
    heartbeat_ms: u64,
    /// Nodes that are being looked at.
    open: Arc<Mutex<HashSet<NodeName>>>,
}

impl Watch {
    /// A watch over `lab`.
    pub fn new(lab: &Lab, places: &Places, seen: LastSeen, engine: EngineHandle) -> Self {
        let addresses: HashMap<_, _> = lab
            .nodes()
            .map(|(_, node)| (node.name.clone(), node.address))
            .collect();
        Self {
            heartbeat_ms: heartbeat_ms(addresses.len()).into(),
            addresses,
            outside: Outside::new(lab, places),
            seen,
            engine,
            open: Arc::default(),
        }
    }

    /// Runs until the tasks are stopped.
    pub async fn run(self, tasks: Tasks) {
        let mut looks = tokio::time::interval(LOOK);
        let mut ticks = tokio::time::interval(TICK);
        for interval in [&mut looks, &mut ticks] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = tasks.token().cancelled() => return,
                _ = ticks.tick() => self.engine.submit(Event::Tick {
                    last_seen: self.last_seen(),
                    heartbeat_ms: self.heartbeat_ms,
                }),
                _ = looks.tick() => self.look(&tasks, clock::now()),
            }
        }
    }

    fn last_seen(&self) -> Vec<(NodeName, Moment)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(node, at)| (node.clone(), *at)).collect()
    }

    fn look(&self, tasks: &Tasks, now: Moment) {
        for (node, heard) in self.last_seen() {
            if now.millis_since(heard) < self.heartbeat_ms * STRIKES {
                continue;
            }
            let Some(address) = self.addresses.get(&node).copied() else {
                continue;
            };
            if !open(&self.open).insert(node.clone()) {
                continue;
            }
            let (outside, engine, seen, looked) = (
                self.outside.clone(),
                self.engine.clone(),
                Arc::clone(&self.seen),
                Arc::clone(&self.open),
            );
            let judge = async move {
                let signs = outside.look(&node, address).await;
                let last = seen
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(&node)
                    .copied();
                // Whoever spoke meanwhile needs no verdict.
                if last == Some(heard) {
                    engine.submit(Event::Reachability {
                        node: node.clone(),
                        signs,
                        silent_ms: clock::now().millis_since(heard),
                    });
                }
                let silent = open(&looked).len();
                tokio::time::sleep(Duration::from_millis(look_again_ms(silent))).await;
                open(&looked).remove(&node);
            };
            tasks.spawn("reach", tasks.until_stop(judge));
        }
    }
}

fn open(nodes: &Mutex<HashSet<NodeName>>) -> std::sync::MutexGuard<'_, HashSet<NodeName>> {
    nodes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_lab_is_looked_at_each_second_and_a_large_one_no_faster_in_all() {
        assert_eq!(
            [0, 1, 6, 50, 1000].map(look_again_ms),
            [1000, 1000, 1000, 1000, 20_000]
        );
    }

    #[test]
    fn heartbeats_of_a_large_lab_are_stretched() {
        assert_eq!(
            [1, 6, 250, 251, 1000].map(heartbeat_ms),
            [500, 500, 500, 502, 2000]
        );
    }
}
