//! Whether the nodes of a cluster are Ready, and from when the evidence is.
//!
//! The API answers with what is stored. After an outage that is the state of before, until a kubelet writes again. A node
//! counts as Ready only while its kubelet renews its lease, and the answer says when the oldest of this evidence was written.

use super::Seen;
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use ::kube::core::DynamicObject;
use domain::drill::history::AS_OF;
use domain::drill::measure::quantity::Quantity;
use domain::drill::measure::stamp::Stamp;
use model::ids::NodeName;
use model::moment::Moment;
use serde_json::Value;
use std::collections::BTreeMap;

/// Oldest lease that speaks for its node, seconds. Kubelets renew every 10 s: this is two renewals missed.
const STALE: i64 = 21;

/// Namespace of the kubelets' leases.
const LEASES: &str = "kube-node-lease";

/// Every node is registered, Ready, and says so itself.
pub(super) async fn ready(cluster: &Cluster, expected: usize, rebooted: &[NodeName], now: Moment) -> Seen {
    let (nodes, leases) = match tokio::join!(cluster.nodes(), kube::leases(cluster, LEASES)) {
        (Ok(nodes), Ok(leases)) => (nodes, leases),
        (Err(error), _) => return Seen::bad(crate::exit::chain(&error)),
        (_, Err(error)) => return Seen::bad(error),
    };
    let named = |object: DynamicObject| object.metadata.name.clone().map(|name| (name, object.data));
    let nodes: BTreeMap<String, Value> = nodes.into_iter().filter_map(named).collect();
    let leases: BTreeMap<String, Value> = leases.into_iter().filter_map(named).collect();
    judge(&nodes, &leases, expected, rebooted, now)
}

/// `rebooted` are nodes that the drill takes the power of: a lease alone does not speak for those, since the kubelet renews it
/// before it has written the conditions anew. It writes these within its first second and then only when they change, so
/// of other nodes they are as old as they like.
fn judge(
    nodes: &BTreeMap<String, Value>,
    leases: &BTreeMap<String, Value>,
    expected: usize,
    rebooted: &[NodeName],
    now: Moment,
) -> Seen {
    let time = |value: &Value| value.as_str().and_then(|text| Stamp::parse(text).ok());
    let mut wrong = Vec::new();
    let mut oldest: Option<Stamp> = None;
    for (name, node) in nodes {
        let conditions = node["status"]["conditions"].as_array();
        let ready = conditions.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
        let Some(ready) = ready.filter(|c| c["status"] == "True") else {
            wrong.push(format!("{name} is not ready"));
            continue;
        };
        let lease = leases
            .get(name)
            .and_then(|lease| time(&lease["spec"]["renewTime"]));
        let Some(lease) = lease else {
            wrong.push(format!("{name} has no lease"));
            continue;
        };
        let age = now.0.saturating_sub(lease.micros()) / 1_000_000;
        if age > STALE {
            wrong.push(format!("{name} did not renew its lease for {age} s"));
            continue;
        }
        let written =
            time(&ready["lastHeartbeatTime"]).filter(|_| rebooted.iter().any(|n| n.as_str() == name));
        let evidence = written.map_or(lease, |written| written.min(lease));
        oldest = Some(oldest.map_or(evidence, |old| old.min(evidence)));
    }
    let ready = u32::try_from(nodes.len() - wrong.len()).unwrap_or(u32::MAX);
    let seen = if !wrong.is_empty() {
        Seen::bad(wrong.join(", "))
    } else if nodes.len() < expected {
        Seen::bad(format!("{} of {expected} nodes are registered", nodes.len()))
    } else {
        Seen::good()
    };
    let seen = seen.with("ready", f64::from(ready));
    match oldest {
        Some(at) => seen.with(AS_OF, seconds(at)),
        None => seen,
    }
}

/// As a figure of a sample: seconds with microseconds, which a float of 53 bits holds for times of this century.
fn seconds(at: Stamp) -> f64 {
    Quantity::from_micros(at.micros())
        .to_string()
        .parse()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is seen of one node, Ready with this heartbeat and lease, at 12:00:30.
    fn seen(heartbeat: &str, lease: &str, rebooted: bool) -> Seen {
        let at = |clock: &str| format!("2026-11-25T{clock}Z");
        let node = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": at(heartbeat)}]}});
        let lease = json!({"spec": {"renewTime": at(lease)}});
        let rebooted: Vec<NodeName> = rebooted
            .then(|| NodeName::new("n").expect("valid"))
            .into_iter()
            .collect();
        let of = |value| BTreeMap::from([("n".to_owned(), value)]);
        let now = Stamp::parse("2026-11-25T12:00:30Z").expect("time").0;
        judge(&of(node), &of(lease), 1, &rebooted, now)
    }

    #[test]
    fn the_oldest_evidence_is_told_and_a_silent_kubelet_is_not_ready() {
        let clock = |text: &str| seconds(Stamp::parse(&format!("2026-11-25T{text}Z")).expect("time"));
        // A kubelet that runs all the time: its lease speaks, the conditions may be minutes old.
        let fresh = seen("11:57:00", "12:00:25.250000", false);
        assert!(fresh.good, "{fresh:?}");
        assert_eq!(fresh.values[AS_OF], clock("12:00:25.250000"));
        // One that booted and renewed its lease before it wrote the conditions: they are of before.
        let early = seen("11:59:00", "12:00:25.250000", true);
        assert_eq!(early.values[AS_OF], clock("11:59:00"));
        let silent = seen("12:00:00", "12:00:05", false);
        assert_eq!(
            (silent.good, silent.values.get(AS_OF)),
            (false, None),
            "{silent:?}"
        );
        assert!(silent.detail.contains("25 s"), "{}", silent.detail);
    }
}
