//! Whether a cluster's policies are in force: a pod that must not be admitted is asked for, as a dry run.

use super::Seen;
use crate::host_steps::kube::{Cluster, pod_resource};
use domain::drill::contracts::REFUSED;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::json;

/// The pod that a policy refuses. A dry run goes through every webhook and is not stored, so nothing is ever started.
fn pod() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "drillyard-probe-"},
        "spec": {"containers": [{
            "name": "probe", "image": "drillyard.invalid/probe", "securityContext": {"privileged": true},
        }]},
    })
}

/// Asks once. What a webhook that does not answer says is neither a refusal nor an admission.
pub(super) async fn refused(cluster: &Cluster, namespace: &str, contains: &str) -> Seen {
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client().clone(), namespace, &pod_resource());
    let pod: DynamicObject = match serde_json::from_value(pod()) {
        Ok(pod) => pod,
        Err(error) => return Seen::bad(error.to_string()),
    };
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&dry_run, &pod).await {
        Ok(_) => Seen::bad("a privileged pod was admitted").with(REFUSED, 0.0),
        Err(error) => {
            let text = crate::exit::chain(&error);
            if text.contains(contains) {
                Seen::good().with(REFUSED, 1.0)
            } else {
                Seen::bad(text)
            }
        }
    }
}
