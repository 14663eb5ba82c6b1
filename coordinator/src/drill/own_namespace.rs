//! Namespaces that drills make in clusters, for what is theirs alone: made, named and taken away.
//!
//! What is done is done to objects in such a namespace, and to it only where it carries the drills' label: a namespace of that
//! name which somebody else made is never touched.

use super::kube::{self, CORE, api};
use crate::host_steps::kube::Cluster;
use ::kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Marks what drills make in clusters; its value is the run.
pub(super) const LABEL: &str = "drillyard.io/drill-run";

/// Who applies, for the API server.
const MANAGER: &str = "drillyard-drill";

/// How long one try waits for a namespace to be gone.
const GONE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Makes an object with the drills' label, or brings the one of this name to what it should be.
pub(super) async fn apply(
    cluster: &Cluster,
    run: &str,
    (group, version): (&str, &str),
    kind: &str,
    (namespace, name): (Option<&str>, &str),
    more: Value,
) -> Result<(), String> {
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let mut object = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {LABEL: run}},
    });
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    let params = PatchParams::apply(MANAGER).force();
    let made = api(cluster, (group, version), kind, namespace)
        .patch(name, &params, &Patch::Apply(object))
        .await;
    made.map(drop).map_err(|e| kube::short(&e))
}

/// Makes a namespace, or takes over one of this name that a drill made.
pub(super) async fn ensure(cluster: &Cluster, name: &str, run: &str) -> Result<(), String> {
    apply(cluster, run, CORE, "Namespace", (None, name), json!({})).await
}

/// Takes a namespace away with everything in it, and waits until it is gone.
pub(super) async fn clear(cluster: &Cluster, name: &str) -> Result<(), String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let began = Instant::now();
    while owner(cluster, name).await?.is_some() {
        match namespaces.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(::kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(kube::short(&error)),
        }
        if began.elapsed() > GONE {
            return Err(format!("namespace {name} is not gone after {} s", GONE.as_secs()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The run that a namespace belongs to; None where there is none.
pub(super) async fn owner(cluster: &Cluster, name: &str) -> Result<Option<String>, String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let found = namespaces.get_opt(name).await.map_err(|e| kube::short(&e))?;
    let Some(found) = found else { return Ok(None) };
    let run = found
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL));
    run.cloned()
        .map(Some)
        .ok_or_else(|| format!("namespace {name} was not made by a drill; it has no label {LABEL}"))
}

/// What drills left in a cluster: each namespace with its run, by name.
pub(super) async fn left(cluster: &Cluster) -> Result<Vec<(String, String)>, String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let marked = ListParams::default().labels(LABEL);
    let found = namespaces
        .list_metadata(&marked)
        .await
        .map_err(|e| kube::short(&e))?;
    let one = |n: ::kube::core::PartialObjectMeta<DynamicObject>| {
        let run = n.metadata.labels.as_ref().and_then(|l| l.get(LABEL)).cloned();
        (n.metadata.name.unwrap_or_default(), run.unwrap_or_default())
    };
    let mut left: Vec<_> = found.items.into_iter().map(one).collect();
    left.sort();
    Ok(left)
}
