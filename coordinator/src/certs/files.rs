//! Certificates in files of the lab's home.

use super::Seen;
use crate::authority;
use crate::places::Places;
use base64::Engine as _;
use domain::certs::{Certificate, Renewal};
use serde_norway::Value;
use shell::tls;
use std::path::Path;

/// Scope of what belongs to no cluster.
pub(super) const SCOPE: &str = "drillyard";

/// Root, issuers, the local operator's identity, and each agent's newest certificate as the registry has it.
pub(super) fn authority(places: &Places, seen: &mut Seen) {
    let pki = places.home.join("pki");
    for (name, file, renewal) in [
        ("root", "root.pem", Renewal::Manual),
        ("node issuer", "node.pem", Renewal::Manual),
        ("operator issuer", "operator.pem", Renewal::Manual),
        ("operator identity", "operator/identity.pem", Renewal::Automatic),
    ] {
        pem_file(name, &pki.join(file), renewal, seen);
    }
    let registry = pki.join("registry.json");
    match authority::newest_certificates(&places.home) {
        Ok(all) => seen
            .certificates
            .extend(all.into_iter().map(|(node, generation, not_after)| Certificate {
                scope: SCOPE.into(),
                name: format!("agent {node}"),
                subject: format!("{node} generation {generation}"),
                seen: registry.display().to_string(),
                not_before: None,
                not_after,
                renewal: Renewal::Automatic,
            })),
        Err(error) => seen
            .unseen
            .push(format!("{SCOPE} agents: {}", crate::exit::chain(&error))),
    }
}

/// The authorities and servers' certificates that the host makes for components, such as the platform's root. Before the
/// first of them is made there is none to be seen.
pub(super) fn secrets(places: &Places, seen: &mut Seen) {
    let folder = places.secrets();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            let place = folder.display();
            return seen
                .unseen
                .push(format!("{SCOPE} components in {place}: {error}"));
        }
    };
    let paths = entries.flatten().map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|e| e == "crt")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        pem_file(&format!("component {name}"), &path, Renewal::Manual, seen);
    }
}

fn pem_file(name: &str, path: &Path, renewal: Renewal, seen: &mut Seen) {
    let place = path.display().to_string();
    let first = std::fs::read(path)
        .map_err(|e| e.to_string())
        .and_then(|pem| tls::certificates(&pem).map_err(|e| crate::exit::chain(&e)))
        .and_then(|all| all.into_iter().next().ok_or_else(|| "no certificate".into()));
    match first {
        Ok(der) => seen.add(SCOPE, name, &place, &der, renewal),
        Err(error) => seen.unseen.push(format!("{SCOPE} {name} in {place}: {error}")),
    }
}

/// The cluster's authority and the coordinator's client certificate, both inside the kubeconfig.
pub(super) fn kubeconfig(cluster: &str, places: &Places, seen: &mut Seen) {
    let path = places.kubeconfig(cluster);
    let place = path.display().to_string();
    let document = match std::fs::read_to_string(&path)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_norway::from_str::<Value>(&text).map_err(|e| e.to_string()))
    {
        Ok(document) => document,
        Err(error) => {
            seen.unseen.push(format!("{cluster} kubeconfig {place}: {error}"));
            return;
        }
    };
    let parts = [
        (
            "certificate authority",
            &document["clusters"][0]["cluster"]["certificate-authority-data"],
        ),
        (
            "kubeconfig client",
            &document["users"][0]["user"]["client-certificate-data"],
        ),
    ];
    for (name, value) in parts {
        let der = value
            .as_str()
            .ok_or_else(|| "it is not there".to_owned())
            .and_then(|text| {
                base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .map_err(|e| e.to_string())
            })
            .and_then(|pem| tls::certificates(&pem).map_err(|e| crate::exit::chain(&e)))
            .and_then(|all| all.into_iter().next().ok_or_else(|| "no certificate".into()));
        match der {
            Ok(der) => seen.add(cluster, name, &place, &der, Renewal::Manual),
            Err(error) => seen.unseen.push(format!("{cluster} {name} in {place}: {error}")),
        }
    }
}
