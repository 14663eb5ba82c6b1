//! Which events are routine samples: what an agent measures every few seconds and what by itself changes nothing. A
//! condition that turned is of the same class, but wants attention.

use super::known::text;
use domain::record::Class;
use serde_json::Value;

/// Whether the event is one.
pub(super) fn is_sample(event: &Value) -> bool {
    text(&event["class"]) == Class::Health.name() && text(&event["severity"]) == "debug"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::projection::Projection;
    use model::event::NodeEventKind;
    use model::fact::{Condition, ConditionStatus, NodeFacts};
    use model::ids::Revision;
    use model::lab::Lab;
    use model::moment::Moment;
    use serde_json::json;

    /// The line that operators get of what an agent told.
    fn line(kind: &NodeEventKind) -> Value {
        let zeros = "00".repeat(16);
        let record = json!({"record": "node", "node": "app1-cp", "event": {"incarnation": zeros, "seq": 1, "time": 1,
            "monotonic_ms": 1, "boot": zeros, "kind": kind}});
        let entry = Entry::new(Moment(1), record.to_string());
        let view = Projection::new(&Lab::default()).view(Revision(1), &entry);
        serde_json::from_slice(&view.json()).expect("JSON")
    }

    #[test]
    fn a_sample_is_one_and_what_is_found_by_it_is_not() {
        let health = NodeEventKind::Health {
            facts: NodeFacts::default(),
        };
        assert!(is_sample(&line(&health)), "{}", line(&health));
        let turned = |status| NodeEventKind::ConditionChanged {
            condition: Condition {
                kind: "KubeletRunning".into(),
                status,
                reason: "R".into(),
                message: "m".into(),
                since: Moment(1),
            },
        };
        let matters = [
            turned(ConditionStatus::True),
            turned(ConditionStatus::False),
            NodeEventKind::ClockJump { shift_ms: 3000 },
            NodeEventKind::AgentStarted { version: "1".into() },
        ];
        for kind in matters {
            assert!(!is_sample(&line(&kind)), "{}", line(&kind));
        }
        assert!(!is_sample(&json!({"severity": "debug", "class": "step"})));
        assert!(!is_sample(&json!({"kind": "health"})), "nothing is known of it");
    }
}
