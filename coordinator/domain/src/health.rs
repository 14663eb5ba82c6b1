//! Conditions as they may be believed now: what a silent agent said last is not known any more, and a cluster is as well
//! as its nodes.

use crate::state::{Link, NodeState, State};
use model::fact::{Condition, ConditionStatus};
use model::lab::Cluster;
use model::moment::Moment;

/// Observed by the coordinator itself, so that an agent's silence takes nothing away from it.
const OUTSIDE: &str = "NodeReachable";

/// Conditions of one node, the agent's own first.
pub fn node(known: &NodeState, now: Moment) -> Vec<Condition> {
    let mut all = vec![responding(known, now)];
    all.extend(known.conditions.values().map(|condition| {
        if known.link == Link::Connected || condition.kind == OUTSIDE {
            condition.clone()
        } else {
            stale(known, condition)
        }
    }));
    all
}

fn responding(known: &NodeState, now: Moment) -> Condition {
    let silent = now.millis_since(known.since) / 1000;
    let (status, reason, message) = match known.link {
        Link::Connected => (ConditionStatus::True, "HeartbeatsCome", "heartbeats come".into()),
        Link::Suspect => {
            let message = format!("no heartbeat or no session for {silent} s");
            (ConditionStatus::Unknown, "HeartbeatMissing", message)
        }
        Link::Lost => {
            let message = format!("given up {silent} s ago; nobody knows how the node is");
            (ConditionStatus::Unknown, "AgentLost", message)
        }
        Link::NeverSeen => (ConditionStatus::Unknown, "NeverSeen", "it never connected".into()),
    };
    Condition {
        kind: "AgentResponding".into(),
        status,
        reason: reason.into(),
        message,
        since: known.since,
    }
}

/// What was true when the agent last spoke.
fn stale(known: &NodeState, condition: &Condition) -> Condition {
    let was = match condition.status {
        ConditionStatus::True => "true",
        ConditionStatus::False => "false",
        ConditionStatus::Unknown => return condition.clone(),
    };
    Condition {
        status: ConditionStatus::Unknown,
        reason: "AgentSilent".into(),
        message: format!("was {was} when the agent last spoke: {}", condition.message),
        since: known.since,
        kind: condition.kind.clone(),
    }
}

/// Conditions of a cluster as a whole.
pub fn cluster(state: &State, cluster: &Cluster, now: Moment) -> Vec<Condition> {
    let unseen = NodeState::default();
    let mut bad = Vec::new();
    let mut unknown = Vec::new();
    let mut since = Moment::default();
    for spec in &cluster.nodes {
        let known = state.nodes.get(&spec.name).unwrap_or(&unseen);
        for condition in node(known, now) {
            if condition.is_good() {
                since = since.max(condition.since);
                continue;
            }
            let line = format!("{} {}: {}", spec.name, condition.kind, condition.message);
            match condition.status {
                ConditionStatus::Unknown => unknown.push((condition.since, line)),
                _ => bad.push((condition.since, line)),
            }
        }
    }
    // What is known to be wrong counts more than what is not known.
    let (status, reason, found) = match (bad.is_empty(), unknown.is_empty()) {
        (false, _) => (ConditionStatus::False, "NodeUnwell", bad),
        (true, false) => (ConditionStatus::Unknown, "NodeUnknown", unknown),
        (true, true) => (ConditionStatus::True, "AllWell", Vec::new()),
    };
    let first = found.iter().map(|(since, _)| *since).min();
    let lines: Vec<String> = found.into_iter().map(|(_, line)| line).collect();
    let message = if lines.is_empty() {
        "every node says that it is well".to_owned()
    } else {
        lines.join("; ")
    };
    vec![Condition {
        kind: "NodesHealthy".into(),
        status,
        reason: reason.into(),
        message,
        since: first.unwrap_or(since),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lab::Lab;

    fn condition(kind: &str, status: ConditionStatus) -> (String, Condition) {
        let condition = Condition {
            kind: kind.into(),
            status,
            reason: "Why".into(),
            message: "what".into(),
            since: Moment(5),
        };
        (kind.to_owned(), condition)
    }

    fn state(link: Link, conditions: &[(&str, ConditionStatus)]) -> State {
        let mut state = State::default();
        for spec in &Lab::default().clusters[0].nodes {
            let known = NodeState {
                link,
                conditions: conditions
                    .iter()
                    .map(|(kind, status)| condition(kind, *status))
                    .collect(),
                ..NodeState::default()
            };
            state.nodes.insert(spec.name.clone(), known);
        }
        state
    }

    fn judged(state: &State) -> (ConditionStatus, String) {
        let lab = Lab::default();
        let all = cluster(state, &lab.clusters[0], Moment(9_000_000));
        (all[0].status, all[0].message.clone())
    }

    #[test]
    fn silence_makes_what_was_said_unknown_and_leaves_what_is_seen_from_outside() {
        use ConditionStatus::{False, True, Unknown};
        let told = [("KubeletRunning", True), ("NodeReachable", False)];
        for (link, expected) in [
            (Link::Connected, True),
            (Link::Suspect, Unknown),
            (Link::Lost, Unknown),
        ] {
            let state = state(link, &told);
            let known = state.nodes.values().next().expect("one");
            let by = |kind: &str| {
                let all = node(known, Moment(9_000_000));
                all.into_iter().find(|c| c.kind == kind).expect("there").status
            };
            assert_eq!(
                (by("AgentResponding"), by("KubeletRunning")),
                (expected, expected),
                "{link:?}"
            );
            assert_eq!(by("NodeReachable"), False);
        }
    }

    #[test]
    fn a_cluster_is_as_well_as_its_nodes() {
        use ConditionStatus::{False, True, Unknown};
        let well = [("KubeletRunning", True), ("DiskPressure", False)];
        assert_eq!(judged(&state(Link::Connected, &well)).0, True);
        assert_eq!(judged(&State::default()).0, Unknown, "never seen");
        assert_eq!(judged(&state(Link::Suspect, &well)).0, Unknown);
        let sick = [("KubeletRunning", True), ("DiskPressure", True)];
        let (status, message) = judged(&state(Link::Connected, &sick));
        assert_eq!(status, False);
        assert!(message.contains("DiskPressure: what"), "{message}");
        let mixed = [("KubeletRunning", Unknown), ("DiskPressure", True)];
        assert_eq!(
            judged(&state(Link::Connected, &mixed)).0,
            False,
            "known to be wrong counts more"
        );
    }
}
