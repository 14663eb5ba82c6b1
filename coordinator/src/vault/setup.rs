//! What a Vault holds for the lab: the engine, one login per cluster with its policy, and the values of its component.
//!
//! Everything is put right again whenever Vault was away, and a login whenever its cluster signs with other keys.

use super::client::{Client, ClientError};
use super::{VaultError, canary, issuing, jwks};
use crate::host_steps::kube::Cluster;
use crate::places::Places;
use domain::component::{Reader, VaultKeeper};
use model::lab::Lab;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Who signs service accounts' tokens, by kubeadm's default in every cluster.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The role at every cluster's login, and the policy's first part.
const ROLE: &str = "external-secrets";

/// How often the clusters are asked for their keys.
const KEYS_EVERY: Duration = Duration::from_secs(30);

/// What was put right in this Vault since it last came up.
#[derive(Default)]
pub(super) struct Setup {
    engine: bool,
    values: bool,
    issuing: bool,
    canary: bool,
    /// Keys that each cluster's login has.
    logins: BTreeMap<String, Vec<String>>,
    asked: BTreeMap<String, Instant>,
}

impl Setup {
    /// Nothing is known to be right any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Puts right what is not known to be right.
    pub(super) async fn converge(
        &mut self,
        client: &Client,
        keeper: &VaultKeeper,
        (home, lab): (&str, &Lab),
        places: &Places,
    ) -> Result<(), VaultError> {
        if !self.engine {
            let options = json!({"type": "kv", "options": {"version": "2"}});
            mount(client, "sys/mounts", &keeper.engine, options).await?;
            self.engine = true;
        }
        if !self.values {
            values(client, keeper).await?;
            self.values = true;
        }
        if let Some(wanted) = keeper.issuing.as_ref().filter(|_| !self.issuing) {
            issuing::converge(client, wanted, (home, &keeper.authority), &places.secrets()).await?;
            self.issuing = true;
        }
        if let Some(name) = keeper.canary.as_ref().filter(|_| !self.canary) {
            canary::converge(client, &keeper.engine, name, lab).await?;
            self.canary = true;
        }
        // One cluster that is away must not keep the others from their login.
        let mut first = Ok(());
        for cluster in &lab.clusters {
            let name = cluster.name.as_str();
            if places.kubeconfig(name).exists() {
                first = first.and(self.login(client, keeper, name, places).await);
            }
        }
        first
    }

    async fn login(
        &mut self,
        client: &Client,
        keeper: &VaultKeeper,
        cluster: &str,
        places: &Places,
    ) -> Result<(), VaultError> {
        let lately = |at: &Instant| at.elapsed() < KEYS_EVERY;
        if self.logins.contains_key(cluster) && self.asked.get(cluster).is_some_and(lately) {
            return Ok(());
        }
        let keys = token_keys(cluster, places).await?;
        if self.logins.get(cluster) != Some(&keys) {
            let method = login_path(cluster);
            login_method(client, cluster).await?;
            let policy = format!("{ROLE}-{cluster}");
            let text = policy_text(&keeper.engine, cluster);
            client
                .write(&format!("sys/policies/acl/{policy}"), json!({"policy": text}))
                .await?;
            let config = json!({"jwt_validation_pubkeys": keys, "bound_issuer": ISSUER});
            client.write(&format!("auth/{method}/config"), config).await?;
            client
                .write(
                    &format!("auth/{method}/role/{ROLE}"),
                    role(&keeper.reader, &policy),
                )
                .await?;
            tracing::info!(cluster, "Vault accepts this cluster's tokens");
            self.logins.insert(cluster.to_owned(), keys);
        }
        self.asked.insert(cluster.to_owned(), Instant::now());
        Ok(())
    }
}

/// One account with one audience, for tokens that live an hour at most.
pub(super) fn role(account: &Reader, policy: &str) -> Value {
    json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_subject": format!("system:serviceaccount:{}:{}", account.namespace, account.service_account),
        "bound_audiences": [account.audience],
        "token_policies": [policy],
        "token_ttl": "20m",
        "token_max_ttl": "1h",
        "token_no_default_policy": true,
    })
}

/// Reading only, of what is shared and of the cluster's own.
fn policy_text(engine: &str, cluster: &str) -> String {
    let may_read = |part: &str, below: &str| {
        format!("path \"{engine}/{part}/{below}/*\" {{ capabilities = [\"read\", \"list\"] }}\n")
    };
    let mut text: String = ["data", "metadata"]
        .iter()
        .flat_map(|part| ["shared", cluster].map(|below| may_read(part, below)))
        .collect();
    text.push_str(&about_itself());
    text
}

/// A token may look at itself, renew itself and end itself.
pub(super) fn about_itself() -> String {
    let mut text = String::new();
    for (path, capability) in [
        ("lookup-self", "read"),
        ("renew-self", "update"),
        ("revoke-self", "update"),
    ] {
        text.push_str(&format!(
            "path \"auth/token/{path}\" {{ capabilities = [\"{capability}\"] }}\n"
        ));
    }
    text
}

/// Path of the login of `cluster`'s service accounts.
pub(super) fn login_path(cluster: &str) -> String {
    format!("jwt-{cluster}")
}

/// Makes that login where there is none; who may use it for what is said by its roles.
pub(super) async fn login_method(client: &Client, cluster: &str) -> Result<(), ClientError> {
    mount(client, "sys/auth", &login_path(cluster), json!({"type": "jwt"})).await
}

/// Mounts `name` where it is not mounted.
pub(super) async fn mount(client: &Client, list: &str, name: &str, what: Value) -> Result<(), ClientError> {
    let mounted = client.read(list).await?.unwrap_or_default();
    if mounted["data"].get(format!("{name}/")).is_some() {
        return Ok(());
    }
    client.write(&format!("{list}/{name}"), what).await
}

/// Makes the component's values where there are none.
async fn values(client: &Client, keeper: &VaultKeeper) -> Result<(), ClientError> {
    for (path, value) in &keeper.values {
        let path = format!("{}/data/{path}", keeper.engine);
        if client.read(&path).await?.is_none() {
            // Zero means: only where there is none, also if someone else writes at this moment.
            client
                .write(&path, json!({"options": {"cas": 0}, "data": value}))
                .await?;
        }
    }
    Ok(())
}

/// The keys that `cluster` signs tokens with.
async fn token_keys(cluster: &str, places: &Places) -> Result<Vec<String>, VaultError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| VaultError::TokenKeys {
        cluster: cluster.to_owned(),
        source,
    };
    let api = Cluster::open(cluster, &places.kubeconfig(cluster))
        .await
        .map_err(|e| failed(e.into()))?;
    let set = api.json("/openid/v1/jwks").await.map_err(|e| failed(e.into()))?;
    let unique = |keys: Vec<String>| keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    jwks::public_keys(&set)
        .map(unique)
        .ok_or_else(|| failed("the answer has keys that are neither RSA nor P-256".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_reads_what_is_shared_and_its_own_and_writes_nothing() {
        let text = policy_text("secret", "app1");
        for path in [
            "secret/data/shared/*",
            "secret/data/app1/*",
            "secret/metadata/app1/*",
        ] {
            assert!(
                text.contains(&format!(
                    "path \"{path}\" {{ capabilities = [\"read\", \"list\"] }}"
                )),
                "{text}"
            );
        }
        for word in ["create", "delete", "sudo", "app2", "\"secret/*\""] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}
