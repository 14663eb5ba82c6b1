//! Secrets that travel beside steps: join tokens to nodes, kubeconfigs from control planes. Files are 0600 below the
//! lab's home; nothing of them is logged.

mod kubeconfig;

use crate::engine::EngineHandle;
use crate::exit::chain;
use crate::files::write_private;
use crate::places::Places;
use crate::session_grpc::{NotTaken, SecretBytes, StepSecrets};
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

impl From<&StepSecretError> for NotTaken {
    fn from(error: &StepSecretError) -> Self {
        match error {
            StepSecretError::File { .. } => NotTaken::NotKept,
            StepSecretError::UnknownNode(_)
            | StepSecretError::NotControlPlane(_)
            | StepSecretError::Kubeconfig { .. } => NotTaken::Refused,
        }
    }
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
        if name != SecretName::JoinToken || self.allowed(node, step, attempt, name) != Some(true) {
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
    ) -> Result<(), NotTaken> {
        if name != SecretName::Kubeconfig {
            return Err(NotTaken::Refused);
        }
        match self.allowed(node, step, attempt, name) {
            Some(true) => {}
            Some(false) => return Err(NotTaken::Refused),
            // The coordinator is on its way down; its next life knows the attempt.
            None => return Err(NotTaken::NotKept),
        }
        self.keep_kubeconfig(node, value.expose_secret())
            .map_err(|error| {
                tracing::error!(%node, error = chain(&error), "the kubeconfig was not kept");
                NotTaken::from(&error)
            })
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

    /// Whether that attempt is handed out to the node now and is one for this secret; None when the engine has ended. The
    /// caller's worker thread waits for the engine.
    fn allowed(&self, node: &NodeName, step: StepId, attempt: Attempt, name: SecretName) -> Option<bool> {
        let node = node.clone();
        let question = self
            .engine
            .ask(move |state| state.may_exchange_secret(&node, step, attempt, name));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(question))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::envelope::Stamper;
    use crate::journal::MemoryJournal;
    use model::ids::LogId;

    #[test]
    fn what_cannot_be_kept_now_is_no_refusal() {
        let home = tempfile::tempdir().expect("temp");
        let places = Places {
            home: home.path().to_owned(),
            cache: home.path().join("cache"),
            project: home.path().join("project"),
            program: PathBuf::new(),
        };
        let journal = MemoryJournal::new(LogId([1; 16]));
        let (_engine, handle, _effects) =
            Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds");
        let store = StepSecretStore::new(Arc::new(Lab::default()), Arc::new(places), handle);
        let answer = |name: &str, text: &str| {
            let node = NodeName::new(name).expect("valid");
            let kept = store.keep_kubeconfig(&node, text.as_bytes());
            kept.map_err(|error| NotTaken::from(&error))
        };
        let minted = serde_norway::to_string(&kubeconfig::tests::minted()).expect("YAML");
        // A file where the folder should be stands for a disk that takes nothing.
        let folder = store.places.kubeconfig("app1");
        let folder = folder.parent().expect("a folder");
        std::fs::write(folder, "").expect("written");
        assert_eq!(answer("app1-cp", &minted), Err(NotTaken::NotKept));
        assert_eq!(answer("app1-cp", "no kubeconfig"), Err(NotTaken::Refused));
        assert_eq!(answer("app1-worker", &minted), Err(NotTaken::Refused));
        assert_eq!(answer("nobody", &minted), Err(NotTaken::Refused));
        std::fs::remove_file(folder).expect("removed");
        assert_eq!(answer("app1-cp", &minted), Ok(()));
    }
}
