//! The document of `coordinator status --json`: a view of the state and of what the host observed just now.

use crate::component::Component;
use crate::drill::countdown::DrillNow;
use crate::plan::{HostStep, PlannedStep, StepBody};
use crate::record::Record;
use crate::state::{Link, NodeState, State, StepPhase};
use crate::wait::{self, Wait};
use model::fact::{Condition, ConditionStatus};
use model::ids::{ClusterName, Epoch, NodeName};
use model::lab::{Cluster, Lab, Node};
use model::moment::Moment;
use model::step::Role;
use serde::Serialize;
use std::collections::BTreeMap;

/// The condition of a cluster that says whether its API server answers.
pub const API_SERVER_ANSWERS: &str = "ApiServerAnswers";

/// What the host observed beside the log, fresh or not at all.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// When each connected agent was last heard.
    pub last_seen: BTreeMap<NodeName, Moment>,
    /// Kubernetes' own word on each node; absent when its API server was not asked or did not answer.
    pub ready: BTreeMap<NodeName, bool>,
    /// What the latest drill that judged a contract says of it, by contract.
    pub judged: BTreeMap<String, Judged>,
    /// Conditions of clusters, found by asking them.
    pub conditions: BTreeMap<ClusterName, Vec<Condition>>,
    /// The drill that runs.
    pub drill: Option<DrillNow>,
}

/// A contract as a drill judged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Name of the drill.
    pub drill: String,
    /// Its run, hexadecimal.
    pub run: String,
    /// End of the run.
    pub at: Moment,
    /// `pass | fail | inconclusive`
    pub verdict: String,
    /// What stands beside every verdict of its report, such as the scale; None for a run in real time.
    pub label: Option<String>,
}

/// The whole document.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Lab name.
    pub lab: String,
    /// Of the coordinator that owns the log.
    pub epoch: Epoch,
    /// Revision of the last record that went into this view.
    pub revision: model::ids::Revision,
    /// The first phase that is not verified, at most `through`; 0 before the first run.
    pub phase: u8,
    /// Clusters in document order.
    pub clusters: Vec<ClusterStatus>,
    /// Contracts that a check was made of.
    pub contracts: Vec<ContractStatus>,
    /// The latest run.
    pub run: Option<RunStatus>,
    /// The drill that runs now, with its countdowns; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillNow>,
    /// What is waited for now.
    pub waits: Vec<Wait>,
}

/// The latest run.
#[derive(Debug, Clone, Serialize)]
pub struct RunStatus {
    /// Id.
    pub id: model::ids::RunId,
    /// `active`, `cancelling`, or how it ended.
    pub state: String,
    /// Last phase.
    pub through: u8,
    /// Begin, RFC 3339.
    pub started: String,
    /// Steps that are done.
    pub done: usize,
    /// Steps of the plan.
    pub steps: usize,
    /// One line; empty while it is active.
    pub message: String,
    /// The gate at which it waits for a word; absent when it waits at none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<OpenGate>,
}

/// A gate whose phase is verified and whose next phase nobody allowed yet.
#[derive(Debug, Clone, Serialize)]
pub struct OpenGate {
    /// Phase.
    pub phase: u8,
    /// What was said when it was reached.
    pub message: String,
}

/// One cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterStatus {
    /// Name.
    pub name: ClusterName,
    /// Nodes in document order.
    pub nodes: Vec<NodeStatus>,
    /// What is known of the cluster as a whole.
    pub conditions: Vec<ConditionView>,
    /// Its components.
    pub components: Vec<ComponentStatus>,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    /// Name.
    pub name: NodeName,
    /// Role.
    pub role: Role,
    /// Whether it is known to be ready.
    pub ready: bool,
    /// Its agent.
    pub agent: AgentStatus,
    /// What the agent observed.
    pub conditions: Vec<ConditionView>,
}

/// One agent.
#[derive(Debug, Clone, Serialize)]
pub struct AgentStatus {
    /// `connected | suspect | lost | never_seen`
    pub state: Link,
    /// Version; empty when never seen.
    pub version: String,
    /// Milliseconds since it was heard; None when never seen.
    pub last_seen_ms: Option<u64>,
}

/// A condition with its time as text.
#[derive(Debug, Clone, Serialize)]
pub struct ConditionView {
    /// CamelCase type.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// RFC 3339.
    pub since: String,
}

