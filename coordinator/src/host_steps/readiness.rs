//! Readiness of a component in one cluster, observed through its API; never assumed from what was installed.

use super::kube::{Cluster, KubeError, is_ready};
use domain::component::{Component, Readiness, WorkloadKind};
use kube::api::DynamicObject;
use serde_json::Value;
use std::collections::BTreeSet;

/// What was seen of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It holds.
    Ready,
    /// It does not hold yet; the blocker for people.
    Waiting(String),
    /// It cannot hold, because an object that it is about does not exist; the same for people.
    Missing(String),
}

/// What held at an earlier look of the same wait and is not asked again until everything else holds too; the next wait asks
/// anew.
#[derive(Debug, Default)]
pub struct Held(Vec<Check>);

#[derive(Debug, Clone, Default)]
struct Check {
    holds: bool,
    /// Pods that said what they should: a program in a pod takes most of a second on a busy node.
    said: BTreeSet<String>,
}

impl Held {
    fn of(&mut self, checks: usize) -> &mut [Check] {
        self.0.resize_with(checks, Check::default);
        &mut self.0
    }
}

/// Looks at every check in order and stops at the first that does not hold; ready is what holds all at the same time.
/// `expected_nodes` is the cluster's size in the lab document; `expand` fills the templates in expected texts.
pub async fn look(
    cluster: &Cluster,
    component: &Component,
    expected_nodes: usize,
    expand: &(dyn Fn(&str) -> String + Sync),
    held: &mut Held,
) -> Seen {
    let held = held.of(component.readiness.len());
    loop {
        let is_whole = held.iter().all(|check| !check.holds);
        for (check, known) in component.readiness.iter().zip(&mut *held) {
            if known.holds {
                continue;
            }
            let said = &mut known.said;
            match one(cluster, component, check, expected_nodes, expand, said).await {
                Ok(Seen::Ready) => known.holds = true,
                Ok(waiting) => return waiting,
                Err(error) => return Seen::Waiting(crate::exit::chain(&error)),
            }
        }
        held.iter_mut().for_each(|check| check.holds = false);
        // What held at an earlier look may not hold any more.
        if is_whole {
            return Seen::Ready;
        }
    }
}

async fn one(
    cluster: &Cluster,
    component: &Component,
    check: &Readiness,
    expected_nodes: usize,
    expand: &(dyn Fn(&str) -> String + Sync),
    said: &mut BTreeSet<String>,
) -> Result<Seen, KubeError> {
    match check {
        Readiness::NodesReady {} => Ok(nodes_ready(&cluster.nodes().await?, expected_nodes)),
        Readiness::WorkloadAvailable {
            kind,
            namespace,
            name,
        } => {
            let namespace = namespace.as_deref().unwrap_or(&component.namespace);
            let object = cluster.workload(kind_name(*kind), namespace, name).await?;
            Ok(object.map_or_else(
                || Seen::Missing(format!("{name} does not exist")),
                |o| available(*kind, name, &o),
            ))
        }
        Readiness::ApiServed { api_version, kind } => {
            let served = cluster.serves(api_version, kind).await?;
            Ok(if served {
                Seen::Ready
            } else {
                Seen::Missing(format!("{api_version} {kind} is not served"))
            })
        }
        Readiness::Condition {
            api_version,
            kind,
            namespace,
            name,
            condition,
        } => {
            let object = cluster
                .object(api_version, kind, namespace.as_deref(), name)
                .await?;
            Ok(object.map_or_else(
                || Seen::Missing(format!("{kind} {name} does not exist")),
                |o| holds(&o, kind, name, condition),
            ))
        }
        Readiness::Exec {
            namespace,
            workload,
            container,
            command,
            expect,
            every_pod,
        } => {
            let namespace = namespace.as_deref().unwrap_or(&component.namespace);
            let pods = pods_of(cluster, namespace, workload).await?;
            let wanted: Vec<String> = expect.iter().map(|text| expand(text)).collect();
            if pods.is_empty() {
                return Ok(Seen::Waiting(format!("{workload} has no running pod")));
            }
            for pod in pods.iter().take(if *every_pod { pods.len() } else { 1 }) {
                if said.contains(pod) {
                    continue;
                }
                let container = container.as_deref().unwrap_or_default();
                let text = cluster.exec(namespace, pod, container, command).await?;
                if let Some(missing) = wanted.iter().find(|w| !text.contains(w.as_str())) {
                    return Ok(Seen::Waiting(format!("{pod} does not say {missing:?}")));
                }
                said.insert(pod.clone());
            }
            Ok(Seen::Ready)
        }
    }
}

