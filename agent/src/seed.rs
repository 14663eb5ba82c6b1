//! What cloud-init leaves on a node: who it is, where the coordinator is, whom to trust, and a token for once.

use model::ids::{ClusterName, LabName, NodeName};
use model::step::Role;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `agent.json` of the seed. Validated when read: the rest of the agent relies on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// The lab.
    pub lab: LabName,
    /// The cluster.
    pub cluster: ClusterName,
    /// This node.
    pub node: NodeName,
    /// What it does in the cluster.
    pub role: Role,
    /// Where to enrol, `https://ADDRESS:PORT`.
    #[serde(alias = "enrol")]
    pub enrol_url: Endpoint,
    /// Where to hold the session, `https://ADDRESS:PORT`.
    #[serde(alias = "agent_endpoint")]
    pub agent_url: Endpoint,
    /// Name in the coordinator's certificate.
    pub server_name: String,
}

/// An address and port written as `https://ADDRESS:PORT`: nothing here asks a name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(pub SocketAddr);

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = text
            .strip_prefix("https://")
            .map(|rest| rest.trim_end_matches('/'));
        let address = address.and_then(|rest| rest.parse().ok());
        address
            .map(Endpoint)
            .ok_or_else(|| format!("{text:?} is not https://ADDRESS:PORT"))
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        format!("https://{}", endpoint.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_s_document_is_read_and_more_fields_do_no_harm() {
        let text = r#"{"lab":"default","cluster":"mgmt","node":"mgmt-cp","role":"control_plane",
            "enrol_url":"https://192.168.64.1:7443","agent_url":"https://192.168.64.1:7444",
            "server_name":"coordinator.default.drillyard","agent_sha256":"00","agent_path":"/agent/x"}"#;
        let seed: Seed = serde_json::from_str(text).expect("read");
        assert_eq!(seed.agent_url.0.port(), 7444);
    }

    #[test]
    fn other_addresses_are_refused() {
        for bad in [
            "http://192.168.64.1:7443",
            "https://host:7443",
            "https://192.168.64.1",
        ] {
            assert!(Endpoint::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