/// One component in one cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentStatus {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Whether its readiness was observed in the latest run.
    pub ready: bool,
    /// RFC 3339; None when it was never begun.
    pub since: Option<String>,
}

/// One contract.
#[derive(Debug, Clone, Serialize)]
pub struct ContractStatus {
    /// `C1` to `C6`.
    pub id: String,
    /// `pass | fail | inconclusive | not_covered`: of the latest drill that judged it, else of the components that serve it.
    pub state: String,
    /// RFC 3339; None when it was not checked.
    pub checked_at: Option<String>,
    /// The drill that says so; None when it is the components' readiness that does.
    pub drill: Option<String>,
    /// Its run, hexadecimal: `coordinator report RUN` has the evidence.
    pub run: Option<String>,
    /// What stands beside every verdict of that run, such as its scale; absent for a run in real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Makes the document.
pub fn status(
    state: &State,
    lab: &Lab,
    components: &[Component],
    observed: &Observed,
    now: Moment,
) -> Status {
    Status {
        lab: lab.name.to_string(),
        epoch: state.epoch,
        revision: state.revision,
        phase: phase(state),
        clusters: lab
            .clusters
            .iter()
            .map(|c| cluster(state, c, components, observed, now))
            .collect(),
        contracts: contracts(state, components, observed),
        run: run(state),
        drill: observed.drill.clone(),
        waits: wait::active(state, now),
    }
}

fn phase(state: &State) -> u8 {
    let Some(run) = &state.run else { return 0 };
    (1..=run.through)
        .find(|phase| !run.gates_reached.contains_key(phase))
        .unwrap_or(run.through)
}

fn run(state: &State) -> Option<RunStatus> {
    let run = state.run.as_ref()?;
    let steps = state.plan().map_or(&[][..], |plan| &plan.steps);
    let word = match (&run.finished, run.cancelling) {
        (Some(end), _) => serde_json::to_value(end.outcome).ok()?.as_str()?.to_owned(),
        (None, Some(_)) => "cancelling".into(),
        (None, None) => "active".into(),
    };
    Some(RunStatus {
        id: run.id,
        state: word,
        through: run.through,
        started: run.started.to_string(),
        done: steps.iter().filter(|step| state.is_done(step.id)).count(),
        steps: steps.len(),
        message: run
            .finished
            .as_ref()
            .map(|end| end.message.clone())
            .unwrap_or_default(),
        gate: open_gate(state),
    })
}

/// The gate at which a confirmation would be taken now.
fn open_gate(state: &State) -> Option<OpenGate> {
    let run = state.active_run().filter(|run| run.cancelling.is_none())?;
    let waits = |phase: &u8| !run.gates_passed.contains(phase) && *phase < run.through;
    let phase = run.gates_reached.keys().copied().find(waits)?;
    let reached = Record::GateReached {
        run: run.id,
        phase,
        missing: state.plan().map(|plan| plan.missing(phase)).unwrap_or_default(),
    };
    Some(OpenGate {
        phase,
        message: reached.message(),
    })
}

fn cluster(
    state: &State,
    cluster: &Cluster,
    all: &[Component],
    observed: &Observed,
    now: Moment,
) -> ClusterStatus {
    let seen = observed
        .conditions
        .get(&cluster.name)
        .map_or(&[][..], Vec::as_slice);
    let here = all.iter().filter(|component| component.runs_in(&cluster.name));
    ClusterStatus {
        name: cluster.name.clone(),
        nodes: cluster
            .nodes
            .iter()
            .map(|n| node(state, cluster, n, observed, now))
            .collect(),
        conditions: crate::health::cluster(state, cluster, &observed.last_seen, now)
            .iter()
            .chain(seen)
            .map(view)
            .collect(),
        components: here
            .map(|component| component_in(state, cluster, component))
            .collect(),
    }
}

fn node(state: &State, cluster: &Cluster, node: &Node, observed: &Observed, now: Moment) -> NodeStatus {
    let unseen = NodeState::default();
    let known = state.nodes.get(&node.name).unwrap_or(&unseen);
    let heard = crate::health::heard(known, observed.last_seen.get(&node.name).copied());
    // Of a cluster whose API server was asked, nothing is presumed: silence is no sign of health.
    let is_asked = observed
        .conditions
        .get(&cluster.name)
        .is_some_and(|found| found.iter().any(|c| c.kind == API_SERVER_ANSWERS));
    NodeStatus {
        name: node.name.clone(),
        role: node.role,
        ready: observed
            .ready
            .get(&node.name)
            .copied()
            .unwrap_or_else(|| !is_asked && presumed_ready(state, cluster, known)),
        agent: AgentStatus {
            state: known.link,
            version: known.version.clone(),
            last_seen_ms: (known.link != Link::NeverSeen).then(|| now.millis_since(heard)),
        },
        conditions: crate::health::node(known, heard, now).iter().map(view).collect(),
    }
}

/// Without Kubernetes' own word: joined, on a working network, and its agent says nothing to the contrary.
fn presumed_ready(state: &State, cluster: &Cluster, known: &NodeState) -> bool {
    let holds = |what| state.holds(&crate::capability::Capability::cluster(&cluster.name, what));
    let kubelet = known
        .conditions
        .get("KubeletRunning")
        .is_none_or(|c| c.status == ConditionStatus::True);
    known.link == Link::Connected && kubelet && holds("joined") && holds("cni")
}

fn component_in(state: &State, cluster: &Cluster, component: &Component) -> ComponentStatus {
    let mut last = None;
    let mut ready = true;
    for step in steps_of(state, cluster, component) {
        last = state.step(step.id).map(|known| known.since);
        ready &= state.is_done(step.id);
    }
    ComponentStatus {
        name: component.name.to_string(),
        version: component.version().to_owned(),
        ready: ready && last.is_some(),
        since: last.map(|at| at.to_string()),
    }
}

fn steps_of<'a>(
    state: &'a State,
    cluster: &'a Cluster,
    component: &'a Component,
) -> impl Iterator<Item = &'a PlannedStep> {
    let steps = state.plan().map_or(&[][..], |plan| &plan.steps);
    steps.iter().filter(move |step| match &step.body {
        StepBody::Host(HostStep::InstallComponent {
            component: name,
            cluster: at,
            ..
        })
        | StepBody::Host(HostStep::AwaitReady {
            component: name,
            cluster: at,
        }) => *name == component.name && *at == cluster.name,
        _ => false,
    })
}

