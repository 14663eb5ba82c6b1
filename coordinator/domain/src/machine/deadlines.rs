//! Time: heartbeats, questions that were not answered, budgets.

use super::draft::Draft;
use crate::effect::Effect;
use crate::plan::{HostStep, PlannedStep, StepBody, Target};
use crate::record::Record;
use crate::state::{Link, NodeState, StepPhase};
use model::ids::{Attempt, NodeName};
use model::moment::Moment;
use std::collections::BTreeMap;

/// Missed heartbeats until a node is suspect.
const MISSED: u64 = 3;

/// Silence that alone is never suspect, however short the interval: a busy host delays heartbeats by seconds. A node
/// of which two signs say that it is gone is told of long before ([`crate::event::Event::Reachability`]).
const PATIENCE_MS: u64 = 5_000;

/// An agent that was heard this recently is not silent, whatever was seen of it from outside.
const LISTEN_MS: u64 = 500;

/// Silence until a node is lost.
const LOST_MS: u64 = 30_000;

/// Silence until a run gives up on the steps of a node.
const GIVE_UP_MS: u64 = 300_000;

/// Time until an unanswered question is asked again.
const ASK_AGAIN_MS: u64 = 15_000;

/// Time until a ledger that was asked for is asked for again.
const LIST_AGAIN_MS: u64 = 5_000;

/// What is judged of a node.
#[derive(Clone, Copy)]
struct Line {
    has_session: bool,
    link: Link,
    since: Moment,
}

impl Line {
    fn of(node: &NodeState) -> Self {
        Self {
            has_session: node.session.is_some(),
            link: node.link,
            since: node.since,
        }
    }
}

