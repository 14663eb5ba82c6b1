//! Views of a record that every reader needs: kind, severity, node, step, and one line for people.

use super::{Record, RunOutcome, Source};
use crate::diagnosis::Cause;
use crate::phases;
use model::event::NodeEventKind;
use model::fact::{Condition, ConditionStatus};
use model::ids::{Attempt, NodeName, RunId, StepId};
use serde::{Deserialize, Serialize};

/// How much attention a record wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// For those who look for detail.
    Debug,
    /// As expected.
    Info,
    /// Not as expected, handled.
    Warning,
    /// A person should look.
    Error,
}

impl Severity {
    /// Its name in filters and output; [`str::parse`] reads it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Record {
    /// Snake-case name; for [`Record::Node`] the agent's own kind.
    pub fn kind(&self) -> &str {
        match self {
            Record::Node { event, .. } => event.kind.name(),
            other => other.into(),
        }
    }

    /// How much attention it wants.
    pub fn severity(&self) -> Severity {
        match self {
            Record::StepNeedsDecision { .. } => Severity::Error,
            Record::RunFinished {
                outcome: RunOutcome::NeedsDecision,
                ..
            } => Severity::Error,
            Record::StepFailed { .. }
            | Record::StepDiagnosed { .. }
            | Record::StepUnknown { .. }
            | Record::AgentDisconnected { .. }
            | Record::AgentSuspect { .. }
            | Record::AgentLost { .. }
            | Record::Gap { .. }
            | Record::LeaseTaken { .. }
            | Record::NodeRevoked { .. } => Severity::Warning,
            Record::DrillProgress { what, .. } if what.contains("fault") || what == "aborting" => {
                Severity::Warning
            }
            Record::Audit { outcome, .. } if outcome != "allowed" => Severity::Warning,
            Record::ConditionObserved { condition, .. } => condition_severity(condition),
            Record::StepProbing { .. } | Record::StepProgress { .. } | Record::AgentReconciled { .. } => {
                Severity::Debug
            }
            Record::Node { event, .. } => match &event.kind {
                NodeEventKind::Health { .. }
                | NodeEventKind::StepAccepted { .. }
                | NodeEventKind::StepEvidence { .. } => Severity::Debug,
                NodeEventKind::ConditionChanged { condition } => condition_severity(condition),
                NodeEventKind::StoreLost { .. }
                | NodeEventKind::Dropped { .. }
                | NodeEventKind::ClockJump { .. }
                | NodeEventKind::StepRefused { .. } => Severity::Warning,
                _ => Severity::Info,
            },
            _ => Severity::Info,
        }
    }

