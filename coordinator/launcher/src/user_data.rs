//! User-data: how a node learns where its coordinator is, and gets its agent.
//!
//! The templates are in `cloud-init/`. Values end up in YAML, JSON and a shell script, so each is first checked against
//! its own narrow alphabet; nothing that passes needs quoting in any of the three.

use std::net::{Ipv4Addr, SocketAddr};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};
use serde::Serialize;
use thiserror::Error;

const USER_DATA: &str = include_str!("../../../cloud-init/user-data.yaml.j2");
const INSTALL: &str = include_str!("../../../cloud-init/install.sh.j2");

/// Where the enrolment token lies in a node; the template writes the same path.
pub const TOKEN_IN_NODE: &str = "/var/lib/drillyard/seed/token";

/// What goes into one node's user-data.
#[derive(Clone)]
pub struct InjectSpec {
    /// The lab.
    pub lab: String,
    /// The node's cluster.
    pub cluster: String,
    /// The node.
    pub node: String,
    /// `control_plane` or `worker`.
    pub role: String,
    /// The coordinator's root certificate, PEM.
    pub ca_pem: String,
    /// Single-use enrolment token, bound to the node.
    pub token: String,
    /// Enrolment listener, which also serves the agent: `https://ADDRESS:PORT`.
    pub enrol_url: String,
    /// Listener for enrolled agents: `https://ADDRESS:PORT`.
    pub agent_url: String,
    /// The name in the coordinator's certificate.
    pub server_name: String,
    /// SHA-256 of the agent binary, 64 hexadecimal digits.
    pub agent_sha256: String,
    /// Target triple of the agent binary.
    pub agent_target: String,
    /// Address and prefix to add beside the provider's own (Multipass).
    pub static_address: Option<(Ipv4Addr, u8)>,
    /// The image is a stock one: containerd and what Kubernetes expects of a host must be installed (Multipass).
    pub install_containerd: bool,
}

/// Why user-data was not rendered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A value is not of the kind its field takes. The value itself may be secret and is not told.
    #[error("{field} is not {expected}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The template is broken.
    #[error("user-data cannot be rendered")]
    Template(#[from] minijinja::Error),
    /// The agent's configuration cannot be written as JSON.
    #[error("agent.json cannot be written")]
    Json(#[from] serde_json::Error),
}

/// What the agent reads at its installation.
#[derive(Serialize)]
struct AgentSeed<'a> {
    lab: &'a str,
    cluster: &'a str,
    node: &'a str,
    role: &'a str,
    enrol: &'a str,
    agent_endpoint: &'a str,
    server_name: &'a str,
    agent_sha256: &'a str,
    agent_path: &'a str,
}

/// Renders the user-data of one node: a plain cloud-config mapping, the same for every provider.
///
/// # Errors
/// [`RenderError::Value`] for a value that does not fit its field.
pub fn render_user_data(spec: &InjectSpec) -> Result<String, RenderError> {
    let listener = spec.check()?;
    let agent_path = format!("/agent/{}", spec.agent_target);
    let seed = AgentSeed {
        lab: &spec.lab,
        cluster: &spec.cluster,
        node: &spec.node,
        role: &spec.role,
        enrol: &spec.enrol_url,
        agent_endpoint: &spec.agent_url,
        server_name: &spec.server_name,
        agent_sha256: &spec.agent_sha256,
        agent_path: &agent_path,
    };
    let mut environment = Environment::new();
    let lines_of_tags_vanish = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(lines_of_tags_vanish);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let install_script = environment.render_named_str(
        "install.sh",
        INSTALL,
        context! {
            server_name => spec.server_name.as_str(),
            host => listener.ip().to_string(),
            port => listener.port(),
            agent_path => agent_path.as_str(),
            agent_sha256 => spec.agent_sha256.as_str(),
            stock_image => spec.install_containerd,
        },
    )?;
    let text = environment.render_named_str(
        "user-data",
        USER_DATA,
        context! {
            node => spec.node.as_str(),
            ca_pem => spec.ca_pem.trim(),
            token => spec.token.as_str(),
            agent_json => serde_json::to_string_pretty(&seed)?,
            install_script => install_script.as_str(),
            static_address => spec.static_address.map(|(a, p)| format!("{a}/{p}")),
            stock_image => spec.install_containerd,
        },
    )?;
    Ok(text)
}

impl InjectSpec {
    /// Checks every field; returns where the agent is fetched from.
    fn check(&self) -> Result<SocketAddr, RenderError> {
        let name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fields: [(&'static str, &str); 6] = [
            ("lab", &self.lab),
            ("cluster", &self.cluster),
            ("node", &self.node),
            ("role", &self.role),
            ("server_name", &self.server_name),
            ("agent_target", &self.agent_target),
        ];
        for (field, value) in fields {
            must(
                !value.is_empty() && value.chars().all(name),
                field,
                "a plain name",
            )?;
        }
        let token = |c: char| name(c) || "+/=~".contains(c);
        must(
            !self.token.is_empty() && self.token.chars().all(token),
            "token",
            "a token of letters, digits and -_.+/=~",
        )?;
        let digest =
            self.agent_sha256.len() == 64 && self.agent_sha256.chars().all(|c| c.is_ascii_hexdigit());
        must(digest, "agent_sha256", "64 hexadecimal digits")?;
        let pem = |l: &str| {
            l.chars()
                .all(|c| c.is_ascii_alphanumeric() || "+/=- ".contains(c))
        };
        let certificate = self.ca_pem.trim().starts_with("-----BEGIN CERTIFICATE-----")
            && self.ca_pem.trim().lines().all(pem);
        must(certificate, "ca_pem", "a PEM certificate")?;
        endpoint("agent_url", &self.agent_url)?;
        endpoint("enrol_url", &self.enrol_url)
    }
}

fn endpoint(field: &'static str, url: &str) -> Result<SocketAddr, RenderError> {
    url.strip_prefix("https://")
        .and_then(|rest| rest.parse().ok())
        .ok_or(RenderError::Value {
            field,
            expected: "of the form https://ADDRESS:PORT",
        })
}

fn must(holds: bool, field: &'static str, expected: &'static str) -> Result<(), RenderError> {
    if holds {
        return Ok(());
    }
    Err(RenderError::Value { field, expected })
}

impl std::fmt::Debug for InjectSpec {
    /// Without the token: it must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InjectSpec")
            .field("lab", &self.lab)
            .field("node", &self.node)
            .field("enrol_url", &self.enrol_url)
            .finish_non_exhaustive()
    }
}
