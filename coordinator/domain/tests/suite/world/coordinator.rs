//! The coordinator of the small world: the real machine over a log that shares its tail.

use super::{Connection, Down, Os, World};
use domain::effect::Effect;
use domain::event::Event;
use domain::history::Line;
use domain::machine::step;
use domain::record::Record;
use domain::state::State;
use model::ids::{Epoch, Revision};
use model::moment::Moment;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Records become durable at this moment, always: the worlds stay finitely many.
const NOW: Moment = Moment(0);

/// Far enough ahead that every pause is over and every question is asked again; too near for a node to be lost.
const LATER: Moment = Moment(20_000_000);

#[derive(Debug)]
pub(crate) struct Log {
    record: Record,
    before: Option<Arc<Log>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Coordinator {
    pub(crate) state: State,
    log: Option<Arc<Log>>,
    /// Of the last decision.
    pub(crate) fresh: Vec<Record>,
}

impl Coordinator {
    pub(crate) fn decide(&mut self, event: Event) -> Vec<Effect> {
        let now = if matches!(event, Event::Tick { .. }) {
            LATER
        } else {
            NOW
        };
        let decision = step(&self.state, event, now);
        for record in &decision.records {
            self.state
                .apply(self.state.revision.next(), record, NOW)
                .expect("the machine decides on legal records");
            self.log = Some(Arc::new(Log {
                record: record.clone(),
                before: self.log.take(),
            }));
        }
        self.fresh = decision.records;
        decision.effects
    }

    /// The log from its beginning.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut records = Vec::new();
        let mut at = self.log.as_ref();
        while let Some(entry) = at {
            records.push(entry.record.clone());
            at = entry.before.as_ref();
        }
        records.reverse();
        let number = |i: usize| Revision(u64::try_from(i).expect("small") + 1);
        records
            .into_iter()
            .enumerate()
            .map(|(i, record)| Line {
                revision: number(i),
                time: NOW,
                record,
            })
            .collect()
    }

    /// The state as a restart would find it.
    pub(crate) fn replayed(&self) -> State {
        let mut state = State::default();
        for line in self.lines() {
            state
                .apply(line.revision, &line.record, line.time)
                .expect("a log that was written can be read");
        }
        if let Some(plan) = self.state.plan() {
            state.offer_plan(Arc::clone(plan));
        }
        state
    }

    pub(crate) fn hash_into(&self, hash: &mut impl Hasher) {
        let state = &self.state;
        (
            state.epoch,
            &state.run,
            &state.steps,
            &state.claims,
            &state.served,
        )
            .hash(hash);
        for (name, node) in &state.nodes {
            (
                name,
                node.session,
                node.reconciled,
                node.link,
                node.boot,
                node.incarnation,
                node.cursor,
            )
                .hash(hash);
        }
    }
}

impl World {
    pub(crate) fn perform(&mut self, effect: Effect) {
        let epoch = self.coordinator.state.epoch;
        let (node, message) = match effect {
            Effect::Dispatch { node, order } => (node, Down::Run(epoch, order.step, order.attempt)),
            Effect::ListSteps { node } => (node, Down::List(epoch)),
            Effect::Probe { node, order } => (node, Down::Probe(epoch, order.step, order.attempt)),
            Effect::AckEvents { node, upto, .. } => (node, Down::Ack(upto)),
            Effect::Rewind { node, expected } => (node, Down::Rewind(expected)),
            Effect::RunHost { step, attempt } => {
                if self.host_runs.iter().any(|(running, _)| *running == step.id) {
                    self.violate(format!("{} runs twice at once on the host", step.name));
                }
                if self.begun.contains(&(step.id, attempt)) {
                    self.violate(format!(
                        "{} attempt {attempt} is run twice on the host",
                        step.name
                    ));
                }
                self.begun.push((step.id, attempt));
                self.begun.sort_unstable();
                return self.host_runs.push((step.id, attempt));
            }
            Effect::ProbeHost { step, attempt } => {
                let asked = (step.id, attempt);
                if !self.host_probes.contains(&asked) {
                    self.host_probes.push(asked);
                }
                return;
            }
            Effect::CloseSession { node, .. } => {
                self.connections.remove(&node);
                return;
            }
            Effect::Cancel { .. } | Effect::CancelHost { .. } => return,
        };
        let session = self
            .coordinator
            .state
            .nodes
            .get(&node)
            .and_then(|known| known.session);
        if let Some(connection) = self
            .connections
            .get_mut(&node)
            .filter(|c| Some(c.session) == session)
        {
            connection.down.push_back(message);
        }
    }

    /// What a record says must be so.
    pub(crate) fn check_records(&mut self) {
        for record in self.coordinator.fresh.clone() {
            let Record::StepSucceeded { step, .. } = record else {
                continue;
            };
            let Some(planned) = self.plan.step(step) else {
                continue;
            };
            let os = match planned.target.node() {
                Some(node) => self.agents.get(node).and_then(|agent| agent.os.get(&step)),
                None if planned.is_wait() => continue,
                None => self.host_os.get(&step),
            };
            if os != Some(&Os::Done) {
                self.violate(format!(
                    "{} is recorded as done and is {os:?}",
                    planned.name.clone()
                ));
            }
        }
    }

    /// The process dies and a new one takes over: all that was only in memory or on the wire is gone.
    pub(crate) fn crash_coordinator(&mut self, host_work_was_done: bool) {
        let replayed = self.coordinator.replayed();
        if replayed != self.coordinator.state {
            self.violate("the log replays to another state");
        }
        for (node, connection) in std::mem::take(&mut self.connections) {
            self.keep_stale(&node, &connection);
        }
        self.unnoticed.clear();
        for (step, _) in std::mem::take(&mut self.host_runs) {
            self.host_os
                .insert(step, if host_work_was_done { Os::Done } else { Os::Partial });
        }
        self.host_probes.clear();
        self.coordinator.state = replayed;
        let epoch = Epoch(self.coordinator.state.epoch.0 + 1);
        self.submit(Event::Started { epoch });
    }

    fn keep_stale(&mut self, node: &model::ids::NodeName, connection: &Connection) {
        let order = connection
            .down
            .iter()
            .find(|message| matches!(message, Down::Run(..)));
        if let Some(order) = order {
            self.stale = Some((node.clone(), order.clone()));
        }
    }
}
