//! Conditions of the node in the Kubernetes style; only changes are told.

use model::fact::{Condition, ConditionStatus, NodeFacts};
use model::moment::Moment;
use std::collections::BTreeMap;

/// Below this many free bytes the disk is under pressure, as in kubelet's own threshold here.
const DISK_FREE: u64 = 1 << 30;
/// Below this many free bytes memory is under pressure.
const MEMORY_FREE: u64 = 100 << 20;

/// What was looked at.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) containerd: bool,
    pub(super) kubelet: bool,
    /// Kubelet's own health answer; `None` when it was not asked.
    pub(super) kubelet_healthy: Option<bool>,
    pub(super) disk_free: Option<u64>,
    pub(super) facts: NodeFacts,
}

/// The conditions as last told.
#[derive(Debug, Default)]
pub(super) struct Conditions(BTreeMap<&'static str, Condition>);

impl Conditions {
    /// The conditions whose status or reason changed.
    pub(super) fn update(&mut self, look: &Look, now: Moment) -> Vec<Condition> {
        let mut changed = Vec::new();
        for (kind, status, reason, message) in judge(look) {
            let old = self.0.get(kind);
            if old.is_some_and(|c| c.status == status && c.reason == reason) {
                continue;
            }
            let since = old.filter(|c| c.status == status).map_or(now, |c| c.since);
            let condition = Condition {
                kind: kind.into(),
                status,
                reason: reason.into(),
                message,
                since,
            };
            self.0.insert(kind, condition.clone());
            changed.push(condition);
        }
        changed
    }
}

type Verdict = (&'static str, ConditionStatus, &'static str, String);

fn judge(look: &Look) -> Vec<Verdict> {
    use ConditionStatus::{False, True, Unknown};
    let service = |kind, runs, name: &str| -> Verdict {
        if runs {
            (kind, True, "Running", format!("{name} runs"))
        } else {
            (kind, False, "NotRunning", format!("{name} does not run"))
        }
    };
    let kubelet = match (look.kubelet, look.kubelet_healthy) {
        (true, Some(false)) => (
            "KubeletRunning",
            False,
            "NotHealthy",
            "kubelet runs and does not answer its health check".into(),
        ),
        (runs, _) => service("KubeletRunning", runs, "kubelet"),
    };
    let disk = match look.disk_free {
        None => (
            "DiskPressure",
            Unknown,
            "NotMeasured",
            "the disk cannot be measured".into(),
        ),
        Some(free) if free < DISK_FREE => (
            "DiskPressure",
            True,
            "LittleFree",
            format!("{} MiB are free", free >> 20),
        ),
        Some(_) => ("DiskPressure", False, "EnoughFree", "enough is free".into()),
    };
    let facts = &look.facts;
    let left = facts.memory_limit.saturating_sub(facts.memory_used);
    let memory = if facts.memory_limit > 0 && left < MEMORY_FREE {
        (
            "MemoryPressure",
            True,
            "LittleFree",
            format!("{} MiB are left", left >> 20),
        )
    } else {
        ("MemoryPressure", False, "EnoughFree", "enough is left".into())
    };
    vec![
        service("ContainerdRunning", look.containerd, "containerd"),
        kubelet,
        disk,
        memory,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        let facts = NodeFacts {
            memory_limit: 4 << 30,
            memory_used: 1 << 30,
            ..NodeFacts::default()
        };
        Look {
            containerd: true,
            kubelet: true,
            kubelet_healthy: Some(true),
            disk_free: Some(9 << 30),
            facts,
        }
    }

    #[test]
    fn only_changes_are_told_and_since_stays_while_the_status_does() {
        let mut conditions = Conditions::default();
        assert_eq!(conditions.update(&look(), Moment(1)).len(), 4);
        assert!(conditions.update(&look(), Moment(2)).is_empty());
        let sick = conditions.update(
            &Look {
                kubelet_healthy: Some(false),
                ..look()
            },
            Moment(3),
        );
        assert_eq!(
            (sick[0].reason.as_str(), sick[0].since),
            ("NotHealthy", Moment(3))
        );
        let gone = conditions.update(
            &Look {
                kubelet: false,
                ..look()
            },
            Moment(4),
        );
        assert_eq!(
            (gone[0].reason.as_str(), gone[0].since),
            ("NotRunning", Moment(3)),
            "False since then"
        );
    }

    #[test]
    fn pressure_is_told_in_figures() {
        let facts = NodeFacts {
            memory_limit: 1 << 30,
            memory_used: (1 << 30) - 1,
            ..NodeFacts::default()
        };
        let changed = Conditions::default().update(
            &Look {
                disk_free: Some(5 << 20),
                facts,
                ..look()
            },
            Moment(1),
        );
        let by = |kind: &str| changed.iter().find(|c| c.kind == kind).expect("there").clone();
        assert_eq!(by("DiskPressure").message, "5 MiB are free");
        assert_eq!(by("MemoryPressure").status, ConditionStatus::True);
    }
}
