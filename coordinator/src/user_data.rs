//! User-data of one node, with a token of its own; made when the launcher asks, never kept.

use crate::authority::{AuditEvent, Authority, MintError, NodeSpec};
use crate::host_steps::ensure_nodes::role_name;
use crate::places::Places;
use launcher::{InjectSpec, RenderError, render_user_data};
use model::lab::{Lab, Provider};
use model::moment::Moment;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// The only target that is built on this host today.
pub const AGENT_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Why there is no user-data.
#[derive(Debug, thiserror::Error)]
pub enum UserDataError {
    /// The lab document does not have the node.
    #[error("the lab has no node {0:?}")]
    UnknownNode(String),
    /// The agent was not built.
    #[error("the agent's binary {path} cannot be read")]
    Agent {
        /// Its path.
        path: String,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// The authority refused.
    #[error("no token for the node")]
    Token(#[from] MintError),
    /// The template refused.
    #[error("the template")]
    Render(#[from] RenderError),
}

/// The agent's binary in the bundle.
pub fn agent_binary(places: &Places) -> PathBuf {
    places
        .cache
        .join("bundle/bin")
        .join(format!("agent-{AGENT_TARGET}"))
}

/// Mints a token for `node` and renders its user-data. A node that is made anew replaces the one before it.
pub fn mint(
    lab: &Lab,
    places: &Places,
    authority: &Authority,
    node: &str,
    now: Moment,
) -> Result<(String, Vec<AuditEvent>), UserDataError> {
    let (cluster, spec) = lab
        .node(node)
        .ok_or_else(|| UserDataError::UnknownNode(node.chars().take(80).collect()))?;
    let path = agent_binary(places);
    let binary = std::fs::read(&path).map_err(|source| UserDataError::Agent {
        path: path.display().to_string(),
        source,
    })?;
    let (token, audit) = authority.mint(&NodeSpec::of(cluster, spec), true, now)?;
    let port = lab.network.coordinator_port;
    let url = |port: u16| format!("https://{}:{port}", lab.network.gateway);
    let multipass = lab.provider == Provider::Multipass;
    let text = render_user_data(&InjectSpec {
        lab: lab.name.to_string(),
        cluster: cluster.name.to_string(),
        node: spec.name.to_string(),
        role: role_name(spec.role).into(),
        ca_pem: authority.root_pem().to_owned(),
        token: token.expose().to_owned(),
        enrol_url: url(port),
        agent_url: url(port.saturating_add(1)),
        server_name: authority.server_name(),
        agent_sha256: hex::encode(Sha256::digest(&binary)),
        agent_target: AGENT_TARGET.into(),
        static_address: multipass.then_some((spec.address, lab.network.subnet.prefix_len())),
        install_containerd: multipass,
    })?;
    Ok((text, audit))
}
