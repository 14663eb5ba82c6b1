//! The simulated world: the real engine on storage that may lose power, real outboxes on agents that die, wires that are
//! cut, and real subscriptions. Only the wires and the order of things are ours; a seed decides all of it.

use crate::agent::{Agent, Down, Up, marked, sample};
use crate::log::{Cut, Disk};
use crate::watcher::Watcher;
use coordinator::engine::{Engine, EngineHandle};
use coordinator::envelope::Stamper;
use coordinator::journal::Retention;
use coordinator::subscribe_grpc::Feed;
use domain::effect::Effect;
use domain::event::{Event, SessionId};
use domain::watched::{Broken, Figures, History, Produced, check};
use model::ids::{BootId, LogId, NodeName};
use model::lab::Lab;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tests::watched::MARK;
use tokio::sync::mpsc::UnboundedReceiver;

const AGENTS: [&str; 3] = ["mgmt-cp", "app1-cp", "app2-worker"];
/// Things that happen in one seed before all faults stop.
const ACTIONS: usize = 260;
/// Rounds in which everything must have come to rest after that.
const PATIENCE: usize = 600;
/// A log of this many bytes is shortened, in the seeds that try retention.
const SHORT_LOG: u64 = 24 << 10;

struct Coordinator {
    engine: Engine,
    handle: EngineHandle,
    effects: UnboundedReceiver<Effect>,
    /// What its subscribers share.
    feed: Feed,
    /// The present session of each agent.
    sessions: BTreeMap<usize, u64>,
}

struct World {
    dice: StdRng,
    lab: Arc<Lab>,
    disk: Disk,
    retention: Retention,
    coordinator: Option<Coordinator>,
    agents: Vec<Agent>,
    watchers: Vec<Watcher>,
    produced: Vec<Produced>,
    sessions: u64,
}

