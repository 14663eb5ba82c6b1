//! What outlives coordinators: agents with their ledgers, what the host did, and what really ran.

use crate::life::Life;
use coordinator::engine::Engine;
use coordinator::envelope::Stamper;
use coordinator::journal::Journal;
use domain::plan::{Plan, plan};
use domain::record::RunOutcome;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, Incarnation, NodeName, Seq, StepId};
use model::lab::Lab;
use model::moment::Moment;
use model::step::StepOutcome;
use std::collections::{BTreeMap, BTreeSet};

/// An agent that survives every coordinator: ledger, numbered events, and what it ran.
#[derive(Default)]
pub(crate) struct Agent {
    pub(crate) ledger: BTreeMap<StepId, (Attempt, StepOutcome)>,
    pub(crate) told: Vec<NodeEvent>,
    pub(crate) session: u64,
}

impl Agent {
    pub(crate) fn tell(&mut self, kind: NodeEventKind) {
        let seq = Seq(u64::try_from(self.told.len()).expect("few") + 1);
        self.told.push(NodeEvent {
            incarnation: INCARNATION,
            seq,
            time: Moment(0),
            monotonic_ms: 0,
            boot: BOOT,
            kind,
        });
    }
}

pub(crate) const INCARNATION: Incarnation = Incarnation([1; 16]);
pub(crate) const BOOT: BootId = BootId([2; 16]);
pub(crate) const DONE: StepOutcome = StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 };

/// What outlives coordinators.
pub(crate) struct World {
    pub(crate) agents: BTreeMap<NodeName, Agent>,
    pub(crate) host: BTreeSet<StepId>,
    pub(crate) ran: BTreeMap<(StepId, Attempt), u32>,
    pub(crate) plan: Plan,
}

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Died,
    Finished(RunOutcome),
}

impl World {
    pub(crate) fn new() -> Self {
        let mut lab = Lab::default();
        lab.clusters.truncate(1);
        let nodes = lab.nodes().map(|(_, node)| (node.name.clone(), Agent::default()));
        Self {
            agents: nodes.collect(),
            host: BTreeSet::new(),
            ran: BTreeMap::new(),
            plan: plan(&lab, &[], 2).expect("a plan"),
        }
    }

    /// One coordinator's life: agents come, an operator says `up`, until the run or the coordinator ends.
    pub(crate) async fn live(&mut self, log: Box<dyn Journal>) -> End {
        let epoch = log.epoch();
        let wanted = self.plan.clone();
        let opened = Engine::open(log, Stamper::default(), move |digest| {
            (digest == wanted.digest).then(|| wanted.clone())
        });
        let (engine, handle, effects) = opened.expect("the log can be folded");
        let running = std::thread::spawn(move || engine.run());
        let mut life = Life {
            world: self,
            handle,
            effects,
        };
        let end = life.run(epoch).await.unwrap_or(End::Died);
        drop(life);
        let _ = running.join().expect("the engine does not panic");
        end
    }

    pub(crate) fn run_once(&mut self, step: StepId, attempt: Attempt) {
        *self.ran.entry((step, attempt)).or_default() += 1;
    }
}
