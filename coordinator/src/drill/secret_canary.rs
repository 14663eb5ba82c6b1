//! ExternalSecrets of the drill's own in one cluster: made, tried and taken away, all in one namespace that is the drill's.
//!
//! Whatever is done is done to objects in that namespace, and to it only where it carries the drills' label: a namespace of that
//! name which somebody else made is never touched.

use super::kube::{self, CORE, api};
use crate::host_steps::kube::Cluster;
use ::kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use domain::drill::assemble::{DELETED, KEPT};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The namespace.
pub(super) const NAMESPACE: &str = "drillyard-secret-canary";

/// Marks what drills make in clusters; its value is the run.
pub(super) const LABEL: &str = "drillyard.io/drill-run";

/// Who applies, for the API server.
const MANAGER: &str = "drillyard-drill";

/// How long one try waits for the namespace to be gone.
const GONE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What they are made from.
#[derive(Debug, Clone)]
pub(super) struct Garden {
    /// Cluster.
    pub(super) cluster: Cluster,
    /// The run.
    pub(super) run: String,
    /// ClusterSecretStore that is asked.
    pub(super) store: String,
    /// Key in the source.
    pub(super) key: String,
    /// Seconds between refreshes.
    pub(super) refresh_seconds: u64,
}

impl Garden {
    /// The namespace and two ExternalSecrets. What another run left there is taken away first.
    pub(super) async fn plant(&self) -> Result<(), String> {
        match owner(&self.cluster).await? {
            Some(run) if run != self.run => {
                clear(&self.cluster).await?;
            }
            _ => {}
        }
        self.apply(CORE, "Namespace", None, NAMESPACE, json!({})).await?;
        for name in [KEPT, DELETED] {
            self.external_secret(name).await?;
        }
        Ok(())
    }

    /// An ExternalSecret whose Secret has its name.
    pub(super) async fn external_secret(&self, name: &str) -> Result<(), String> {
        let spec = json!({"spec": {
            "refreshInterval": format!("{}s", self.refresh_seconds),
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": self.store},
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "dataFrom": [{"extract": {"key": self.key}}],
        }});
        let of = kube::EXTERNAL_SECRETS;
        self.apply(of, "ExternalSecret", Some(NAMESPACE), name, spec)
            .await
    }

    /// Deletes a target Secret.
    pub(super) async fn delete_secret(&self, name: &str) -> Result<(), String> {
        let secrets = api(&self.cluster, CORE, "Secret", Some(NAMESPACE));
        match secrets.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(::kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(kube::short(&error)),
        }
    }

    async fn apply(
        &self,
        (group, version): (&str, &str),
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        more: Value,
    ) -> Result<(), String> {
        let api_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {LABEL: self.run}},
        });
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        let params = PatchParams::apply(MANAGER).force();
        let made = api(&self.cluster, (group, version), kind, namespace)
            .patch(name, &params, &Patch::Apply(object))
            .await;
        made.map(drop).map_err(|e| kube::short(&e))
    }
}

/// Takes the namespace away with everything in it, and waits until it is gone.
pub(super) async fn clear(cluster: &Cluster) -> Result<(), String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let began = Instant::now();
    while owner(cluster).await?.is_some() {
        match namespaces.delete(NAMESPACE, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(::kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(kube::short(&error)),
        }
        if began.elapsed() > GONE {
            return Err(format!(
                "namespace {NAMESPACE} is not gone after {} s",
                GONE.as_secs()
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The run that the namespace belongs to; None where there is none.
async fn owner(cluster: &Cluster) -> Result<Option<String>, String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let found = namespaces.get_opt(NAMESPACE).await.map_err(|e| kube::short(&e))?;
    let Some(found) = found else { return Ok(None) };
    let run = found
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL));
    run.cloned()
        .map(Some)
        .ok_or_else(|| format!("namespace {NAMESPACE} was not made by a drill; it has no label {LABEL}"))
}

/// What drills left in a cluster, in words.
pub(super) async fn leftovers(cluster: &Cluster) -> Result<Vec<String>, String> {
    let namespaces = api(cluster, CORE, "Namespace", None);
    let marked = ListParams::default().labels(LABEL);
    let found = namespaces
        .list_metadata(&marked)
        .await
        .map_err(|e| kube::short(&e))?;
    let told = |n: ::kube::core::PartialObjectMeta<DynamicObject>| {
        let run = n.metadata.labels.as_ref().and_then(|l| l.get(LABEL)).cloned();
        format!(
            "namespace {} of drill run {}",
            n.metadata.name.unwrap_or_default(),
            run.unwrap_or_default()
        )
    };
    Ok(found.items.into_iter().map(told).collect())
}