/// Plays one seed in a runtime of its own, whose clock stands still while anybody works.
pub(crate) fn play(seed: u64) -> Result<Figures, Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(seed);
        for _ in 0..ACTIONS {
            world.happen().await;
        }
        world.rest(seed).await;
        check(&world.history())
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let retention = if dice.random_ratio(1, 4) {
            Retention {
                bytes: SHORT_LOG,
                ..Retention::default()
            }
        } else {
            Retention::default()
        };
        let agents = AGENTS.iter().zip(1..).map(|(name, life)| {
            let name = NodeName::new(*name).expect("valid");
            Agent::new(name, life)
        });
        Self {
            dice,
            lab: Arc::new(Lab::default()),
            disk: Disk::new(LogId([7; 16])),
            retention,
            coordinator: None,
            agents: agents.collect(),
            watchers: vec![
                Watcher::new("all", None),
                Watcher::new("all, cut often", None),
                Watcher::new("one node", Some(AGENTS[1])),
            ],
            produced: Vec::new(),
            sessions: 0,
        }
    }

    async fn happen(&mut self) {
        let agent = self.dice.random_range(0..self.agents.len());
        let watcher = self.dice.random_range(0..self.watchers.len());
        match self.dice.random_range(0..100) {
            0..20 => self.produce(agent),
            20..40 => {
                let most = self.dice.random_range(1..=6);
                self.agents[agent].send(most);
            }
            40..58 => self.deliver(agent).await,
            58..66 => self.agents[agent].receive(),
            66..74 => self.turn(),
            74..80 => self.come_up(agent, watcher).await,
            80..90 => {
                let most = self.dice.random_range(1..=12);
                self.watchers[watcher].take(most).await;
            }
            90 => self.partition(agent),
            91 => self.agents[agent].die(),
            92 => self.agents[agent].settle(),
            93 => self.agents[agent].thin(),
            94 => self.fall(),
            95 => {
                let cut = if self.dice.random() {
                    Cut::BeforeSync
                } else {
                    Cut::AfterSync
                };
                self.disk.cut_at_next_write(cut);
            }
            96 | 97 => self.watchers[1].disconnect(),
            98 => self.watchers[watcher].disconnect(),
            // A reader that does nothing for long.
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }

    fn produce(&mut self, agent: usize) {
        let name = self.agents[agent].name.to_string();
        let mut events = Vec::new();
        for _ in 0..self.dice.random_range(1..=3) {
            if self.dice.random_ratio(1, 3) {
                events.push(sample());
                continue;
            }
            let mark = format!("{MARK}{}", self.produced.len());
            events.push(marked(&mark));
            self.produced.push(Produced {
                node: name.clone(),
                mark,
                acknowledged: true,
                may_drop: false,
            });
        }
        self.agents[agent].produce(events);
    }

    async fn come_up(&mut self, agent: usize, watcher: usize) {
        if self.coordinator.is_none() {
            let opened = Engine::open(Box::new(self.disk.open()), Stamper::default(), |_| None);
            let (engine, handle, effects) = opened.expect("the log is whole");
            self.coordinator = Some(Coordinator {
                engine: engine.with_retention(self.retention),
                handle,
                effects,
                feed: Feed::new(self.disk.reader(), &self.lab),
                sessions: BTreeMap::new(),
            });
        }
        if self.agents[agent].wire.is_none() {
            self.agents[agent].connect();
        }
        if let Some(coordinator) = &self.coordinator
            && !self.watchers[watcher].is_connected()
        {
            self.watchers[watcher].connect(coordinator.feed.clone());
        }
    }

    /// The coordinator takes the agent's next message.
    async fn deliver(&mut self, agent: usize) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let node = self.agents[agent].name.clone();
        let Some(wire) = &mut self.agents[agent].wire else {
            return;
        };
        let Some(message) = wire.up.pop_front() else {
            return;
        };
        match message {
            Up::Hello(position) => {
                if let Some(old) = coordinator.sessions.remove(&agent) {
                    coordinator.handle.submit(gone(&node, old));
                }
                self.sessions += 1;
                let (name, life) = (node.clone(), position.incarnation);
                let asked = coordinator
                    .handle
                    .ask(move |state| state.expected_seq(&name, life));
                let Coordinator { engine, .. } = coordinator;
                let (expected, turned) = tokio::join!(asked, async { engine.turn() });
                let (Some(expected), Ok(_)) = (expected, turned) else {
                    return self.fall();
                };
                wire.session = Some(self.sessions);
                wire.down.push_back(Down::Welcome(expected));
                coordinator.sessions.insert(agent, self.sessions);
                coordinator.handle.submit(Event::AgentConnected {
                    node,
                    session: SessionId(self.sessions),
                    version: "1".into(),
                    boot: BootId([1; 16]),
                    incarnation: position.incarnation,
                    first_unacked: position.first_unacked,
                    last_seq: position.last,
                });
            }
            Up::Events(events) => {
                let Some(session) = wire.session.map(SessionId) else {
                    return;
                };
                // Delivery is at least once: a sender that is not sure says it again.
                if self.dice.random_ratio(1, 12) {
                    wire.up.push_front(Up::Events(events.clone()));
                }
                coordinator.handle.submit(Event::NodeEvents {
                    node,
                    session,
                    events,
                });
            }
        }
    }

    /// One write of the engine; a power cut in it is the end of this coordinator.
    fn turn(&mut self) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        let ended = coordinator.engine.turn().is_err();
        self.perform();
        if ended {
            self.fall();
        }
    }

    /// What the machine wants done reaches the wires that are there.
    fn perform(&mut self) {
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        while let Ok(effect) = coordinator.effects.try_recv() {
            let (node, message) = match effect {
                Effect::AckEvents { node, upto, .. } => (node, Down::Ack(upto)),
                Effect::Rewind { node, expected } => (node, Down::Rewind(expected)),
                _ => continue,
            };
            let agent = self
                .agents
                .iter_mut()
                .enumerate()
                .find(|(_, agent)| agent.name == node);
            let Some((at, agent)) = agent else { continue };
            let Some(wire) = &mut agent.wire else { continue };
            if wire.session.is_some() && wire.session == coordinator.sessions.get(&at).copied() {
                wire.down.push_back(message);
            }
        }
    }

    /// The coordinator is gone. What it had sent may still arrive.
    fn fall(&mut self) {
        if self.coordinator.take().is_none() {
            return;
        }
        for agent in &mut self.agents {
            while self.dice.random_ratio(3, 4) && agent.wire.as_ref().is_some_and(|w| !w.down.is_empty()) {
                agent.receive();
            }
            agent.wire = None;
        }
        for watcher in &mut self.watchers {
            watcher.disconnect();
        }
    }

    /// The wire is cut; the coordinator may notice now, or when the agent is back.
    fn partition(&mut self, agent: usize) {
        self.agents[agent].wire = None;
        let notices = self.dice.random();
        let Some(coordinator) = &mut self.coordinator else {
            return;
        };
        if let Some(session) = coordinator.sessions.remove(&agent).filter(|_| notices) {
            coordinator.handle.submit(gone(&self.agents[agent].name, session));
        }
    }

    /// No more faults: everything must arrive.
    async fn rest(&mut self, seed: u64) {
        for _ in 0..PATIENCE {
            for agent in 0..self.agents.len() {
                self.come_up(agent, agent % self.watchers.len()).await;
                self.agents[agent].send(64);
                self.deliver(agent).await;
                self.turn();
                for _ in 0..4 {
                    self.agents[agent].receive();
                }
            }
            for watcher in &mut self.watchers {
                watcher.take(64).await;
            }
            let head = self.disk.head();
            let is_quiet = self.agents.iter().all(Agent::is_drained);
            if is_quiet && self.watchers.iter().all(|watcher| watcher.position >= head) {
                return;
            }
        }
        let positions: Vec<u64> = self.watchers.iter().map(|w| w.position).collect();
        panic!(
            "seed {seed}: no rest; head {}, subscribers at {positions:?}",
            self.disk.head()
        );
    }

    fn history(&self) -> History {
        History {
            produced: self.produced.clone(),
            subscribers: self.watchers.iter().map(|w| w.record.clone()).collect(),
            head: self.disk.head(),
            oldest: self.disk.oldest(),
            resets: 0,
        }
    }
}

fn gone(node: &NodeName, session: u64) -> Event {
    Event::AgentDisconnected {
        node: node.clone(),
        session: SessionId(session),
        reason: "cut".into(),
    }
}
