//! What drills read of a cluster, beyond what installing needs.

use crate::host_steps::kube::{Cluster, KubeError};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

/// Group and version of Kubernetes' own first kinds.
pub(super) const CORE: (&str, &str) = ("", "v1");

/// Group and version of ExternalSecrets and their stores.
pub(super) const EXTERNAL_SECRETS: (&str, &str) = ("external-secrets.io", "v1");

/// The objects of a kind; `namespace` is None for those of all namespaces, and for those of the cluster.
pub(super) fn api(
    cluster: &Cluster,
    (group, version): (&str, &str),
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client().clone(), namespace, &resource),
        None => Api::all_with(cluster.client().clone(), &resource),
    }
}

/// Text of a GET below the API server's root, for example `/readyz`.
pub async fn text(cluster: &Cluster, path: &str) -> Result<String, String> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(|e| e.to_string())?;
    cluster
        .client()
        .request_text(request)
        .await
        .map_err(|e| short(&e))
}

/// Headers of a HEAD below the API server's root; None when there is nothing.
pub async fn head(cluster: &Cluster, path: &str) -> Result<Option<http::HeaderMap>, String> {
    let request = http::Request::head(path)
        .body(::kube::client::Body::empty())
        .map_err(|e| e.to_string())?;
    let response = cluster.client().send(request).await.map_err(|e| short(&e))?;
    match response.status() {
        status if status.is_success() => Ok(Some(response.headers().clone())),
        http::StatusCode::NOT_FOUND => Ok(None),
        status => Err(format!("status {}", status.as_u16())),
    }
}

/// All objects of a kind, in every namespace.
pub async fn all(
    cluster: &Cluster,
    group: &str,
    version: &str,
    kind: &str,
    selector: &str,
) -> Result<Vec<DynamicObject>, String> {
    let params = ListParams::default().labels(selector);
    let list = api(cluster, (group, version), kind, None).list(&params).await;
    Ok(list.map_err(|e| short(&e))?.items)
}

/// The leases of a namespace.
pub async fn leases(cluster: &Cluster, namespace: &str) -> Result<Vec<DynamicObject>, String> {
    within(cluster, ("coordination.k8s.io", "v1"), "Lease", namespace).await
}

/// All objects of a kind in a namespace.
pub async fn within(
    cluster: &Cluster,
    of: (&str, &str),
    kind: &str,
    namespace: &str,
) -> Result<Vec<DynamicObject>, String> {
    let list = api(cluster, of, kind, Some(namespace))
        .list(&ListParams::default())
        .await;
    Ok(list.map_err(|e| short(&e))?.items)
}

/// An object of a kind; None when there is none.
pub async fn one(
    cluster: &Cluster,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<DynamicObject>, String> {
    let found = api(cluster, CORE, kind, Some(namespace)).get_opt(name).await;
    found.map_err(|e| short(&e))
}

/// Deletes the running pods with a label; how many. Their grace period is theirs.
pub async fn delete_pods(cluster: &Cluster, namespace: &str, selector: &str) -> Result<usize, KubeError> {
    let pods = cluster.running_pods(namespace, selector).await?;
    let api = api(cluster, CORE, "Pod", Some(namespace));
    for pod in &pods {
        api.delete(pod, &DeleteParams::default())
            .await
            .map_err(|source| KubeError::Exec {
                pod: pod.clone(),
                reason: source.to_string(),
            })?;
    }
    Ok(pods.len())
}

/// An error in one short line: it goes into every bad sample.
pub(super) fn short(error: &kube::Error) -> String {
    let text = crate::exit::chain(error);
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}
