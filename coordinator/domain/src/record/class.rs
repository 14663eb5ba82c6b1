//! Classes of events: what an operator filters by first.

use super::Record;
use model::event::NodeEventKind;
use model::ids::ClusterName;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// An `up`.
    Run,
    /// A gate, or what a cluster as a whole came to.
    Phase,
    /// An attempt of a step.
    Step,
    /// What is observed of a node or cluster.
    Health,
    /// An agent comes, goes, or is silent.
    Connection,
    /// A certificate or token.
    Certificate,
    /// Somebody did or tried something.
    Audit,
    /// A drill or one of its faults.
    Drill,
    /// The log itself: losses, new coordinators, kinds that this release does not know.
    Log,
}

impl Class {
    /// All classes.
    pub const ALL: &'static [Class] = Self::VARIANTS;

    /// Its name in filters and output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Record {
    /// What it is about.
    pub fn class(&self) -> Class {
        match self {
            Record::RunStarted { .. }
            | Record::GatesOpened { .. }
            | Record::RunCancelling { .. }
            | Record::RunFinished { .. } => Class::Run,
            Record::GateReached { .. }
            | Record::GatePassed { .. }
            | Record::InitClaimed { .. }
            | Record::ClusterServed { .. } => Class::Phase,
            Record::AgentConnected { .. }
            | Record::AgentReconciled { .. }
            | Record::AgentDisconnected { .. }
            | Record::AgentSuspect { .. }
            | Record::AgentRecovered { .. }
            | Record::AgentLost { .. } => Class::Connection,
            Record::TokenMinted { .. } | Record::TokenUsed { .. } | Record::CertificateIssued { .. } => {
                Class::Certificate
            }
            Record::NodeRevoked { .. } | Record::Audit { .. } => Class::Audit,
            Record::ConditionObserved { .. } => Class::Health,
            Record::EpochStarted { .. } | Record::Gap { .. } | Record::NodesRemoved {} => Class::Log,
            Record::Node { event, .. } => class_of(&event.kind),
            other if other.step().is_some() => Class::Step,
            other => by_name(other.kind()),
        }
    }

    /// The cluster, where the record itself says so.
    pub fn cluster(&self) -> Option<&ClusterName> {
        match self {
            Record::StepIntended { cluster, .. } => cluster.as_ref(),
            Record::InitClaimed { cluster, .. } | Record::ClusterServed { cluster } => Some(cluster),
            _ => None,
        }
    }
}

fn class_of(kind: &NodeEventKind) -> Class {
    match kind {
        NodeEventKind::AgentStarted { .. } => Class::Connection,
        NodeEventKind::StepAccepted { .. }
        | NodeEventKind::StepStarted { .. }
        | NodeEventKind::StepProgress { .. }
        | NodeEventKind::StepEvidence { .. }
        | NodeEventKind::StepFinished { .. }
        | NodeEventKind::StepRefused { .. } => Class::Step,
        NodeEventKind::ConditionChanged { .. }
        | NodeEventKind::Health { .. }
        | NodeEventKind::ClockJump { .. } => Class::Health,
        NodeEventKind::CertificateRenewed { .. } => Class::Certificate,
        NodeEventKind::StoreLost { .. } | NodeEventKind::Dropped { .. } => Class::Log,
        other => by_name(other.name()),
    }
}

/// Families that are told by their names' first word.
fn by_name(kind: &str) -> Class {
    match kind.split('_').next() {
        Some("drill" | "fault" | "lease") => Class::Drill,
        Some("condition") => Class::Health,
        _ => Class::Log,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;
    use strum::VariantNames as _;

    #[test]
    fn names_are_those_of_the_log() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).expect("JSON"), class.name());
        }
        for severity in [
            Severity::Debug,
            Severity::Info,
            Severity::Warning,
            Severity::Error,
        ] {
            assert_eq!(serde_json::to_value(severity).expect("JSON"), severity.name());
            assert_eq!(severity.name().parse(), Ok(severity));
        }
        let unknown = serde_json::from_str::<Record>(r#"{"record":"?"}"#).expect_err("no such record");
        let names: Vec<_> = Record::VARIANTS.iter().map(|name| format!("`{name}`")).collect();
        assert!(unknown.to_string().contains(&names.join(", ")), "{unknown}");
    }
}
