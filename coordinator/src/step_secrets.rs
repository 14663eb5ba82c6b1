//! Secrets that travel beside steps: join tokens to nodes, kubeconfigs from control planes. Files are 0600 below the
//! lab's home; nothing of them is logged.

mod kubeconfig;

use crate::engine::EngineHandle;
use crate::exit::chain;
use crate::files::write_private;
use crate::places::Places;
use crate::session_grpc::{SecretBytes, StepSecrets};
pub use kubeconfig::KubeconfigError;
use model::ids::{Attempt, NodeName, StepId};
use model::lab::{Cluster, Lab};
use model::step::{Role, SecretName};
use rand::Rng;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Why a secret was not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum StepSecretError {
    /// The node is not in the lab document.
    #[error("the lab has no node {0}")]
    UnknownNode(NodeName),
    /// Only a control plane may hand over a kubeconfig.
    #[error("{0} is no control plane")]
    NotControlPlane(NodeName),
    /// The kubeconfig is too large, or is none.
    #[error("the kubeconfig of {cluster} is refused")]
    Kubeconfig {
        /// Cluster.
        cluster: String,
        /// Why.
        #[source]
        source: KubeconfigError,
    },
    /// A file cannot be read or written.
    #[error("secret file {path}")]
    File {
        /// Its path.
        path: String,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
}

/// The secrets of one lab.
#[derive(Debug, Clone)]
pub struct StepSecretStore {
    lab: Arc<Lab>,
    places: Arc<Places>,
    engine: EngineHandle,
}

impl StepSecrets for StepSecretStore {
    fn fetch(
        &self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        name: SecretName,
    ) -> Option<SecretBytes> {
        if name != SecretName::JoinToken || !self.allowed(node, step, attempt, name) {
            return None;
        }
        match self.join_token(node) {
            Ok(secret) => Some(SecretBytes::from(secret)),
            Err(error) => {
                tracing::error!(%node, error = chain(&error), "no join token");
                None
            }
        }
    }

    fn put(
        &self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        name: SecretName,
        value: SecretBytes,
    ) -> bool {
        if name != SecretName::Kubeconfig || !self.allowed(node, step, attempt, name) {
            return false;
        }
        let kept = self.keep_kubeconfig(node, value.expose_secret());
        if let Err(error) = &kept {
            tracing::error!(%node, error = chain(error), "the kubeconfig was not kept");
        }
        kept.is_ok()
    }
}

impl StepSecretStore {
    /// Secrets below the lab's home.
    pub fn new(lab: Arc<Lab>, places: Arc<Places>, engine: EngineHandle) -> Self {
        Self { lab, places, engine }
    }

    /// The join token of the node's cluster as JSON `{"token", "ca_pem"}`. The authority is empty until the control plane
    /// has handed over its kubeconfig.
    pub fn join_token(&self, node: &NodeName) -> Result<Vec<u8>, StepSecretError> {
        let (cluster, _) = self.node(node)?;
        let token = self.token(cluster)?;
        let ca_pem = self.authority(cluster).unwrap_or_default();
        Ok(json!({"token": token, "ca_pem": ca_pem}).to_string().into_bytes())
    }

    /// Keeps authority, certificate and key of the kubeconfig that a control plane minted, in one with the cluster's name as
    /// its context.
    pub fn keep_kubeconfig(&self, node: &NodeName, text: &[u8]) -> Result<(), StepSecretError> {
        let (cluster, role) = self.node(node)?;
        let params = self.lab.params(cluster).filter(|_| role == Role::ControlPlane);
        let server = params
            .ok_or_else(|| StepSecretError::NotControlPlane(node.clone()))?
            .control_plane;
        let yaml = kubeconfig::rebuilt(text, cluster.name.as_str(), server).map_err(|source| {
            StepSecretError::Kubeconfig {
                cluster: cluster.name.to_string(),
                source,
            }
        })?;
        let path = self.places.kubeconfig(cluster.name.as_str());
        write_private(&path, yaml.as_bytes()).map_err(|source| file_error(path, source))
    }

    /// Whether that attempt is handed out to the node now and is one for this secret. Asks the engine; the caller's worker
    /// thread waits.
    fn allowed(&self, node: &NodeName, step: StepId, attempt: Attempt, name: SecretName) -> bool {
        let node = node.clone();
        let question = self
            .engine
            .ask(move |state| state.may_exchange_secret(&node, step, attempt, name));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(question)).unwrap_or(false)
    }

    fn node(&self, node: &NodeName) -> Result<(&Cluster, Role), StepSecretError> {
        let found = self
            .lab
            .node(node.as_str())
            .map(|(cluster, node)| (cluster, node.role));
        found.ok_or_else(|| StepSecretError::UnknownNode(node.clone()))
    }

    /// `abcdef.0123456789abcdef`, made once per cluster: the step that makes it in the cluster may run again.
    fn token(&self, cluster: &Cluster) -> Result<String, StepSecretError> {
        let path = self.places.secrets().join(format!("join-{}", cluster.name));
        match std::fs::read_to_string(&path) {
            Ok(token) => Ok(token),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let token = format!("{}.{}", random_text(6), random_text(16));
                write_private(&path, token.as_bytes()).map_err(|source| file_error(path, source))?;
                Ok(token)
            }
            Err(source) => Err(file_error(path, source)),
        }
    }

    /// PEM of the cluster's authority, out of its kubeconfig.
    fn authority(&self, cluster: &Cluster) -> Option<String> {
        use base64::Engine as _;
        let text = std::fs::read(self.places.kubeconfig(cluster.name.as_str())).ok()?;
        let config: Value = serde_norway::from_slice(&text).ok()?;
        let data = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str()?;
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data).ok()?).ok()
    }
}

fn random_text(length: usize) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

fn file_error(path: PathBuf, source: std::io::Error) -> StepSecretError {
    StepSecretError::File {
        path: path.display().to_string(),
        source,
    }
}
