//! What a component needs the coordinator for beyond its installation: data, so that the engine knows no product by name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One kind of keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Keeper {
    /// A store of secrets that speaks Vault's API: opened once, unsealed whenever it is sealed, and set up.
    Vault(VaultKeeper),
}

/// How a Vault is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultKeeper {
    /// Port on every node of its cluster, TLS.
    pub node_port: u16,
    /// The component's secret of kind `ca` that signed its server certificate.
    pub authority: String,
    /// Path of the key-value engine, version 2.
    pub engine: String,
    /// Who may read from every cluster.
    pub reader: Reader,
    /// The authority in it that signs certificates, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuing: Option<Issuing>,
    /// Name of the value below each cluster's own path that drills may write, and nobody else needs; none where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// Values to make where they are absent: path below the engine, then name and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
}

/// An authority inside the Vault: its key never leaves it, its certificate is signed by [`VaultKeeper::authority`], so
/// whoever trusts that one trusts what it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuing {
    /// Path of the PKI engine.
    pub mount: String,
    /// Name of its role, for servers' certificates of at most three days.
    pub role: String,
    /// Domains below which names may be asked for.
    pub domains: Vec<String>,
    /// The service account of Vault's own cluster that may have it sign, at the login `jwt-CLUSTER` under its own name.
    pub requester: Reader,
}

/// A service account whose tokens may log in, each cluster's at a mount of its own, `jwt-CLUSTER`. As [`VaultKeeper::reader`] it
/// is one of every cluster, and may read `shared/` and what is below its own cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service_account: String,
    /// The audience that its tokens must name.
    pub audience: String,
}