impl Draft<'_> {
    pub(super) fn tick(&mut self, last_seen: &[(NodeName, Moment)], heartbeat_ms: u64) {
        let nodes: Vec<(NodeName, Line)> = self
            .state
            .nodes
            .iter()
            .map(|(name, node)| (name.clone(), Line::of(node)))
            .collect();
        let heard: BTreeMap<&NodeName, Moment> = last_seen.iter().map(|(name, at)| (name, *at)).collect();
        let allowed_ms = heartbeat_ms.saturating_mul(MISSED).max(PATIENCE_MS);
        for (name, node) in &nodes {
            self.judge(name, *node, heard.get(name).copied(), allowed_ms);
        }
        if !self.running() {
            return;
        }
        self.ask_again();
        self.give_up(&nodes);
        self.over_budget();
    }

    fn judge(&mut self, name: &NodeName, node: Line, heard: Option<Moment>, allowed_ms: u64) {
        let node_name = name.clone();
        if !node.has_session {
            let silent = self.now.millis_since(node.since);
            if node.link == Link::Suspect && silent >= LOST_MS {
                self.record(Record::AgentLost {
                    node: node_name,
                    reason: format!("not connected for {} s", silent / 1000),
                });
            }
            return;
        };
        // A session begins with a hello, which counts as a sign of life.
        let last = heard.unwrap_or(node.since);
        let last = if node.link == Link::Connected {
            last.max(node.since)
        } else {
            last
        };
        let silent = self.now.millis_since(last);
        match node.link {
            Link::Connected if silent >= allowed_ms => {
                let reason = format!("no heartbeat for {silent} ms");
                self.record(Record::AgentSuspect {
                    node: node_name,
                    reason,
                });
            }
            Link::Suspect if silent >= LOST_MS => {
                let reason = format!("no heartbeat for {} s", silent / 1000);
                self.record(Record::AgentLost {
                    node: node_name.clone(),
                    reason: reason.clone(),
                });
                self.effect(Effect::CloseSession {
                    node: node_name,
                    reason,
                });
            }
            // Heard since: what made it suspect may be less than this limit ago.
            Link::Suspect if silent < allowed_ms && heard.is_some_and(|at| at > node.since) => {
                self.heard_again(&node_name);
                self.record(Record::AgentRecovered { node: node_name });
            }
            // Silence that was looked at and came to nothing.
            Link::Connected if heard.is_some() && silent < LISTEN_MS => self.heard_again(&node_name),
            _ => {}
        }
    }

    /// Asks and orders again where nothing came back. Agents answer an order that they know with what they know.
    fn ask_again(&mut self) {
        let Some(plan) = self.plan() else { return };
        let unlisted: Vec<NodeName> = self
            .state
            .nodes
            .iter()
            .filter(|(_, node)| node.session.is_some() && node.link == Link::Connected && !node.reconciled)
            .filter(|(_, node)| self.now.millis_since(node.since) >= LIST_AGAIN_MS)
            .map(|(name, _)| name.clone())
            .collect();
        for node in unlisted {
            self.effect(Effect::ListSteps { node });
        }
        for step in &plan.steps {
            let Some(known) = self.known(step.id) else {
                continue;
            };
            let unanswered = |since: Moment| self.now.millis_since(since) >= ASK_AGAIN_MS;
            let silent = known.phase == StepPhase::Dispatched && unanswered(known.since);
            if known.probing.is_some_and(unanswered) {
                self.probe(step);
            } else if silent && step.target.node().is_some_and(|node| self.state.may_order(node)) {
                self.dispatch(step);
            }
        }
    }

    /// Silence never moves work elsewhere; after long enough it only ends the waiting.
    fn give_up(&mut self, nodes: &[(NodeName, Line)]) {
        let Some(plan) = self.plan() else { return };
        for (name, node) in nodes {
            let silent = self.now.millis_since(node.since);
            if node.link != Link::Lost || silent < GIVE_UP_MS || self.began_ms_ago() < GIVE_UP_MS {
                continue;
            }
            // A run that waits for its agent, and longer, gives up with that.
            let is_awaited = plan.steps.iter().any(|step| {
                matches!(&step.body, StepBody::Host(HostStep::AwaitAgent { node }) if node == name)
                    && self.known(step.id).is_some_and(|known| known.phase.in_flight())
            });
            if is_awaited {
                continue;
            }
            for step in self.held_up_by(&plan, name) {
                self.decide(
                    &step,
                    format!("the agent of {name} has been lost for {} s", silent / 1000),
                );
            }
        }
    }

    fn over_budget(&mut self) {
        let Some(plan) = self.plan() else { return };
        for step in &plan.steps {
            let Some(known) = self.known(step.id) else {
                continue;
            };
            let waited = self.now.millis_since(self.state.awaited_since(known));
            let waits_for_agent = matches!(step.body, StepBody::Host(HostStep::AwaitAgent { .. }));
            if waits_for_agent && known.phase.in_flight() && waited > step.budget_ms {
                self.decide(
                    step,
                    format!("the agent did not connect within {} s", step.budget_ms / 1000),
                );
                continue;
            }
            // The unit's own ceiling is half as much again as its budget; what is silent beyond twice is not waited for.
            let limit = step.budget_ms.saturating_mul(2).saturating_add(60_000);
            if known.phase.in_flight() && waited > limit {
                let attempt = known.attempt;
                self.stop(step, attempt);
                self.decide(step, format!("no outcome within {} s", limit / 1000));
            }
        }
    }

    fn stop(&mut self, step: &PlannedStep, attempt: Attempt) {
        match &step.target {
            Target::Host => self.effect(Effect::CancelHost {
                step: step.id,
                attempt,
            }),
            Target::Node(node) if self.state.may_order(node) => {
                self.effect(Effect::Cancel {
                    node: node.clone(),
                    step: step.id,
                    attempt,
                });
            }
            Target::Node(_) => {}
        }
    }

    fn decide(&mut self, step: &PlannedStep, reason: String) {
        if self.known(step.id).is_none() {
            self.intend(step, Attempt(1));
        }
        self.needs_decision(step.id, reason);
    }

    fn run_began(&self) -> Moment {
        self.state.active_run().map_or(self.now, |run| run.started)
    }

    fn began_ms_ago(&self) -> u64 {
        self.now.millis_since(self.run_began())
    }
}