/// Names of the workload's running pods, found by its own selector.
pub(super) async fn pods_of(
    cluster: &Cluster,
    namespace: &str,
    workload: &str,
) -> Result<Vec<String>, KubeError> {
    let (kind, name) = workload.split_once('/').unwrap_or(("deployment", workload));
    let kind = match kind {
        "daemonset" | "ds" => "DaemonSet",
        "statefulset" | "sts" => "StatefulSet",
        _ => "Deployment",
    };
    let Some(object) = cluster.workload(kind, namespace, name).await? else {
        return Ok(Vec::new());
    };
    let labels = object.data["spec"]["selector"]["matchLabels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let selector: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    cluster.running_pods(namespace, &selector.join(",")).await
}

fn nodes_ready(nodes: &[DynamicObject], expected: usize) -> Seen {
    let ready = nodes.iter().filter(|node| is_ready(node)).count();
    if ready >= expected {
        Seen::Ready
    } else {
        Seen::Waiting(format!("{ready} of {expected} nodes are Ready"))
    }
}

/// Whether the condition is True; its own words where it is not.
fn holds(object: &DynamicObject, kind: &str, name: &str, wanted: &str) -> Seen {
    let status = &object.data["status"];
    // Kyverno's policies keep theirs one level deeper.
    let lists = [&status["conditions"], &status["conditionStatus"]["conditions"]];
    let mut conditions = lists.into_iter().filter_map(|list| list.as_array()).flatten();
    let Some(found) = conditions.find(|c| c["type"] == wanted) else {
        return Seen::Waiting(format!("{kind} {name} does not say whether it is {wanted}"));
    };
    let of_now = found["observedGeneration"]
        .as_i64()
        .is_none_or(|seen| seen >= object.metadata.generation.unwrap_or(0));
    if found["status"] == "True" && of_now {
        Seen::Ready
    } else {
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Seen::Waiting(format!(
            "{kind} {name} is not {wanted}: {} {}",
            text("reason"),
            text("message")
        ))
    }
}

fn kind_name(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::DaemonSet => "DaemonSet",
        WorkloadKind::StatefulSet => "StatefulSet",
    }
}

/// Whether all replicas are available and of the present generation.
fn available(kind: WorkloadKind, name: &str, object: &DynamicObject) -> Seen {
    let status = &object.data["status"];
    let (wanted, there) = match kind {
        WorkloadKind::DaemonSet => (
            number(&status["desiredNumberScheduled"]),
            number(&status["numberAvailable"]),
        ),
        _ => (
            object.data["spec"]["replicas"].as_i64().unwrap_or(1),
            number(&status["availableReplicas"]),
        ),
    };
    let current = number(&status["observedGeneration"]) >= object.metadata.generation.unwrap_or(0);
    if !current || wanted <= 0 || there < wanted {
        return Seen::Waiting(format!("{name}: {there} of {wanted} available"));
    }
    match outdated(kind, wanted, object) {
        ..=0 => Seen::Ready,
        old => Seen::Waiting(format!("{name}: {old} of {wanted} still to be replaced")),
    }
}

