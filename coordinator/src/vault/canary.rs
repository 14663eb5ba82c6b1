//! The values that drills write into a Vault: one path per cluster, and a token that may do this alone.
//!
//! The root token is used for one thing, to make that token: a batch token, which Vault does not store and which ends by itself
//! within a minute. It lives in memory only.

use super::client::{Client, ClientError};
use super::keys::KeyStore;
use super::{VaultError, client_of};
use crate::components::Loaded;
use crate::places::Places;
use domain::component::{Keeper, VaultKeeper};
use model::lab::{Cluster, Lab};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;

/// Life of a token.
const TOKEN_TTL: &str = "60s";

/// Writes the policies, one per cluster.
pub(super) async fn converge(
    client: &Client,
    engine: &str,
    name: &str,
    lab: &Lab,
) -> Result<(), ClientError> {
    for cluster in &lab.clusters {
        let cluster = cluster.name.as_str();
        let policy = json!({"policy": policy_text(engine, cluster, name)});
        let path = format!("sys/policies/acl/{}", policy_name(cluster));
        client.write(&path, policy).await?;
    }
    Ok(())
}

fn policy_name(cluster: &str) -> String {
    format!("drill-canary-{cluster}")
}

/// Writing that one value and taking it away, and nothing else: not even reading.
fn policy_text(engine: &str, cluster: &str, name: &str) -> String {
    format!(
        "path \"{engine}/data/{cluster}/{name}\" {{ capabilities = [\"create\", \"update\"] }}\n\
         path \"{engine}/metadata/{cluster}/{name}\" {{ capabilities = [\"delete\"] }}\n"
    )
}

/// The Vault whose component names a value for drills.
#[derive(Debug, Clone)]
pub(crate) struct CanarySource {
    home: Cluster,
    keeper: VaultKeeper,
    name: String,
    places: Arc<Places>,
}

impl CanarySource {
    /// Among the components; None where none has such a value.
    pub(crate) fn find(lab: &Lab, places: &Arc<Places>, components: &[Loaded]) -> Option<Self> {
        components.iter().find_map(|loaded| {
            let Keeper::Vault(keeper) = loaded.component.keeper.as_ref()?;
            let home = lab.clusters.iter().find(|c| loaded.component.runs_in(&c.name))?;
            Some(Self {
                home: home.clone(),
                keeper: keeper.clone(),
                name: keeper.canary.clone()?,
                places: Arc::clone(places),
            })
        })
    }

    /// Path of a cluster's value, as its ExternalSecrets name it.
    pub(crate) fn key(&self, cluster: &str) -> String {
        format!("{cluster}/{}", self.name)
    }

    /// A way to write the value of a cluster, for a minute.
    pub(crate) async fn open(&self, cluster: &str) -> Result<CanaryWriter, VaultError> {
        let keys = KeyStore::new(&self.places.home, self.home.name.as_str());
        let keys = keys.load()?.ok_or(VaultError::NoKeys)?;
        let client = client_of(&self.home, &self.keeper, &self.places)?
            .ok_or_else(|| ClientError::Exchange(format!("cluster {} has no nodes", self.home.name)))?;
        let wanted = json!({
            "type": "batch",
            "policies": [policy_name(cluster)],
            "no_default_policy": true,
            "ttl": TOKEN_TTL,
            "display_name": "drill-canary",
        });
        let path = "auth/token/create-orphan";
        let answer = client.with_token(keys.root()).ask(path, wanted).await?;
        let token = answer["auth"]["client_token"]
            .as_str()
            .ok_or_else(|| ClientError::Exchange(format!("{path}: the answer has no token")))?;
        Ok(CanaryWriter {
            client: client.with_token(&SecretString::from(token.to_owned())),
            engine: self.keeper.engine.clone(),
            key: self.key(cluster),
        })
    }
}

/// Writes the value of one cluster.
pub(crate) struct CanaryWriter {
    client: Client,
    engine: String,
    key: String,
}

impl CanaryWriter {
    /// Writes a number.
    pub(crate) async fn write(&self, number: u64) -> Result<(), VaultError> {
        let path = format!("{}/data/{}", self.engine, self.key);
        let value = json!({"data": {"number": number.to_string()}});
        Ok(self.client.write(&path, value).await?)
    }

    /// Takes the value away with all its versions.
    pub(crate) async fn forget(&self) -> Result<(), VaultError> {
        let path = format!("{}/metadata/{}", self.engine, self.key);
        Ok(self.client.delete(&path).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_writes_one_value_and_reads_none() {
        let text = policy_text("secret", "app1", "drill-canary");
        assert_eq!(
            text,
            "path \"secret/data/app1/drill-canary\" { capabilities = [\"create\", \"update\"] }\n\
             path \"secret/metadata/app1/drill-canary\" { capabilities = [\"delete\"] }\n"
        );
    }
}
