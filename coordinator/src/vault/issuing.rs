//! The authority inside a Vault: its key is made there and stays there, its certificate is signed on the host by the lab's
//! self-signed authority. So the second phase of the PKI stands on the first, and nothing that Vault signs signs Vault.

use super::VaultError;
use super::client::{Client, ClientError};
use super::setup::{about_itself, login_method, login_path, mount, role};
use crate::host_steps::component_secrets::sign_authority;
use domain::component::Issuing;
use serde_json::{Value, json};
use std::path::Path;

/// Longest life of what it signs, and of the engine's own certificate.
const LEAF: &str = "72h";
const ENGINE: &str = "87600h";

/// Puts the engine, its authority, its role and the requester's login right in the Vault of cluster `home`. `authority` is
/// the secret below `secrets` that signs.
pub(super) async fn converge(
    client: &Client,
    wanted: &Issuing,
    (home, authority): (&str, &str),
    secrets: &Path,
) -> Result<(), VaultError> {
    let engine = &wanted.mount;
    let options = json!({"type": "pki", "config": {"max_lease_ttl": ENGINE}});
    mount(client, "sys/mounts", engine, options).await?;
    // Asked before anything is made: an authority that signs is never replaced.
    let known = client.read(&format!("{engine}/issuers?list=true")).await?;
    if known.is_none_or(|answer| answer["data"]["keys"].get(0).is_none()) {
        let about = json!({
            "common_name": format!("drillyard {home} vault"), "key_type": "ec", "key_bits": 256,
        });
        let path = format!("{engine}/intermediate/generate/internal");
        let answer = client.ask(&path, about).await?;
        let request = answer["data"]["csr"]
            .as_str()
            .ok_or_else(|| ClientError::Exchange(format!("{path}: the answer has no request")))?;
        let certificate = sign_authority(secrets, authority, request)?;
        let path = format!("{engine}/intermediate/set-signed");
        client.write(&path, json!({"certificate": certificate})).await?;
        tracing::info!(cluster = home, "Vault has an authority, signed by {authority}");
    }
    client
        .write(&format!("{engine}/roles/{}", wanted.role), signs(wanted))
        .await?;
    let account = &wanted.requester;
    let policy = account.service_account.as_str();
    let text = policy_text(wanted);
    client
        .write(&format!("sys/policies/acl/{policy}"), json!({"policy": text}))
        .await?;
    login_method(client, home).await?;
    let path = format!("auth/{}/role/{policy}", login_path(home));
    client.write(&path, role(account, policy)).await?;
    Ok(())
}

/// Servers' certificates for names below the domains, with a key that the requester made.
fn signs(wanted: &Issuing) -> Value {
    json!({
        "allowed_domains": wanted.domains,
        "allow_subdomains": true,
        "allow_ip_sans": false,
        "require_cn": false,
        "key_type": "ec",
        "key_bits": 256,
        "server_flag": true,
        "client_flag": false,
        "max_ttl": LEAF,
        "no_store": true,
    })
}

/// Signing with that one role, and nothing else.
fn policy_text(wanted: &Issuing) -> String {
    let sign = format!("{}/sign/{}", wanted.mount, wanted.role);
    format!(
        "path \"{sign}\" {{ capabilities = [\"create\", \"update\"] }}\n{}",
        about_itself()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::component::Reader;

    #[test]
    fn a_requester_has_one_role_sign_and_reads_no_secret() {
        let wanted = Issuing {
            mount: "pki".into(),
            role: "services".into(),
            domains: vec!["svc".into()],
            requester: Reader {
                namespace: "cert-manager".into(),
                service_account: "vault-issuer".into(),
                audience: "vault://vault".into(),
            },
        };
        let text = policy_text(&wanted);
        assert!(text.starts_with("path \"pki/sign/services\" { capabilities = [\"create\", \"update\"] }"));
        for word in [
            "sudo",
            "secret/",
            "pki/root",
            "pki/*",
            "sign-intermediate",
            "delete",
        ] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}
