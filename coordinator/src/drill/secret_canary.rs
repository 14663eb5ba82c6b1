//! ExternalSecrets of the drill's own in one cluster: made, tried and taken away, all in one namespace that is the drill's.

use super::kube::{self, CORE, api};
use super::own_namespace;
use crate::host_steps::kube::Cluster;
use ::kube::api::DeleteParams;
use domain::drill::assemble::{DELETED, KEPT};
use serde_json::json;

/// The namespace.
pub(super) const NAMESPACE: &str = "drillyard-secret-canary";

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
        match own_namespace::owner(&self.cluster, NAMESPACE).await? {
            Some(run) if run != self.run => own_namespace::clear(&self.cluster, NAMESPACE).await?,
            _ => {}
        }
        own_namespace::ensure(&self.cluster, NAMESPACE, &self.run).await?;
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
        let (of, at) = (kube::EXTERNAL_SECRETS, (Some(NAMESPACE), name));
        own_namespace::apply(&self.cluster, &self.run, of, "ExternalSecret", at, spec).await
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
}