/// What a drill saw decides. Without one, a contract that components serve passes while all of these were observed ready, and
/// fails once one of them was not; while a run still looks nobody knows. The others are not covered yet.
fn contracts(state: &State, components: &[Component], observed: &Observed) -> Vec<ContractStatus> {
    let one = |id: &&str| match observed.judged.get(*id) {
        Some(judged) => ContractStatus {
            id: (*id).to_owned(),
            state: judged.verdict.clone(),
            checked_at: Some(judged.at.to_string()),
            drill: Some(judged.drill.clone()),
            run: Some(judged.run.clone()),
            label: judged.label.clone(),
        },
        None => contract(state, components, id),
    };
    ["C1", "C2", "C3", "C4", "C5", "C6"].iter().map(one).collect()
}

fn contract(state: &State, components: &[Component], id: &str) -> ContractStatus {
    let serving = |name: &model::ids::ComponentName| {
        components
            .iter()
            .any(|c| c.name == *name && c.contracts.iter().any(|contract| contract == id))
    };
    let steps = state.plan().map_or(&[][..], |plan| &plan.steps);
    let checks: Vec<&PlannedStep> = steps
        .iter()
        .filter(|step| match &step.body {
            StepBody::Host(HostStep::AwaitReady { component, .. }) => serving(component),
            _ => false,
        })
        .collect();
    let begun = !checks.is_empty() && checks.iter().all(|step| state.step(step.id).is_some());
    let is_bad = |phase: &StepPhase| matches!(phase, StepPhase::Failed | StepPhase::NeedsDecision { .. });
    let bad = |step: &&PlannedStep| state.step(step.id).is_some_and(|known| is_bad(&known.phase));
    let word = if !begun {
        "not_covered"
    } else if checks.iter().any(bad) {
        "fail"
    } else if checks.iter().all(|step| state.is_done(step.id)) {
        "pass"
    } else {
        "inconclusive"
    };
    let at = checks
        .iter()
        .filter_map(|step| state.step(step.id))
        .map(|known| known.since)
        .max();
    ContractStatus {
        id: id.to_owned(),
        state: word.to_owned(),
        checked_at: at.filter(|_| begun).map(|at| at.to_string()),
        drill: None,
        run: None,
        label: None,
    }
}

fn view(condition: &Condition) -> ConditionView {
    ConditionView {
        kind: condition.kind.clone(),
        status: condition.status,
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.since.to_string(),
    }
}
