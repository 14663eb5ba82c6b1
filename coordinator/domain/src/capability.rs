//! Capabilities: what steps provide to each other. Barriers are made of these, never of the clock.

use model::ids::{ClusterName, NodeName};
use serde::{Deserialize, Serialize};

/// Something that holds once every step which provides it has succeeded, for example `cluster/app1/apiserver`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability(pub String);

impl Capability {
    /// All nodes exist and run.
    pub fn nodes() -> Self {
        Self("lab/nodes".into())
    }

    /// `node/NAME/WHAT`
    pub fn node(node: &NodeName, what: &str) -> Self {
        Self(format!("node/{node}/{what}"))
    }

    /// `cluster/NAME/WHAT`
    pub fn cluster(cluster: &ClusterName, what: &str) -> Self {
        Self(format!("cluster/{cluster}/{what}"))
    }

    /// The plain text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: `apiserver` of `cluster/app1/apiserver`.
    pub fn what(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The cluster, when it is a cluster's capability.
    pub fn cluster_name(&self) -> Option<&str> {
        self.0.strip_prefix("cluster/")?.split('/').next()
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
