//! Drives the machine by hand: events in, records applied, effects collected, the log checked at the end.

use crate::fixtures::{boot, incarnation, node, run_id};
use domain::effect::Effect;
use domain::event::{AgentStep, Event, SessionId};
use domain::history::{self, Line};
use domain::machine::{Decision, advance, step};
use domain::plan::Plan;
use domain::record::Record;
use domain::state::{State, StepPhase};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, Epoch, NodeName, Seq, StepId};
use model::moment::Moment;
use model::step::{ProbeResult, StepOutcome};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Sim {
    pub(crate) state: State,
    pub(crate) log: Vec<Line>,
    pub(crate) now: Moment,
    pub(crate) plan: Arc<Plan>,
    /// Effects since they were last taken.
    pub(crate) effects: Vec<Effect>,
    boots: BTreeMap<NodeName, (u8, u8, Seq, u64)>,
}

impl Sim {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut sim = Sim {
            state: State::default(),
            log: vec![],
            now: Moment(0),
            plan: Arc::new(plan),
            effects: vec![],
            boots: BTreeMap::new(),
        };
        let _ = sim.event(Event::Started { epoch: Epoch(1) });
        sim
    }

    pub(crate) fn event(&mut self, event: Event) -> Decision {
        let decision = step(&self.state, event.clone(), self.now);
        let mut ahead = self.state.clone();
        let mut recorded = Vec::new();
        let advanced = advance(&mut ahead, event, self.now, |state, record| {
            recorded.push((state.revision, record.clone()));
        });
        assert_eq!(advanced, decision);
        for record in &decision.records {
            let revision = self.state.revision.next();
            self.state.apply(revision, record, self.now).expect("legal");
            self.log.push(Line {
                revision,
                time: self.now,
                record: record.clone(),
            });
        }
        assert_eq!(ahead, self.state, "what is decided and what is folded agree");
        let logged = self.log.iter().rev().take(recorded.len()).rev();
        assert!(
            logged
                .map(|line| (line.revision, line.record.clone()))
                .eq(recorded)
        );
        self.effects.extend(decision.effects.clone());
        decision
    }

    pub(crate) fn up(&mut self, run: u8, yes: bool) -> Decision {
        let plan = Arc::clone(&self.plan);
        self.state.offer_plan(Arc::clone(&plan));
        self.event(Event::UpRequested {
            run: run_id(run),
            through: plan.through,
            yes,
            plan: (*plan).clone(),
        })
    }

    /// Connects the agent of `name` with an empty ledger.
    pub(crate) fn connect(&mut self, name: &str) {
        self.connect_with(name, vec![]);
    }

    pub(crate) fn connect_with(&mut self, name: &str, states: Vec<AgentStep>) {
        let entry = self.boots.entry(node(name)).or_insert((1, 1, Seq(0), 0));
        entry.3 += 1;
        let (boots, lives, last_seq, session) = *entry;
        let session = SessionId(session);
        let _ = self.event(Event::AgentConnected {
            node: node(name),
            session,
            version: "0.1.0".into(),
            boot: boot(boots),
            incarnation: incarnation(lives),
            first_unacked: Seq(1),
            last_seq,
        });
        let _ = self.event(Event::StepStates {
            node: node(name),
            session,
            states,
        });
    }

    pub(crate) fn disconnect(&mut self, name: &str) {
        let session = SessionId(self.boots[&node(name)].3);
        let _ = self.event(Event::AgentDisconnected {
            node: node(name),
            session,
            reason: "reset".into(),
        });
    }

    pub(crate) fn reboot(&mut self, name: &str) {
        self.disconnect(name);
        self.boots.get_mut(&node(name)).expect("known").0 += 1;
    }

    pub(crate) fn lose_store(&mut self, name: &str) {
        self.disconnect(name);
        let entry = self.boots.get_mut(&node(name)).expect("known");
        (entry.1, entry.2) = (entry.1 + 1, Seq(0));
    }

    pub(crate) fn tell(&mut self, name: &str, kind: NodeEventKind) -> Decision {
        let entry = self.boots.get_mut(&node(name)).expect("known");
        entry.2 = entry.2.next();
        let (boots, lives, seq, session) = *entry;
        self.deliver(name, session, vec![numbered(boots, lives, seq, kind)])
    }

    pub(crate) fn deliver(&mut self, name: &str, session: u64, events: Vec<NodeEvent>) -> Decision {
        self.event(Event::NodeEvents {
            node: node(name),
            session: SessionId(session),
            events,
        })
    }

    pub(crate) fn finish(&mut self, name: &str, outcome: StepOutcome) {
        let (step, attempt) = self.running(name).expect("something is out on the node");
        let _ = self.tell(
            name,
            NodeEventKind::StepFinished {
                step,
                attempt,
                outcome,
            },
        );
    }

    pub(crate) fn succeed(&mut self, name: &str) {
        self.finish(
            name,
            StepOutcome::Succeeded {
                run_ms: 10,
                cpu_ms: 5,
            },
        );
    }

    pub(crate) fn fail(&mut self, name: &str, message: &str) {
        let (code, message) = ("DY-0501".into(), message.into());
        self.finish(
            name,
            StepOutcome::Failed {
                code,
                message,
                output: String::new(),
            },
        );
    }

    pub(crate) fn probe(&mut self, name: &str, step: StepId, result: ProbeResult) {
        let attempt = self.state.steps[&step].attempt;
        let session = SessionId(self.boots[&node(name)].3);
        let _ = self.event(Event::ProbeAnswered {
            node: node(name),
            session,
            step,
            attempt,
            result,
        });
    }

    /// Time passes; every connected agent was heard just now.
    pub(crate) fn pass(&mut self, millis: u64) {
        let silent = self.now.plus_millis(millis);
        self.now = silent;
        let last_seen = self
            .state
            .nodes
            .keys()
            .map(|name| (name.clone(), silent))
            .collect();
        let _ = self.event(Event::Tick {
            last_seen,
            heartbeat_ms: 5_000,
        });
    }

    /// Time passes and nobody is heard.
    pub(crate) fn silence(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        let _ = self.event(Event::Tick {
            last_seen: vec![],
            heartbeat_ms: 5_000,
        });
    }

    pub(crate) fn running(&self, name: &str) -> Option<(StepId, Attempt)> {
        let on = |step: &&StepId| self.state.steps[step].target.node() == Some(&node(name));
        let out = |step: &&StepId| self.state.steps[step].phase.in_flight();
        let id = self.state.steps.keys().filter(on).find(out)?;
        Some((*id, self.state.steps[id].attempt))
    }

    pub(crate) fn id(&self, name: &str) -> StepId {
        self.plan
            .steps
            .iter()
            .find(|step| step.name == name)
            .unwrap_or_else(|| panic!("no step {name}"))
            .id
    }

    pub(crate) fn phase(&self, name: &str) -> Option<StepPhase> {
        self.state
            .steps
            .get(&self.id(name))
            .map(|step| step.phase.clone())
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn records(&self, is: impl Fn(&Record) -> bool) -> usize {
        self.log.iter().filter(|line| is(&line.record)).count()
    }

    /// The log replays to the same state and keeps every promise.
    pub(crate) fn check(&self) {
        let mut state = State::default();
        for line in &self.log {
            state
                .apply(line.revision, &line.record, line.time)
                .expect("legal");
        }
        if self.state.run.is_some() {
            state.offer_plan(Arc::clone(&self.plan));
        }
        assert!(state == self.state, "the log replays to another state");
        self.check_snapshots();
        if let Err(broken) = history::check(&self.log) {
            panic!("{broken:#?}");
        }
        for line in &self.log {
            let json = serde_json::to_string(line).expect("serde");
            assert_eq!(&serde_json::from_str::<Line>(&json).expect("serde"), line);
        }
    }

    /// A snapshot anywhere and the rest of the log give the same state as the whole log.
    fn check_snapshots(&self) {
        let mut state = State::default();
        for (at, line) in self.log.iter().enumerate() {
            state
                .apply(line.revision, &line.record, line.time)
                .expect("legal");
            let bytes = state.snapshot().expect("written");
            let mut restored = State::restore(state.revision, &bytes).expect("read");
            assert!(
                restored == state,
                "a snapshot at {} is another state",
                state.revision
            );
            for line in self.log.iter().skip(at + 1) {
                restored
                    .apply(line.revision, &line.record, line.time)
                    .expect("legal");
            }
            if self.state.run.is_some() {
                restored.offer_plan(Arc::clone(&self.plan));
            }
            assert!(restored == self.state, "a restart from {} differs", line.revision);
        }
    }
}

pub(crate) fn numbered(boots: u8, lives: u8, seq: Seq, kind: NodeEventKind) -> NodeEvent {
    let (incarnation, boot) = (incarnation(lives), boot(boots));
    NodeEvent {
        incarnation,
        seq,
        time: Moment(0),
        monotonic_ms: 0,
        boot,
        kind,
    }
}