    /// The step and attempt that it is about.
    pub fn step(&self) -> Option<(StepId, Attempt)> {
        match self {
            Record::StepIntended { step, attempt, .. }
            | Record::StepDispatched { step, attempt, .. }
            | Record::StepRunning { step, attempt, .. }
            | Record::StepProgress { step, attempt, .. }
            | Record::StepDiagnosed { step, attempt, .. }
            | Record::StepSucceeded { step, attempt, .. }
            | Record::StepFailed { step, attempt, .. }
            | Record::StepUnknown { step, attempt, .. }
            | Record::StepCancelled { step, attempt, .. }
            | Record::StepProbing { step, attempt }
            | Record::StepProbed { step, attempt, .. }
            | Record::StepNeedsDecision { step, attempt, .. } => Some((*step, *attempt)),
            Record::Node { event, .. } => match &event.kind {
                NodeEventKind::StepAccepted { step, attempt }
                | NodeEventKind::StepStarted { step, attempt, .. }
                | NodeEventKind::StepProgress { step, attempt, .. }
                | NodeEventKind::StepEvidence { step, attempt, .. }
                | NodeEventKind::StepFinished { step, attempt, .. }
                | NodeEventKind::StepRefused { step, attempt, .. } => Some((*step, *attempt)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The position in an agent's stream that it consumes.
    pub fn source(&self) -> Option<Source> {
        match self {
            Record::StepRunning { source, .. }
            | Record::StepProgress { source, .. }
            | Record::StepDiagnosed { source, .. }
            | Record::StepSucceeded { source, .. }
            | Record::StepFailed { source, .. }
            | Record::StepUnknown { source, .. }
            | Record::StepCancelled { source, .. } => source.clone(),
            Record::Node { node, event } => Some(Source::of(node, event)),
            _ => None,
        }
    }

    /// The node that it is about, where the record itself says so.
    pub fn node(&self) -> Option<NodeName> {
        match self {
            Record::StepIntended { target, .. } => target.node().cloned(),
            Record::InitClaimed { node, .. }
            | Record::AgentConnected { node, .. }
            | Record::AgentReconciled { node }
            | Record::AgentDisconnected { node, .. }
            | Record::AgentSuspect { node, .. }
            | Record::AgentRecovered { node }
            | Record::AgentLost { node, .. }
            | Record::ConditionObserved { node, .. }
            | Record::Gap { node, .. }
            | Record::TokenMinted { node, .. }
            | Record::TokenUsed { node, .. }
            | Record::NodeRevoked { node, .. } => Some(node.clone()),
            Record::LeaseTaken { fault, .. } => fault.node().cloned(),
            other => other.source().map(|source| source.node),
        }
    }

    /// The run that it names.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Record::RunStarted { run, .. }
            | Record::GatesOpened { run }
            | Record::RunCancelling { run }
            | Record::RunFinished { run, .. }
            | Record::GateReached { run, .. }
            | Record::GatePassed { run, .. }
            | Record::DrillProgress { run, .. } => Some(*run),
            _ => None,
        }
    }

    /// One line for people, cause first; control characters are already gone from agents' texts.
    pub fn message(&self) -> String {
        match self {
            Record::EpochStarted { epoch } => format!("coordinator started, epoch {epoch}"),
            Record::RunStarted { through, .. } => {
                format!("up through phase {through} ({})", phases::title(*through))
            }
            Record::GatesOpened { .. } => "going on at every gate without asking".into(),
            Record::RunCancelling { .. } => "cancelling: running steps are stopped".into(),
            Record::RunFinished { message, .. } => message.clone(),
            Record::StepIntended { name, .. } => name.clone(),
            Record::StepDispatched { attempt, .. } => format!("handed out, attempt {attempt}"),
            Record::StepRunning { unit, .. } => format!("running as {unit}"),
            Record::StepProgress { message, .. } => message.clone(),
            Record::StepDiagnosed { causes, .. } => likely(causes),
            Record::StepSucceeded { run_ms: 0, .. } => "found done".into(),
            Record::StepSucceeded { run_ms, .. } => format!("done in {run_ms} ms"),
            Record::StepFailed { code, message, .. } => format!("{message} ({code})"),
            Record::StepUnknown { reason, .. } => format!("unknown: {reason}"),
            Record::StepCancelled { .. } => "stopped on request".into(),
            Record::StepProbing { .. } => "looking at what is there".into(),
            Record::StepProbed { result, .. } => format!("found {}", probe(result)),
            Record::StepNeedsDecision { reason, .. } => format!("needs a decision: {reason}"),
            Record::InitClaimed { cluster, node, .. } => format!("{node} alone may initialise {cluster}"),
            Record::ClusterServed { cluster } => {
                format!("{cluster}'s API server answered: no reset from now on")
            }
            Record::GateReached { phase, missing, .. } => gate(*phase, missing),
            Record::GatePassed { phase, .. } => format!("going on after phase {phase}"),
            Record::AgentConnected { version, .. } => format!("agent {version} connected"),
            Record::AgentReconciled { .. } => "agent's ledger compared".into(),
            Record::AgentDisconnected { reason, .. } => format!("agent's session ended: {reason}"),
            Record::AgentSuspect { reason, .. } => format!("agent is suspect: {reason}"),
            Record::AgentRecovered { .. } => "agent is heard again".into(),
            Record::AgentLost { reason, .. } => format!("agent is lost: {reason}"),
            Record::ConditionObserved { condition, .. } => told(condition),
            Record::Node { event, .. } => node_event(&event.kind),
            Record::Gap {
                from,
                to: Some(to),
                cause,
                ..
            } => format!("events {from} to {to} are lost: {cause}"),
            Record::Gap {
                from,
                to: None,
                cause,
                ..
            } => format!("events from {from} on may be lost: {cause}"),
            Record::NodesRemoved {} => "the lab was taken down".into(),
            Record::LeaseTaken { fault, deadline, .. } => {
                format!("injecting {}, which ends by itself at {deadline}", fault.label())
            }
            Record::LeaseInjected { lease, .. } => format!("fault of lease {} is there", lease.short()),
            Record::LeaseRenewed { lease, deadline } => {
                format!("fault of lease {} ends by itself at {deadline}", lease.short())
            }
            Record::LeaseUndone { lease, cause, .. } => {
                format!("fault of lease {} is undone ({cause})", lease.short())
            }
            Record::Audit {
                actor,
                action,
                target,
                outcome,
            } => format!("{actor} {action} {target}: {outcome}"),
            Record::TokenMinted { generation, .. } => format!("token made for generation {generation}"),
            Record::TokenUsed { generation, .. } => format!("token used for generation {generation}"),
            Record::CertificateIssued {
                subject, not_after, ..
            } => format!("certificate for {subject} until {not_after}"),
            Record::DrillProgress { drill, message, .. } => format!("drill {drill}: {message}"),
            Record::NodeRevoked { .. } => "all certificates of the node revoked".into(),
        }
    }
}

pub(crate) fn probe(result: &model::step::ProbeResult) -> String {
    use model::step::ProbeResult;
    match result {
        ProbeResult::NotStarted => "no trace of it".into(),
        ProbeResult::Partial { detail } => format!("some of it: {detail}"),
        ProbeResult::Done => "it done".into(),
        ProbeResult::Broken { detail } => format!("it broken: {detail}"),
    }
}

fn likely(causes: &[Cause]) -> String {
    causes.first().map_or_else(String::new, |cause| {
        format!("likeliest cause: {cause}. {}", cause.remedy)
    })
}

fn gate(phase: u8, missing: &[String]) -> String {
    let title = phases::title(phase);
    if missing.is_empty() {
        return format!("phase {phase} ({title}) is verified");
    }
    format!(
        "phase {phase} ({title}) is verified; not provided by this release yet: {}",
        missing.join(", ")
    )
}

fn lease(status: &model::lease::LeaseStatus) -> String {
    use model::lease::LeaseState;
    let short = status.lease.short();
    match (status.state, &status.trouble) {
        (_, Some(trouble)) => format!("fault of lease {short} is not undone yet: {trouble}"),
        (LeaseState::Armed, _) => format!("undo of lease {short} is armed for {}", status.deadline),
        (LeaseState::Injected, _) => format!("fault of lease {short} is there until {}", status.deadline),
        (LeaseState::Undone, _) => {
            let cause = status.cause.map(|c| c.to_string()).unwrap_or_default();
            format!("fault of lease {short} is undone ({cause})")
        }
    }
}

fn node_event(kind: &NodeEventKind) -> String {
    match kind {
        NodeEventKind::AgentStarted { version } => format!("agent {version} started"),
        NodeEventKind::StepAccepted { attempt, .. } => format!("order accepted, attempt {attempt}"),
        NodeEventKind::StepStarted { unit, .. } => format!("started as {unit}"),
        NodeEventKind::StepProgress { message, .. } => message.clone(),
        NodeEventKind::StepEvidence {
            waited_ms, evidence, ..
        } => {
            let pieces = evidence.len();
            format!(
                "{pieces} pieces of evidence after {} s, no further cause",
                waited_ms / 1000
            )
        }
        NodeEventKind::StepFinished { attempt, .. } => format!("attempt {attempt} ended"),
        NodeEventKind::StepRefused { code, reason, .. } => format!("order refused: {reason} ({code})"),
        NodeEventKind::ConditionChanged { condition } => told(condition),
        NodeEventKind::Health { .. } => "health".into(),
        NodeEventKind::StoreLost { reason } => format!("agent's store was lost: {reason}"),
        NodeEventKind::Dropped { from, to, reason } => {
            format!("events {from} to {to} were dropped: {reason}")
        }
        NodeEventKind::ClockJump { shift_ms } => format!("clock jumped by {shift_ms} ms"),
        NodeEventKind::CertificateRenewed { not_after } => format!("certificate renewed until {not_after}"),
        NodeEventKind::LeaseChanged { status } => lease(status),
        NodeEventKind::Unknown(_) => format!("{} (of a later release)", kind.name()),
    }
}

fn told(condition: &Condition) -> String {
    let status = match condition.status {
        ConditionStatus::True => "true",
        ConditionStatus::False => "false",
        ConditionStatus::Unknown => "unknown",
    };
    format!("{} is {status}: {}", condition.kind, condition.message)
}

fn condition_severity(condition: &Condition) -> Severity {
    if condition.is_good() {
        Severity::Info
    } else {
        Severity::Warning
    }
}
