//! A small world: the real machine, two modelled agents, a network with sessions, a host that runs host steps, and faults.

pub(crate) mod actions;
pub(crate) mod agent;
pub(crate) mod coordinator;

use self::agent::Agent;
use self::coordinator::Coordinator;
use domain::event::{Event, SessionId};
use domain::plan::Plan;
use model::ids::{Attempt, Epoch, NodeName, Seq, StepId};
use model::step::{NodeStep, ProbeResult};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What the coordinator sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Down {
    Welcome(Epoch),
    Run(Epoch, StepId, Attempt),
    List(Epoch),
    Probe(Epoch, StepId, Attempt),
    Ack(Seq),
    Rewind(Seq),
}

/// What an agent sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Up {
    Hello { boot: u8, incarnation: u8, last: Seq },
    Events(Vec<agent::Entry>),
    Ledger(Vec<(StepId, Attempt, agent::Phase)>),
    Probed(StepId, Attempt, Os),
}

/// What the operating system holds of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Os {
    Nothing,
    Partial,
    Done,
}

impl Os {
    pub(crate) fn probe(self) -> ProbeResult {
        match self {
            Os::Nothing => ProbeResult::NotStarted,
            Os::Partial => ProbeResult::Partial {
                detail: "some".into(),
            },
            Os::Done => ProbeResult::Done,
        }
    }
}

/// A connection between one agent and the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) session: SessionId,
    pub(crate) down: VecDeque<Down>,
    pub(crate) up: VecDeque<Up>,
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) coordinator: Coordinator,
    pub(crate) agents: BTreeMap<NodeName, Agent>,
    pub(crate) connections: BTreeMap<NodeName, Connection>,
    /// Sessions that ended without the coordinator knowing yet.
    pub(crate) unnoticed: Vec<(NodeName, SessionId)>,
    /// An order of a dead coordinator that may still arrive.
    pub(crate) stale: Option<(NodeName, Down)>,
    /// Host steps that run, and probes that are awaited.
    pub(crate) host_runs: Vec<(StepId, Attempt)>,
    pub(crate) host_probes: Vec<(StepId, Attempt)>,
    pub(crate) host_os: BTreeMap<StepId, Os>,
    /// Every attempt of which work was begun, on nodes and on the host.
    pub(crate) begun: Vec<(StepId, Attempt)>,
    /// Sessions so far of each node.
    pub(crate) sessions: BTreeMap<NodeName, u64>,
    pub(crate) faults_left: u8,
    /// A defect that is planted in the agents, to see that the search finds it.
    pub(crate) no_dedup: bool,
    /// Broken promises; the search stops at the first.
    pub(crate) violations: Vec<String>,
}

impl World {
    pub(crate) fn new(plan: Plan, faults: u8) -> Self {
        let plan = Arc::new(plan);
        let nodes = ["mgmt-cp", "mgmt-worker"].map(crate::fixtures::node);
        let mut world = World {
            coordinator: Coordinator::default(),
            agents: nodes
                .iter()
                .map(|node| (node.clone(), Agent::new(node.clone())))
                .collect(),
            connections: BTreeMap::new(),
            unnoticed: vec![],
            stale: None,
            host_runs: vec![],
            host_probes: vec![],
            host_os: BTreeMap::new(),
            begun: vec![],
            sessions: BTreeMap::new(),
            faults_left: faults,
            no_dedup: false,
            violations: vec![],
            plan: Arc::clone(&plan),
        };
        world.submit(Event::Started { epoch: Epoch(1) });
        let run = crate::fixtures::run_id(1);
        world.coordinator.state.offer_plan(Arc::clone(&plan));
        world.submit(Event::UpRequested {
            run,
            through: 1,
            yes: true,
            plan: (*plan).clone(),
        });
        world
    }

    /// One machine step: records durable, then effects into the network and the host.
    pub(crate) fn submit(&mut self, event: Event) {
        let effects = self.coordinator.decide(event);
        self.check_records();
        for effect in effects {
            self.perform(effect);
        }
    }

    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn body(&self, step: StepId) -> Option<&NodeStep> {
        self.plan.step(step).and_then(|step| step.node_step())
    }

    pub(crate) fn finished(&self) -> bool {
        self.coordinator.state.active_run().is_none()
    }

    /// Identity of this world: everything but the length of the log.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.coordinator.hash_into(&mut hash);
        self.agents.hash(&mut hash);
        self.connections.hash(&mut hash);
        self.unnoticed.hash(&mut hash);
        self.stale.hash(&mut hash);
        self.host_runs.hash(&mut hash);
        self.host_probes.hash(&mut hash);
        self.host_os.hash(&mut hash);
        self.begun.hash(&mut hash);
        self.faults_left.hash(&mut hash);
        hash.finish()
    }
}
