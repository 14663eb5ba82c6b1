//! Phantom pods: a node runs them, and the API does not know them. After a restore these are the pods of after the snapshot.
//!
//! What a node runs is asked of its kubelet, which asks containerd; the API server passes the question on.

use super::Seen;
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use model::ids::NodeName;
use serde_json::Value;
use std::collections::BTreeSet;

/// Annotation of the API's image of a static pod: the uid under which the node runs it.
const STATIC_UID: &str = "kubernetes.io/config.hash";

/// Good when every pod that a node runs is known by its name and uid.
pub(super) async fn look(cluster: &Cluster, nodes: &[NodeName]) -> Seen {
    // The nodes first: what is made meanwhile is then known, and not taken for a phantom.
    let mut running = Vec::new();
    for node in nodes {
        match kube::text(cluster, &format!("/api/v1/nodes/{node}/proxy/runningpods/")).await {
            Ok(text) => match serde_json::from_str::<Value>(&text) {
                Ok(list) => running.extend(pods(&list)),
                Err(error) => return Seen::bad(format!("{node} does not list its pods: {error}")),
            },
            Err(error) => return Seen::bad(format!("{node}: {error}")),
        }
    }
    let known = match kube::all(cluster, "", "v1", "Pod", "").await {
        Ok(known) => known,
        Err(error) => return Seen::bad(error),
    };
    let uids = known.iter().flat_map(|pod| {
        let uid = pod.metadata.uid.clone();
        let of_node = pod
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(STATIC_UID).cloned());
        [uid, of_node].into_iter().flatten()
    });
    judge(&running, &uids.collect())
}

/// Name and uid of each pod in a list.
fn pods(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().into_iter().flatten();
    items
        .map(|pod| {
            let meta = &pod["metadata"];
            let name = format!("{}/{}", text(&meta["namespace"]), text(&meta["name"]));
            (name, text(&meta["uid"]))
        })
        .collect()
}

fn judge(running: &[(String, String)], known: &BTreeSet<String>) -> Seen {
    let phantoms: Vec<&str> = running
        .iter()
        .filter(|(_, uid)| !known.contains(uid))
        .map(|(name, _)| name.as_str())
        .collect();
    let seen = if phantoms.is_empty() {
        Seen::good()
    } else {
        Seen::bad(format!("the API does not know {}", phantoms.join(", ")))
    };
    let count = u32::try_from(phantoms.len()).unwrap_or(u32::MAX);
    seen.with("phantoms", count.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_steps::fake_api;
    use serde_json::json;

    /// A node that runs these (name, uid), an API that knows an ordinary pod `a` and a static one whose node calls it `s`.
    async fn seen(running: &[(&str, &str)]) -> Seen {
        let folder = tempfile::tempdir().expect("temp");
        let pod = |name: &str, uid: &str| json!({"metadata": {"namespace": "n", "name": name, "uid": uid}});
        let of_node: Vec<Value> = running.iter().map(|(name, uid)| pod(name, uid)).collect();
        let mut mirror = pod("etcd-x", "m");
        mirror["metadata"]["annotations"] = json!({STATIC_UID: "s"});
        let of_api = json!([pod("a", "u"), mirror]);
        let (cluster, _) = fake_api::serve(folder.path(), move |line, _| {
            let items = if line.contains("/runningpods/") {
                json!(of_node)
            } else {
                of_api.clone()
            };
            (
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}),
            )
        })
        .await;
        look(&cluster, &[NodeName::new("x").expect("valid")]).await
    }

    #[tokio::test]
    async fn a_pod_that_the_api_does_not_know_is_named() {
        let fine = seen(&[("a", "u"), ("etcd-x", "s")]).await;
        assert!(fine.good && fine.values["phantoms"] == 0.0, "{fine:?}");
        let other = seen(&[("a", "u"), ("sentinel-3", "v")]).await;
        assert!(!other.good && other.detail.contains("n/sentinel-3"), "{other:?}");
        // The same name made anew is another pod.
        let anew = seen(&[("a", "w")]).await;
        assert_eq!(anew.values["phantoms"], 1.0);
    }
}
