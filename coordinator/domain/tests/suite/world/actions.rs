//! Everything that can happen next in a world, with and without faults.

use super::agent::{Outcome, Phase};
use super::{Connection, Down, Os, Up, World};
use domain::event::{AgentPhase, AgentStep, Event, SessionId};
use model::ids::{Attempt, NodeName, StepId};
use model::moment::Moment;
use model::step::StepOutcome;
use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Connect(NodeName),
    NoticeEnd(usize),
    DeliverDown(NodeName),
    DeliverUp(NodeName),
    Start(NodeName, StepId, Attempt),
    End(NodeName, StepId, Attempt),
    HostEnds(usize),
    HostProbe(usize),
    Tick,
    Fault(Fault),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    CoordinatorDies { host_work_was_done: bool },
    AgentDies(NodeName),
    Reboot(NodeName),
    StoreLost(NodeName),
    Partition(NodeName),
    LoseDown(NodeName),
    DuplicateDown(NodeName),
    DuplicateUp(NodeName),
    SwapDown(NodeName),
    SwapUp(NodeName),
    StaleOrder,
    UnitFails(NodeName, StepId, Attempt),
    HostFails(usize),
}

impl World {
    /// What can happen without any fault.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut out = Vec::new();
        out.extend((0..self.unnoticed.len()).map(Action::NoticeEnd));
        for (name, agent) in &self.agents {
            match self.connections.get(name) {
                None => out.push(Action::Connect(name.clone())),
                Some(connection) => {
                    if !connection.down.is_empty() {
                        out.push(Action::DeliverDown(name.clone()));
                    }
                    if !connection.up.is_empty() {
                        out.push(Action::DeliverUp(name.clone()));
                    }
                }
            }
            out.extend(
                agent
                    .startable()
                    .into_iter()
                    .map(|(step, attempt)| Action::Start(name.clone(), step, attempt)),
            );
            out.extend(
                agent
                    .units
                    .iter()
                    .map(|(step, attempt)| Action::End(name.clone(), *step, *attempt)),
            );
        }
        out.extend((0..self.host_runs.len()).map(Action::HostEnds));
        out.extend((0..self.host_probes.len()).map(Action::HostProbe));
        if out.is_empty() && !self.finished() {
            out.push(Action::Tick);
        }
        out
    }

    /// What can go wrong.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        if self.faults_left == 0 {
            return vec![];
        }
        let mut out = vec![Fault::CoordinatorDies {
            host_work_was_done: false,
        }];
        if !self.host_runs.is_empty() {
            out.push(Fault::CoordinatorDies {
                host_work_was_done: true,
            });
        }
        if self.stale.is_some() {
            out.push(Fault::StaleOrder);
        }
        for (name, agent) in &self.agents {
            out.push(Fault::Reboot(name.clone()));
            out.push(Fault::StoreLost(name.clone()));
            if let Some(connection) = self.connections.get(name) {
                out.push(Fault::AgentDies(name.clone()));
                out.push(Fault::Partition(name.clone()));
                self.wire_faults(name, connection, &mut out);
            }
            out.extend(
                agent
                    .units
                    .iter()
                    .map(|(step, attempt)| Fault::UnitFails(name.clone(), *step, *attempt)),
            );
        }
        out.extend((0..self.host_runs.len()).map(Fault::HostFails));
        out
    }

    fn wire_faults(&self, name: &NodeName, connection: &Connection, out: &mut Vec<Fault>) {
        let settled =
            |message: Option<&Down>| message.is_some_and(|message| !matches!(message, Down::Welcome(_)));
        if settled(connection.down.front()) {
            out.push(Fault::LoseDown(name.clone()));
            out.push(Fault::DuplicateDown(name.clone()));
            if connection.down.len() > 1 && connection.down[0] != connection.down[1] {
                out.push(Fault::SwapDown(name.clone()));
            }
        }
        if connection
            .up
            .front()
            .is_some_and(|message| !matches!(message, Up::Hello { .. }))
        {
            out.push(Fault::DuplicateUp(name.clone()));
            if connection.up.len() > 1 && connection.up[0] != connection.up[1] {
                out.push(Fault::SwapUp(name.clone()));
            }
        }
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Connect(name) => self.connect(name),
            Action::NoticeEnd(i) => {
                let (node, session) = self.unnoticed.remove(*i);
                self.submit(Event::AgentDisconnected {
                    node,
                    session,
                    reason: "reset".into(),
                });
            }
            Action::DeliverDown(name) => {
                let message = self
                    .connections
                    .get_mut(name)
                    .and_then(|connection| connection.down.pop_front());
                if let Some(message) = message {
                    self.deliver_down(name, message);
                }
            }
            Action::DeliverUp(name) => self.deliver_up(name),
            Action::Start(name, step, attempt) => self.start(name, *step, *attempt),
            Action::End(name, step, attempt) => self.end(name, *step, *attempt, Outcome::Succeeded),
            Action::HostEnds(i) => self.host_ends(*i, true),
            Action::HostProbe(i) => {
                let (step, attempt) = self.host_probes.remove(*i);
                let result = self.host_os.get(&step).copied().unwrap_or(Os::Nothing).probe();
                self.submit(Event::HostProbeAnswered {
                    step,
                    attempt,
                    result,
                });
            }
            Action::Tick => {
                let last_seen = self
                    .connections
                    .keys()
                    .map(|name| (name.clone(), Moment(20_000_000)))
                    .collect();
                self.submit(Event::Tick {
                    last_seen,
                    heartbeat_ms: 5_000,
                });
                self.go_on_talking();
            }
            Action::Fault(fault) => {
                self.faults_left -= 1;
                self.fail(fault);
            }
        }
    }

    fn fail(&mut self, fault: &Fault) {
        match fault {
            Fault::CoordinatorDies { host_work_was_done } => self.crash_coordinator(*host_work_was_done),
            Fault::AgentDies(name) | Fault::Partition(name) => self.cut(name),
            Fault::Reboot(name) => {
                self.end_process(name);
                self.agents.get_mut(name).expect("known").reboot();
            }
            Fault::StoreLost(name) => {
                self.end_process(name);
                self.agents.get_mut(name).expect("known").lose_store();
            }
            Fault::LoseDown(name) => drop(self.wire(name).down.pop_front()),
            Fault::DuplicateDown(name) => repeat(&mut self.wire(name).down),
            Fault::DuplicateUp(name) => repeat(&mut self.wire(name).up),
            Fault::SwapDown(name) => self.wire(name).down.swap(0, 1),
            Fault::SwapUp(name) => self.wire(name).up.swap(0, 1),
            Fault::StaleOrder => {
                if let Some((name, message)) = self.stale.take() {
                    self.deliver_down(&name, message);
                }
            }
            Fault::UnitFails(name, step, attempt) => self.end(name, *step, *attempt, Outcome::Failed),
            Fault::HostFails(i) => self.host_ends(*i, false),
        }
    }

    fn wire(&mut self, name: &NodeName) -> &mut Connection {
        self.connections.get_mut(name).expect("connected")
    }

    fn connect(&mut self, name: &NodeName) {
        let agent = &self.agents[name];
        let mut up = VecDeque::from([agent.hello()]);
        if !agent.journal.is_empty() {
            up.push_back(Up::Events(agent.journal.clone()));
        }
        let count = self.sessions.entry(name.clone()).or_default();
        *count += 1;
        let session = SessionId(*count);
        self.connections.insert(
            name.clone(),
            Connection {
                session,
                down: VecDeque::new(),
                up,
            },
        );
    }

    /// Agents send a sample every few seconds, and so show again that earlier numbers did not arrive.
    fn go_on_talking(&mut self) {
        let last = |agent: &super::agent::Agent| agent.journal.last().cloned();
        let waiting: Vec<_> = self
            .agents
            .iter()
            .filter_map(|(name, agent)| Some((name.clone(), last(agent)?)))
            .collect();
        for (name, entry) in waiting {
            self.send_up(&name, Up::Events(vec![entry]));
        }
    }

    fn cut(&mut self, name: &NodeName) {
        if let Some(connection) = self.connections.remove(name) {
            self.unnoticed.push((name.clone(), connection.session));
        }
    }

    /// What was on its way to a process ends with it: an order travels in one session, and the next process has another. Only a
    /// process that lives on may still find in its socket what a dead coordinator sent.
    fn end_process(&mut self, name: &NodeName) {
        self.cut(name);
        self.stale.take_if(|(to, _)| to == name);
    }

    fn send_up(&mut self, name: &NodeName, message: Up) {
        if let Some(connection) = self.connections.get_mut(name) {
            connection.up.push_back(message);
        }
    }

    fn deliver_down(&mut self, name: &NodeName, message: Down) {
        let dedup = !self.no_dedup;
        let answers = self.agents.get_mut(name).expect("known").handle(message, dedup);
        for answer in answers {
            self.send_up(name, answer);
        }
    }

    fn start(&mut self, name: &NodeName, step: StepId, attempt: Attempt) {
        let label = self
            .body(step)
            .map(model::step::NodeStep::label)
            .unwrap_or_default();
        if self.agents[name]
            .units
            .iter()
            .any(|(running, _)| *running == step)
        {
            self.violate(format!("{label} runs twice at once"));
        } else if !self.agents[name].units.is_empty() {
            self.violate(format!("{label} starts beside another step of its lane"));
        }
        if self.begun.contains(&(step, attempt)) {
            self.violate(format!("{label} attempt {attempt} is run twice"));
        }
        self.begun.push((step, attempt));
        self.begun.sort_unstable();
        let event = self.agents.get_mut(name).expect("known").start(step, attempt);
        self.send_up(name, event);
    }

    fn end(&mut self, name: &NodeName, step: StepId, attempt: Attempt, outcome: Outcome) {
        let event = self
            .agents
            .get_mut(name)
            .expect("known")
            .end(step, attempt, outcome);
        self.send_up(name, event);
    }

    fn host_ends(&mut self, i: usize, well: bool) {
        let (step, attempt) = self.host_runs.remove(i);
        self.host_os
            .insert(step, if well { Os::Done } else { Os::Partial });
        let outcome = if well {
            StepOutcome::Succeeded { run_ms: 1, cpu_ms: 0 }
        } else {
            StepOutcome::Failed {
                code: "DY-0214".into(),
                message: "failed".into(),
                output: String::new(),
            }
        };
        self.submit(Event::HostStepFinished {
            step,
            attempt,
            outcome,
        });
    }

    fn deliver_up(&mut self, name: &NodeName) {
        let connection = self.wire(name);
        let session = connection.session;
        let Some(message) = connection.up.pop_front() else {
            return;
        };
        let node = name.clone();
        match message {
            Up::Hello {
                boot,
                incarnation,
                last,
            } => {
                let epoch = self.coordinator.state.epoch;
                self.wire(name).down.push_back(Down::Welcome(epoch));
                self.submit(Event::AgentConnected {
                    node,
                    session,
                    version: "1".into(),
                    boot: crate::fixtures::boot(boot),
                    incarnation: crate::fixtures::incarnation(incarnation),
                    first_unacked: last,
                    last_seq: last,
                });
            }
            Up::Events(entries) => {
                let events = entries.iter().map(super::agent::Entry::event).collect();
                self.submit(Event::NodeEvents {
                    node,
                    session,
                    events,
                });
            }
            Up::Ledger(rows) => {
                let states = rows.into_iter().map(|(step, attempt, phase)| AgentStep {
                    step,
                    attempt,
                    phase: public(phase),
                });
                let states = states.collect();
                self.submit(Event::StepStates {
                    node,
                    session,
                    states,
                });
            }
            Up::Probed(step, attempt, os) => {
                self.submit(Event::ProbeAnswered {
                    node,
                    session,
                    step,
                    attempt,
                    result: os.probe(),
                });
            }
        }
    }
}

fn repeat<T: Clone>(queue: &mut VecDeque<T>) {
    if let Some(first) = queue.front().cloned() {
        queue.push_front(first);
    }
}

fn public(phase: Phase) -> AgentPhase {
    match phase {
        Phase::Accepted => AgentPhase::Accepted,
        Phase::Started { .. } => AgentPhase::Started,
        Phase::Finished(_) => AgentPhase::Finished,
    }
}
