//! What a cluster's API shows around a component that does not get ready: pods that wait or end, the last lines of those
//! that end, and warnings. What it means, the domain decides.

use super::kube::Cluster;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams, LogParams};
use model::evidence::{Evidence, EvidenceSource, MOST};
use serde_json::Value;
use std::time::Duration;

/// Longest time that a look may take; what was seen until then counts for nothing.
const LIMIT: Duration = Duration::from_secs(10);

/// Pods and warnings that are listed at once.
const LISTED: u32 = 200;

/// Containers whose last lines are read, and how many of each.
const LOGS: usize = 3;
const LINES: i64 = 4;

/// Warnings that are told, the newest first.
const WARNINGS: usize = 8;

/// Reasons of waiting that are part of any start.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Looks at a namespace; empty where the API does not answer.
pub(super) async fn gather(cluster: &Cluster, namespace: &str) -> Vec<Evidence> {
    let look = async {
        let mut found = Vec::new();
        let ended = pods(cluster, namespace, &mut found).await;
        for (pod, container) in ended.iter().take(LOGS) {
            found.extend(last_lines(cluster, namespace, pod, container).await);
        }
        found.extend(warnings(cluster, namespace).await);
        found.truncate(MOST);
        found
    };
    tokio::time::timeout(LIMIT, look).await.unwrap_or_default()
}

/// Adds what is wrong with pods; gives the containers that ended, by pod.
async fn pods(cluster: &Cluster, namespace: &str, found: &mut Vec<Evidence>) -> Vec<(String, String)> {
    let api: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let listed = api.list(&ListParams::default().limit(LISTED)).await;
    let mut ended = Vec::new();
    for pod in listed.map(|list| list.items).unwrap_or_default() {
        let value = serde_json::to_value(&pod).unwrap_or_default();
        let name = pod.metadata.name.unwrap_or_default();
        let (pieces, containers) = of_pod(&name, &value["status"]);
        found.extend(pieces);
        ended.extend(containers.into_iter().map(|container| (name.clone(), container)));
    }
    ended
}

/// What is wrong with one pod by its status, and its containers that ended.
fn of_pod(name: &str, status: &Value) -> (Vec<Evidence>, Vec<String>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let piece = |line: String| Evidence::new(EvidenceSource::Pod, name, &line);
    let (mut found, mut ended) = (Vec::new(), Vec::new());
    for condition in list(&status["conditions"]) {
        if condition["type"] == "PodScheduled" && condition["status"] == "False" {
            found.push(piece(format!("not scheduled: {}", text(&condition["message"]))));
        }
    }
    let containers = [&status["initContainerStatuses"], &status["containerStatuses"]]
        .map(list)
        .concat();
    for container in containers {
        let who = text(&container["name"]);
        let waiting = &container["state"]["waiting"];
        let reason = text(&waiting["reason"]);
        if !reason.is_empty() && !USUAL.contains(&reason.as_str()) {
            found.push(piece(format!(
                "{who} waits: {reason}: {}",
                text(&waiting["message"])
            )));
        }
        for state in [
            &container["state"]["terminated"],
            &container["lastState"]["terminated"],
        ] {
            let status = state["exitCode"].as_i64().unwrap_or_default();
            if status != 0 {
                found.push(piece(format!(
                    "{who} ended: {} (exit status {status})",
                    text(&state["reason"])
                )));
                ended.push(who.clone());
            }
        }
    }
    (found, ended)
}

/// The last lines of a container's life that ended, or of the present one.
async fn last_lines(cluster: &Cluster, namespace: &str, pod: &str, container: &str) -> Vec<Evidence> {
    let api: Api<Pod> = Api::namespaced(cluster.client().clone(), namespace);
    let params = |previous| LogParams {
        container: Some(container.to_owned()),
        previous,
        tail_lines: Some(LINES),
        ..LogParams::default()
    };
    let text = match api.logs(pod, &params(true)).await {
        Ok(text) => text,
        Err(_) => api.logs(pod, &params(false)).await.unwrap_or_default(),
    };
    let lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| Evidence::new(EvidenceSource::Container, container, line))
        .collect()
}

async fn warnings(cluster: &Cluster, namespace: &str) -> Vec<Evidence> {
    let api: Api<Event> = Api::namespaced(cluster.client().clone(), namespace);
    let wanted = ListParams::default().fields("type=Warning").limit(LISTED);
    let mut events = api.list(&wanted).await.map(|list| list.items).unwrap_or_default();
    events.sort_by_key(|event| std::cmp::Reverse(event.last_timestamp.as_ref().map(|at| at.0)));
    let piece = |event: &Event| {
        let object = &event.involved_object;
        let subject = [object.kind.as_deref(), object.name.as_deref()]
            .map(Option::unwrap_or_default)
            .join("/");
        let message = event.message.clone().unwrap_or_default();
        Evidence::new(EvidenceSource::ClusterEvent, subject, &message)
    };
    events.iter().take(WARNINGS).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_with_a_pod_is_told_and_a_usual_start_is_not() {
        let status = json!({
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."}],
            "containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                 "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
                {"name": "b", "state": {"waiting": {"reason": "ContainerCreating"}}},
                {"name": "c", "state": {"running": {}}},
            ]
        });
        let (found, ended) = of_pod("p-0", &status);
        let texts: Vec<&str> = found.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "not scheduled: 0/1 nodes are available: 1 Insufficient memory.",
                "a waits: CrashLoopBackOff: back-off 10s",
                "a ended: OOMKilled (exit status 137)"
            ]
        );
        assert_eq!(ended, ["a"]);
        assert_eq!(domain::diagnosis::rank(&found)[0].code, "DY-0606");
    }
}