/// Pods that the rollout has still to replace. Available says nothing of that: pods of the version before are available too, and
/// stay so where the new ones cannot start.
fn outdated(kind: WorkloadKind, wanted: i64, object: &DynamicObject) -> i64 {
    let status = &object.data["status"];
    let strategy = &object.data["spec"]["updateStrategy"];
    // Then whoever deletes a pod replaces it; there is no rollout to wait for.
    if strategy["type"] == "OnDelete" {
        return 0;
    }
    match kind {
        // `replicas` counts pods of every version.
        WorkloadKind::Deployment => {
            wanted.max(number(&status["replicas"])) - number(&status["updatedReplicas"])
        }
        WorkloadKind::DaemonSet => wanted - number(&status["updatedNumberScheduled"]),
        WorkloadKind::StatefulSet => {
            let updated = number(&status["updatedReplicas"]);
            // With nothing to roll out the present revision is the new one, and its pods may be counted under either name.
            let settled = status["updateRevision"] == status["currentRevision"];
            let present = if settled {
                number(&status["currentReplicas"])
            } else {
                0
            };
            // Pods below the partition are left as they are on purpose.
            wanted - number(&strategy["rollingUpdate"]["partition"]) - updated.max(present)
        }
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: Value) -> DynamicObject {
        serde_json::from_value(json).expect("an object")
    }

    #[test]
    fn a_daemon_set_without_nodes_is_not_available() {
        let seen = |desired: i64, available_now: i64, observed: i64| {
            available(
                WorkloadKind::DaemonSet,
                "cilium",
                &object(serde_json::json!({
                    "metadata": {"name": "cilium", "generation": 2},
                    "status": {"desiredNumberScheduled": desired, "numberAvailable": available_now,
                        "updatedNumberScheduled": desired, "observedGeneration": observed}
                })),
            )
        };
        assert_eq!(seen(2, 2, 2), Seen::Ready);
        for (desired, there, observed) in [(0, 0, 2), (2, 1, 2), (2, 2, 1)] {
            assert!(matches!(seen(desired, there, observed), Seen::Waiting(_)));
        }
    }

    /// Of two pods that are available.
    fn rolled_out(kind: WorkloadKind, spec: &Value, status: &Value) -> Seen {
        let mut all = serde_json::json!({
            "metadata": {"name": "w"}, "spec": {"replicas": 2},
            "status": {"replicas": 2, "availableReplicas": 2, "desiredNumberScheduled": 2, "numberAvailable": 2},
        });
        for (part, more) in [("spec", spec), ("status", status)] {
            for (key, value) in more.as_object().expect("fields") {
                all[part][key] = value.clone();
            }
        }
        available(kind, "w", &object(all))
    }

    #[test]
    fn pods_of_the_version_before_are_no_readiness() {
        use WorkloadKind::{DaemonSet, Deployment, StatefulSet};
        use serde_json::json;
        let old = |count: u8| Seen::Waiting(format!("w: {count} of 2 still to be replaced"));
        let none = json!({});
        for (kind, status, wanted) in [
            // The new image does not exist: one new pod beside both old ones, or none at all.
            (Deployment, json!({"replicas": 3, "updatedReplicas": 1}), old(2)),
            (Deployment, none.clone(), old(2)),
            // The new pods are there and one of the old ones still is.
            (Deployment, json!({"replicas": 3, "updatedReplicas": 2}), old(1)),
            (Deployment, json!({"updatedReplicas": 2}), Seen::Ready),
            (DaemonSet, json!({"updatedNumberScheduled": 1}), old(1)),
            (DaemonSet, none.clone(), old(2)),
            (DaemonSet, json!({"updatedNumberScheduled": 2}), Seen::Ready),
            (
                StatefulSet,
                json!({"currentRevision": "a", "updateRevision": "b", "currentReplicas": 1, "updatedReplicas": 1}),
                old(1),
            ),
            (
                StatefulSet,
                json!({"currentRevision": "a", "updateRevision": "b", "currentReplicas": 2}),
                old(2),
            ),
            (
                StatefulSet,
                json!({"currentRevision": "b", "updateRevision": "b", "updatedReplicas": 2}),
                Seen::Ready,
            ),
            (
                StatefulSet,
                json!({"currentRevision": "b", "updateRevision": "b", "currentReplicas": 2}),
                Seen::Ready,
            ),
        ] {
            assert_eq!(rolled_out(kind, &none, &status), wanted, "{kind:?} {status}");
        }
    }

    #[test]
    fn pods_that_are_left_old_on_purpose_are_not_waited_for() {
        use WorkloadKind::{DaemonSet, StatefulSet};
        use serde_json::json;
        let (on_delete, none) = (json!({"updateStrategy": {"type": "OnDelete"}}), json!({}));
        for kind in [DaemonSet, StatefulSet] {
            assert_eq!(rolled_out(kind, &on_delete, &none), Seen::Ready, "{kind:?}");
        }
        let half = json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}});
        let status = json!({"currentRevision": "a", "updateRevision": "b", "updatedReplicas": 1});
        assert_eq!(rolled_out(StatefulSet, &half, &status), Seen::Ready);
    }

    #[test]
    fn a_condition_holds_when_it_is_true_of_the_object_as_it_is_now() {
        let seen = |condition: Value| {
            let object = object(serde_json::json!({
                "metadata": {"name": "vault", "generation": 2}, "status": {"conditions": [condition]}
            }));
            holds(&object, "Store", "vault", "Ready")
        };
        assert_eq!(
            seen(serde_json::json!({"type": "Ready", "status": "True"})),
            Seen::Ready
        );
        let old = serde_json::json!({"type": "Ready", "status": "True", "observedGeneration": 1});
        let bad = serde_json::json!({"type": "Ready", "status": "False", "reason": "Sealed", "message": "try later"});
        let other = serde_json::json!({"type": "Valid", "status": "True"});
        for condition in [old, bad.clone(), other] {
            assert!(matches!(seen(condition), Seen::Waiting(_)));
        }
        assert_eq!(
            seen(bad),
            Seen::Waiting("Store vault is not Ready: Sealed try later".into())
        );
        let deeper = object(serde_json::json!({
            "metadata": {"name": "p"},
            "status": {"conditionStatus": {"conditions": [{"type": "Ready", "status": "True"}]}},
        }));
        assert_eq!(holds(&deeper, "Policy", "p", "Ready"), Seen::Ready);
    }

    #[test]
    fn nodes_count_only_when_ready() {
        let node = |status: &str| {
            object(
                serde_json::json!({"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": status}]}}),
            )
        };
        assert_eq!(nodes_ready(&[node("True"), node("True")], 2), Seen::Ready);
        assert_eq!(
            nodes_ready(&[node("True"), node("Unknown")], 2),
            Seen::Waiting("1 of 2 nodes are Ready".into())
        );
    }

    /// Two nodes that are Ready, and a workload that becomes available at its third look.
    #[tokio::test]
    async fn what_held_is_asked_again_only_when_the_rest_holds_too() {
        let folder = tempfile::tempdir().expect("temp");
        let looks = std::sync::atomic::AtomicI64::new(0);
        let (cluster, seen) = super::super::fake_api::serve(folder.path(), move |line, _| {
            if line.contains("/nodes") {
                let node = serde_json::json!({"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
                return (200, serde_json::json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {}, "items": [node, node]}));
            }
            let there = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) / 2;
            (200, serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"replicas": 1}, "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": there}}))
        })
        .await;
        let text = "apiVersion: drillyard/v1\nkind: Component\nname: c\nphase: 3\nclusters: all\nmanifests: [a.yaml]\nnamespace: n\nneeds: [kubeconfig]\nprovides: [c]\nexpected_seconds: 1\nbudget_seconds: 9\nreadiness:\n  - {check: nodes_ready}\n  - {check: workload_available, kind: deployment, name: d}\n";
        let component = Component::from_yaml("f", "c", text).expect("a component");
        let mut held = Held::default();
        for wanted in [
            Seen::Waiting("d: 0 of 1 available".into()),
            Seen::Waiting("d: 0 of 1 available".into()),
            Seen::Ready,
        ] {
            assert_eq!(
                look(&cluster, &component, 2, &str::to_owned, &mut held).await,
                wanted
            );
        }
        let seen = seen.lock().expect("whole");
        let asked: Vec<bool> = seen.iter().map(|(line, _)| line.contains("/nodes")).collect();
        assert_eq!(asked, [true, false, false, false, true, false], "{seen:?}");
    }
}
