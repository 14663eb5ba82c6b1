//! A cluster's API as the coordinator sees it: plain reads with the kubeconfig that the control plane minted.

use kube::api::{Api, AttachParams, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Most bytes that a command in a pod may answer.
const MAX_EXEC_OUTPUT: u64 = 256 * 1024;

/// Why the cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The kubeconfig is missing or malformed.
    #[error("kubeconfig {path}")]
    Kubeconfig {
        /// Its path.
        path: String,
        /// First cause.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// The API server did not answer, or refused.
    #[error("the API server of {cluster}")]
    Api {
        /// Cluster.
        cluster: String,
        /// First cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// A command in a pod failed.
    #[error("command in pod {pod}: {reason}")]
    Exec {
        /// Pod.
        pod: String,
        /// What happened.
        reason: String,
    },
}

/// One cluster.
#[derive(Clone)]
pub struct Cluster {
    name: String,
    client: Client,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the kubeconfig; nothing is sent yet.
    pub async fn open(name: &str, kubeconfig: &Path) -> Result<Self, KubeError> {
        let broken = |source| KubeError::Kubeconfig {
            path: kubeconfig.display().to_string(),
            source,
        };
        let file = Kubeconfig::read_from(kubeconfig).map_err(broken)?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(broken)?;
        config.connect_timeout = Some(Duration::from_secs(3));
        config.read_timeout = Some(Duration::from_secs(20));
        let client = Client::try_from(config).map_err(|source| KubeError::Api {
            cluster: name.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            name: name.to_owned(),
            client,
        })
    }

    /// The client, for reads that only one caller needs.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// All nodes.
    pub async fn nodes(&self) -> Result<Vec<DynamicObject>, KubeError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        Ok(api
            .list(&ListParams::default())
            .await
            .map_err(|e| self.refused(e))?
            .items)
    }

    /// A workload of `apps/v1`, None when it does not exist.
    pub async fn workload(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, KubeError> {
        self.object("apps/v1", kind, Some(namespace), name).await
    }

    /// Any object, None when it does not exist or its kind is not served. `namespace` is None for an object of the cluster.
    pub async fn object(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<DynamicObject>, KubeError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        api.get_opt(name).await.map_err(|e| self.refused(e))
    }

    /// The JSON at a path of the API server.
    pub async fn json(&self, path: &str) -> Result<serde_json::Value, KubeError> {
        self.get(path).await.map_err(|e| self.refused(e))
    }

    /// Whether the API serves that kind.
    pub async fn serves(&self, api_version: &str, kind: &str) -> Result<bool, KubeError> {
        let root = if api_version.contains('/') { "apis" } else { "api" };
        match self.get(&format!("/{root}/{api_version}")).await {
            Ok(list) => Ok(list["resources"]
                .as_array()
                .is_some_and(|all| all.iter().any(|r| r["kind"] == kind))),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(self.refused(error)),
        }
    }

    async fn get(&self, path: &str) -> Result<serde_json::Value, kube::Error> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// Names of the running pods with a label, sorted.
    pub async fn running_pods(&self, namespace: &str, label: &str) -> Result<Vec<String>, KubeError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &pod_resource());
        let wanted = ListParams::default().labels(label).fields("status.phase=Running");
        let list = api.list(&wanted).await.map_err(|e| self.refused(e))?;
        let mut names: Vec<String> = list
            .items
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect();
        names.sort();
        Ok(names)
    }

    /// Sets one annotation of a pod.
    pub async fn annotate_pod(
        &self,
        namespace: &str,
        pod: &str,
        key: &str,
        value: &str,
    ) -> Result<(), KubeError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &pod_resource());
        let change = serde_json::json!({"metadata": {"annotations": {key: value}}});
        api.patch(pod, &PatchParams::default(), &Patch::Merge(change))
            .await
            .map_err(|e| self.refused(e))?;
        Ok(())
    }

    /// Takes away the marks that an interrupted Helm left on a release; what it had made stays, and the next one takes it
    /// over. The number of marks. Only for a caller who knows that no Helm works on it.
    pub async fn forget_pending(&self, namespace: &str, release: &str) -> Result<usize, KubeError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let pending = "status in (pending-install,pending-upgrade,pending-rollback)";
        let wanted = ListParams::default().labels(&format!("owner=helm,name={release},{pending}"));
        let list = api.list_metadata(&wanted).await.map_err(|e| self.refused(e))?;
        let names: Vec<String> = list
            .items
            .into_iter()
            .filter_map(|secret| secret.metadata.name)
            .collect();
        for name in &names {
            api.delete(name, &DeleteParams::default())
                .await
                .map_err(|e| self.refused(e))?;
        }
        Ok(names.len())
    }

    /// Standard output of a command in a pod; fails when nothing came on it.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[String],
    ) -> Result<String, KubeError> {
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = AttachParams {
            container: (!container.is_empty()).then(|| container.to_owned()),
            stdout: true,
            stderr: false,
            ..AttachParams::default()
        };
        let failed = |reason: String| KubeError::Exec {
            pod: pod.to_owned(),
            reason,
        };
        let mut process = api
            .exec(pod, command, &params)
            .await
            .map_err(|e| failed(e.to_string()))?;
        let mut text = String::new();
        if let Some(stdout) = process.stdout() {
            stdout
                .take(MAX_EXEC_OUTPUT)
                .read_to_string(&mut text)
                .await
                .map_err(|e| failed(e.to_string()))?;
        }
        if text.is_empty() {
            Err(failed("it said nothing".into()))
        } else {
            Ok(text)
        }
    }

    fn refused(&self, source: kube::Error) -> KubeError {
        KubeError::Api {
            cluster: self.name.clone(),
            source: Box::new(source),
        }
    }
}

/// Whether an object's status says that it is Ready.
pub fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Pods as a resource.
pub(crate) fn pod_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"))
}
