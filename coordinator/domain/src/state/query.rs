//! Questions to the state.

use super::{Link, NodeState, Run, State, StepPhase, StepState};
use crate::capability::Capability;
use crate::effect::Effect;
use crate::plan::{HostStep, Plan, PlannedStep, Target};
use model::ids::{Attempt, Incarnation, NodeName, Seq, StepId};
use model::moment::Moment;
use model::step::{Lane, SecretName, StepOrder};
use std::sync::Arc;

impl State {
    /// Gives the state the plan that a run names by its digest: before `UpRequested` is decided, and after a fold when
    /// [`State::wanted_plan`] asks for one. A plan that the active run does not name is ignored.
    pub fn offer_plan(&mut self, plan: Arc<Plan>) {
        let fits = self.active_run().is_none_or(|run| run.plan_digest == plan.digest);
        if fits {
            self.plan = Some(plan);
        }
    }

    /// Digest of the plan that must be offered before the machine can go on.
    pub fn wanted_plan(&self) -> Option<model::ids::Digest> {
        let run = self.run.as_ref()?;
        self.plan().is_none().then_some(run.plan_digest)
    }

    /// The plan of the latest run.
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        let digest = self.run.as_ref()?.plan_digest;
        self.plan.as_ref().filter(|plan| plan.digest == digest)
    }

    /// The run that is not finished.
    pub fn active_run(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.finished.is_none())
    }

    /// What is known of a step.
    pub fn step(&self, id: StepId) -> Option<&StepState> {
        self.steps.get(&id)
    }

    /// Whether the step is done.
    pub fn is_done(&self, id: StepId) -> bool {
        self.steps.get(&id).is_some_and(|step| step.phase.done())
    }

    /// Whether the host has begun the same with other inputs since: of a component in a cluster, and of the nodes, only the
    /// latest is there. Inputs are no part of a name, so such steps have the same one.
    pub fn is_overtaken(&self, step: &PlannedStep) -> bool {
        let replaces = matches!(
            step.host_step(),
            Some(HostStep::EnsureNodes { .. } | HostStep::InstallComponent { .. })
        );
        let Some(known) = self.step(step.id).filter(|_| replaces) else {
            return false;
        };
        self.steps.iter().any(|(id, other)| {
            *id != step.id
                && other.target == Target::Host
                && other.name == known.name
                && other.intended > known.intended
        })
    }

    /// Whether every step of the plan that contributes to `capability` is done; false without any.
    pub fn holds(&self, capability: &Capability) -> bool {
        let Some(plan) = self.plan() else { return false };
        let mut providers = plan.providers(capability).peekable();
        providers.peek().is_some() && providers.all(|step| self.is_done(step.id))
    }

    /// Whether everything that `step` needs holds.
    pub fn needs_met(&self, step: &PlannedStep) -> bool {
        step.needs.iter().all(|capability| self.holds(capability))
    }

    /// Whether orders may be sent to the node: connected, heard, ledger compared.
    pub fn may_order(&self, node: &NodeName) -> bool {
        self.nodes.get(node).is_some_and(NodeState::may_order)
    }

    /// Since when the outcome of a step in flight is awaited in this run. An order that is sent again is no newer for it;
    /// only silence of its node's own begins the wait anew, since nothing could answer then.
    pub fn awaited_since(&self, known: &StepState) -> Moment {
        let line = known.target.node().and_then(|node| self.nodes.get(node));
        let since = match (&known.phase, line) {
            (StepPhase::Intended | StepPhase::Dispatched, Some(line)) => known.intended.max(line.since),
            (StepPhase::Intended | StepPhase::Dispatched, None) => known.intended,
            _ => known.since,
        };
        self.active_run().map_or(since, |run| since.max(run.started))
    }

    /// The step that occupies the lane: handed out, or not yet probed.
    pub fn lane_holder(&self, node: &NodeName, lane: Lane) -> Option<(StepId, &StepState)> {
        let plan = self.plan();
        self.steps
            .iter()
            .map(|(id, step)| (*id, step))
            .find(|(id, step)| {
                step.target.node() == Some(node)
                    && step.lane == Some(lane)
                    && (step.phase.in_flight()
                        || step.phase.wants_probe() && plan.is_some_and(|plan| plan.step(*id).is_some()))
            })
    }

    /// Whether the gates before `phase` let its steps start.
    pub fn gate_open(&self, phase: u8) -> bool {
        self.active_run()
            .is_some_and(|run| run.yes || (1..phase).all(|gate| run.gates_passed.contains(&gate)))
    }

    /// The next number wanted of an agent's stream, for the welcome.
    pub fn expected_seq(&self, node: &NodeName, incarnation: Incarnation) -> Seq {
        match self.nodes.get(node) {
            Some(known) if known.incarnation == Some(incarnation) => known.cursor.next(),
            _ => Seq(1),
        }
    }

    /// Whether `step` at `attempt` is handed out to `node` and needs or yields `secret`: it may be exchanged for it then.
    pub fn may_exchange_secret(
        &self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        secret: SecretName,
    ) -> bool {
        let handed_out = self.steps.get(&step).is_some_and(|known| {
            known.target.node() == Some(node) && known.attempt == attempt && known.phase.in_flight()
        });
        let planned = self.plan().and_then(|plan| plan.step(step));
        let concerns = planned
            .and_then(PlannedStep::node_step)
            .is_some_and(|body| [body.needs_secret(), body.yields_secret()].contains(&Some(secret)));
        handed_out && concerns
    }

    /// What was handed out or asked and not answered, to be performed again when an effect may have been lost.
    pub fn outstanding(&self, _now: Moment) -> Vec<Effect> {
        let mut out: Vec<Effect> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.session.is_some() && !node.reconciled)
            .map(|(name, _)| Effect::ListSteps { node: name.clone() })
            .collect();
        let Some(plan) = self.plan() else { return out };
        for planned in &plan.steps {
            if let Some(step) = self.steps.get(&planned.id) {
                out.extend(self.outstanding_of(planned, step));
            }
        }
        out
    }

    fn outstanding_of(&self, planned: &PlannedStep, step: &StepState) -> Option<Effect> {
        let attempt = step.attempt;
        match (&planned.target, &step.phase) {
            (Target::Host, StepPhase::Dispatched) => Some(Effect::RunHost {
                step: planned.clone(),
                attempt,
            }),
            (Target::Host, _) if step.probing.is_some() => Some(Effect::ProbeHost {
                step: planned.clone(),
                attempt,
            }),
            (Target::Node(node), _) if !self.may_order(node) => None,
            (Target::Node(node), StepPhase::Dispatched) => Some(Effect::Dispatch {
                node: node.clone(),
                order: planned.order(attempt)?,
            }),
            (Target::Node(node), _) if step.probing.is_some() => Some(Effect::Probe {
                node: node.clone(),
                order: planned.order(attempt)?,
            }),
            _ => None,
        }
    }
}

impl NodeState {
    /// Whether orders may be sent.
    pub fn may_order(&self) -> bool {
        self.session.is_some() && self.reconciled && self.link == Link::Connected
    }
}

impl PlannedStep {
    /// The order for an attempt; None for a host step.
    pub fn order(&self, attempt: Attempt) -> Option<StepOrder> {
        let body = self.node_step()?.clone();
        Some(StepOrder {
            step: self.id,
            attempt,
            body,
            budget_ms: self.budget_ms,
        })
    }
}
