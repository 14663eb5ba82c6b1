//! Probes: unknown is resolved by looking, never by assuming.

use super::draft::Draft;
use super::outcomes::{codes, init_phase};
use crate::effect::Effect;
use crate::plan::{HostStep, PlannedStep, Target};
use crate::record::Record;
use crate::state::{State, StepState};
use model::ids::{Attempt, StepId};
use model::step::{InitPhase, JoinPhase, NodeStep, ProbeResult, RepairPolicy};

/// Failed attempts after which a person decides.
const MAX_FAILURES: u32 = 3;

/// Attempts with an unknown outcome, in one run, after which a person decides: the node fails while it works.
const MAX_UNKNOWNS: u32 = 12;

/// Looks at what may not be run again, before a person decides.
const MAX_LOOKS: u32 = 6;

impl Draft<'_> {
    /// Asks for a probe of `planned`, if its target can be asked.
    pub(super) fn probe(&mut self, planned: &PlannedStep) {
        let Some(attempt) = self.known(planned.id).map(|step| step.attempt) else {
            return;
        };
        let effect = match (&planned.target, planned.order(attempt)) {
            (Target::Node(node), Some(order)) if self.state.may_order(node) => Effect::Probe {
                node: node.clone(),
                order,
            },
            (Target::Host, _) => Effect::ProbeHost {
                step: planned.clone(),
                attempt,
            },
            _ => return,
        };
        self.record(Record::StepProbing {
            step: planned.id,
            attempt,
        });
        self.effect(effect);
    }

    /// A probe answered. An answer to a question that was not asked, or not of this attempt, is ignored.
    pub(super) fn probed(&mut self, step: StepId, attempt: Attempt, result: ProbeResult) {
        let asked = self
            .known(step)
            .is_some_and(|known| known.attempt == attempt && known.probing.is_some());
        let Some(planned) = self.planned(step).filter(|_| asked) else {
            return;
        };
        let result = self.of_these_inputs(&planned, result);
        self.record(Record::StepProbed {
            step,
            attempt,
            result: result.clone(),
        });
        if result == ProbeResult::Done {
            let boot = planned
                .target
                .node()
                .and_then(|node| self.state.nodes.get(node))
                .and_then(|node| node.boot);
            self.record(Record::StepSucceeded {
                step,
                attempt,
                run_ms: 0,
                cpu_ms: 0,
                boot,
                source: None,
            });
            return self.note_served(step);
        }
        let Some(known) = self.known(step) else { return };
        match verdict(&self.state, &planned, known, &result) {
            Some(reason) => {
                let found = crate::record::found(&result);
                self.needs_decision(step, format!("{reason}: found {found}"));
            }
            None if result == ProbeResult::NotStarted => self.install_anew(&planned),
            None => {}
        }
    }
}

impl Draft<'_> {
    /// A look at the nodes sees whether they run, not from which inputs they were made.
    fn of_these_inputs(&self, planned: &PlannedStep, found: ProbeResult) -> ProbeResult {
        if found == ProbeResult::Done && self.state.is_overtaken(planned) {
            let detail = "it is there, and other inputs were used since".into();
            return ProbeResult::Partial { detail };
        }
        found
    }

    /// Where a component that was installed is not there any more, waiting for it would never end. Installing converges, so
    /// it is done once more; what waits for it then waits again.
    fn install_anew(&mut self, awaited: &PlannedStep) {
        let Some(HostStep::AwaitReady { component, cluster }) = awaited.host_step() else {
            return;
        };
        let Some(plan) = self.plan() else { return };
        let installs = |step: &&PlannedStep| {
            matches!(step.host_step(), Some(HostStep::InstallComponent { component: c, cluster: at, .. })
                if c == component && at == cluster)
        };
        for install in plan.steps.iter().filter(installs) {
            if self.state.is_done(install.id) {
                self.unknown(install.id, "what it installed is not there any more");
            }
        }
    }
}

/// Why nothing more may be done by itself; None when there may be another attempt or another look.
fn verdict(
    state: &State,
    planned: &PlannedStep,
    known: &StepState,
    result: &ProbeResult,
) -> Option<&'static str> {
    let exhausted = known.failures >= MAX_FAILURES;
    if may_not_rerun(state, planned, result) {
        let patience = known.failures == 0 && known.looks < MAX_LOOKS;
        return (!patience).then_some("the cluster has served, so this is not made anew");
    }
    // One that was given up before it was handed out has no epoch either, and may be begun; a join token is only added to others.
    let begins_a_cluster = init_phase(planned).is_some_and(|phase| phase != InitPhase::BootstrapToken);
    if begins_a_cluster && !known.ours && known.epoch.is_none() {
        return Some("this log did not start it");
    }
    if known
        .last_error
        .as_ref()
        .is_some_and(|error| error.code == codes::SERVED)
    {
        return Some("the node has served, so this is not made anew");
    }
    if planned
        .node_step()
        .is_some_and(|step| step.repair_policy() == RepairPolicy::NeedsDecision)
    {
        return Some("this is not repaired by itself");
    }
    if exhausted {
        return Some("no attempt is left");
    }
    if planned.target != Target::Host && known.unknowns >= MAX_UNKNOWNS {
        return Some("the node fails whenever this runs");
    }
    None
}

/// Whether running `planned` again could harm a cluster that served. Waiting for its API server harms nothing as long as
/// there is something to wait for.
pub(super) fn may_not_rerun(state: &State, planned: &PlannedStep, result: &ProbeResult) -> bool {
    let served = planned
        .cluster
        .as_ref()
        .is_some_and(|cluster| state.served.contains(cluster));
    match init_phase(planned) {
        Some(InitPhase::WaitControlPlane) => served && !matches!(result, ProbeResult::Partial { .. }),
        Some(phase) => served && before_serving(phase),
        None => false,
    }
}

/// Phases of `kubeadm init` that make what the API server stands on.
pub(super) fn before_serving(phase: InitPhase) -> bool {
    matches!(
        phase,
        InitPhase::Preflight
            | InitPhase::Certs
            | InitPhase::Kubeconfig
            | InitPhase::Etcd
            | InitPhase::ControlPlane
            | InitPhase::KubeletStart
    )
}

/// Whether a success of an earlier boot must be seen again: the boot may have cut off what was not yet on disk, and
/// what lives in memory is gone.
pub(super) fn forgets_on_boot(state: &State, planned: &PlannedStep) -> bool {
    let served = planned
        .cluster
        .as_ref()
        .is_some_and(|cluster| state.served.contains(cluster));
    match planned.node_step() {
        Some(NodeStep::PrepareNode { .. } | NodeStep::ImportImages { .. }) => true,
        Some(NodeStep::KubeadmInit {
            phase: InitPhase::Preflight,
            ..
        }) => false,
        Some(NodeStep::KubeadmInit { phase, .. }) if before_serving(*phase) => !served,
        Some(NodeStep::KubeadmInit { phase, .. }) => *phase == InitPhase::WaitControlPlane,
        Some(NodeStep::KubeadmJoin { phase, .. }) => *phase != JoinPhase::Preflight,
        _ => false,
    }
}
