//! Conditions as they may be believed now: what a silent agent said last is not known any more, and a cluster is as well
//! as its nodes.

use crate::state::{Link, NodeState, State};
use model::fact::{Condition, ConditionStatus};
use model::ids::NodeName;
use model::lab::Cluster;
use model::moment::Moment;
use std::collections::BTreeMap;

/// Observed by the coordinator itself, so that an agent's silence takes nothing away from it.
const OUTSIDE: &str = "NodeReachable";

/// What a kernel need not measure: that it does not is no doubt in the node.
const OPTIONAL: [&str; 2] = ["CpuPressure", "IoPressure"];

/// When a node's agent was last heard, as its session has it; without one, by what the log has of it.
pub fn heard(known: &NodeState, last_seen: Option<Moment>) -> Moment {
    // What is not connected any more is so since its silence was noticed, which is later than it was heard.
    let told = known.link != Link::Connected && known.last_record > Moment::default();
    let logged = if told {
        known.last_record
    } else {
        known.since.max(known.last_record)
    };
    last_seen.unwrap_or(logged)
}

/// Conditions of one node, the agent's own first; `heard` is when it last spoke.
pub fn node(known: &NodeState, heard: Moment, now: Moment) -> Vec<Condition> {
    let mut all = vec![responding(known, heard, now)];
    all.extend(known.conditions.values().map(|condition| {
        if known.link == Link::Connected || condition.kind == OUTSIDE {
            condition.clone()
        } else {
            stale(known, condition)
        }
    }));
    all
}

fn responding(known: &NodeState, heard: Moment, now: Moment) -> Condition {
    let silent = now.millis_since(heard) / 1000;
    let (status, reason, message) = match known.link {
        Link::Connected => {
            let message = match silent {
                0 => "heartbeats come".to_owned(),
                _ => format!("heartbeats come, the last {silent} s ago"),
            };
            (ConditionStatus::True, "HeartbeatsCome", message)
        }
        Link::Suspect => {
            let message = format!("no heartbeat or no session for {silent} s");
            (ConditionStatus::Unknown, "HeartbeatMissing", message)
        }
        Link::Lost => {
            let given_up = now.millis_since(known.since) / 1000;
            let message =
                format!("given up {given_up} s ago, last heard {silent} s ago; nobody knows how the node is");
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

/// Conditions of a cluster as a whole; `last_seen` has when each connected agent was last heard.
pub fn cluster(
    state: &State,
    cluster: &Cluster,
    last_seen: &BTreeMap<NodeName, Moment>,
    now: Moment,
) -> Vec<Condition> {
    let unseen = NodeState::default();
    let mut bad = Vec::new();
    let mut unknown = Vec::new();
    let mut since = Moment::default();
    for spec in &cluster.nodes {
        let known = state.nodes.get(&spec.name).unwrap_or(&unseen);
        let heard = heard(known, last_seen.get(&spec.name).copied());
        for condition in node(known, heard, now) {
            if is_not_offered(&condition) {
                continue;
            }
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

fn is_not_offered(condition: &Condition) -> bool {
    condition.reason == "NotMeasured" && OPTIONAL.contains(&condition.kind.as_str())
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
        let all = cluster(state, &lab.clusters[0], &BTreeMap::new(), Moment(9_000_000));
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
                let all = node(known, Moment(5), Moment(9_000_000));
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

    #[test]
    fn silence_counts_from_when_the_agent_last_spoke() {
        let at = |link, since| NodeState {
            link,
            since: Moment(since),
            last_record: Moment(1_000_000),
            ..NodeState::default()
        };
        let said = |known: &NodeState, last_seen: Option<i64>| {
            let heard = heard(known, last_seen.map(Moment));
            responding(known, heard, Moment(19_000_000)).message
        };
        // Noticed at 9 s, five seconds after it spoke.
        let suspect = at(Link::Suspect, 9_000_000);
        assert_eq!(
            said(&suspect, Some(4_000_000)),
            "no heartbeat or no session for 15 s"
        );
        assert_eq!(said(&suspect, None), "no heartbeat or no session for 18 s");
        let connected = at(Link::Connected, 9_000_000);
        assert_eq!(said(&connected, Some(18_500_000)), "heartbeats come");
        assert_eq!(
            said(&connected, Some(15_000_000)),
            "heartbeats come, the last 4 s ago"
        );
        assert_eq!(
            said(&at(Link::Lost, 12_000_000), Some(4_000_000)),
            "given up 7 s ago, last heard 15 s ago; nobody knows how the node is"
        );
    }

    #[test]
    fn a_kernel_without_pressure_figures_is_no_doubt_in_its_node() {
        let mut state = state(Link::Connected, &[("KubeletRunning", ConditionStatus::True)]);
        let told = |kind: &str| Condition {
            reason: "NotMeasured".into(),
            ..condition(kind, ConditionStatus::Unknown).1
        };
        let mut add = |kind: &str| {
            for known in state.nodes.values_mut() {
                known.conditions.insert(kind.into(), told(kind));
            }
            judged(&state).0
        };
        assert_eq!(add("CpuPressure"), ConditionStatus::True);
        assert_eq!(add("DiskPressure"), ConditionStatus::Unknown);
    }
}
