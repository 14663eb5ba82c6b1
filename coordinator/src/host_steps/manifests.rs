//! Manifests of a component, applied on the server's side, so that a second time changes nothing that is right.
//!
//! Spoken by the coordinator itself: a kubectl per component and cluster costs the two cores most when they have least to give.

use super::config_digest::ConfigMaps;
use super::kube::Cluster;
use crate::exit::chain;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Whose fields are ours.
const FIELD_MANAGER: &str = "drillyard";

/// Why manifests were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A document is no YAML.
    #[error("a manifest is no YAML")]
    Yaml(#[from] serde_norway::Error),
    /// A document is no object of Kubernetes.
    #[error("a manifest has no {0}")]
    NoObject(&'static str),
    /// The API server refused, or did not answer.
    #[error("{kind} {name} was not applied: {reason}")]
    Refused {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// The server's words.
        reason: String,
    },
}

/// Applies the documents in their order; objects that name no namespace go into `namespace`, which is made first.
pub async fn apply(cluster: &Cluster, namespace: &str, documents: &[String]) -> Result<(), ManifestError> {
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    // Asked for once, not for each of dozens of definitions.
    let mut kinds = HashMap::new();
    let mut configs = ConfigMaps::default();
    one(cluster, namespace, &own, &mut kinds).await?;
    for text in documents {
        // Taken apart one by one: all of Cilium's definitions as values take tens of megabytes, in three clusters at a time.
        let objects: Result<Vec<Value>, _> = serde_norway::Deserializer::from_str(text)
            .map(Value::deserialize)
            .collect();
        // A document of comments only says nothing.
        for mut object in objects?.into_iter().filter(|object| !object.is_null()) {
            configs.pass(namespace, &mut object);
            one(cluster, namespace, &object, &mut kinds).await?;
        }
    }
    Ok(())
}

type Served = HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>;

async fn one(
    cluster: &Cluster,
    namespace: &str,
    object: &Value,
    kinds: &mut Served,
) -> Result<(), ManifestError> {
    let of = Named::read(object)?;
    let refused = |error: kube::Error| ManifestError::Refused {
        kind: of.kind.kind.clone(),
        name: of.name.to_owned(),
        reason: chain(&error),
    };
    let served = match kinds.get(&of.kind) {
        Some(known) => known,
        None => {
            let found = pinned_kind(cluster.client(), &of.kind).await.map_err(refused)?;
            kinds.entry(of.kind.clone()).or_insert(found)
        }
    };
    let how = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
    api(cluster, served, of.namespace.unwrap_or(namespace))
        .patch(of.name, &how, &Patch::Apply(object))
        .await
        .map_err(refused)?;
    Ok(())
}

fn api(
    cluster: &Cluster,
    (resource, capabilities): &(ApiResource, ApiCapabilities),
    namespace: &str,
) -> Api<DynamicObject> {
    let client = cluster.client().clone();
    match capabilities.scope {
        Scope::Cluster => Api::all_with(client, resource),
        Scope::Namespaced => Api::namespaced_with(client, namespace, resource),
    }
}

/// What an object is called.
struct Named<'a> {
    kind: GroupVersionKind,
    name: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn read(object: &'a Value) -> Result<Self, ManifestError> {
        let text = |value: &'a Value, what| value.as_str().ok_or(ManifestError::NoObject(what));
        let types = TypeMeta {
            api_version: text(&object["apiVersion"], "apiVersion")?.to_owned(),
            kind: text(&object["kind"], "kind")?.to_owned(),
        };
        Ok(Self {
            kind: GroupVersionKind::try_from(&types).map_err(|_| ManifestError::NoObject("apiVersion"))?,
            name: text(&object["metadata"]["name"], "metadata.name")?,
            namespace: object["metadata"]["namespace"].as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_api::{self, Seen};
    use super::*;

    /// Knows four kinds, and refuses what is called `bad`.
    async fn server(folder: &std::path::Path) -> (Cluster, Seen) {
        let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["patch"]});
        let list = |group: &str, resources: Value| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources});
        let core = list(
            "v1",
            json!([
                resource("namespaces", "Namespace", false),
                resource("services", "Service", true),
                resource("configmaps", "ConfigMap", true)
            ]),
        );
        let apps = list("apps/v1", json!([resource("deployments", "Deployment", true)]));
        fake_api::serve(folder, move |line, body| {
            match line.split(' ').nth(1).unwrap_or_default() {
                "/api/v1" => (200, core.clone()),
                "/apis/apps/v1" => (200, apps.clone()),
                path if path.contains("/bad?") => {
                    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
                        "reason": "Invalid", "message": "unknown field"});
                    (422, status)
                }
                _ => (200, body.clone()),
            }
        })
        .await
    }

    #[tokio::test]
    async fn objects_go_in_their_order_after_their_namespace_and_each_kind_is_asked_for_once() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, seen) = server(folder.path()).await;
        let documents = [
            "# only words\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {x: 1}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: other}\n".to_owned(),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: c}\n".to_owned(),
        ];
        apply(&cluster, "demo", &documents).await.expect("applied");
        let seen = seen.lock().expect("whole");
        let paths: Vec<&str> = seen
            .iter()
            .filter_map(|(line, _)| line.split(' ').nth(1)?.split('?').next())
            .collect();
        assert_eq!(
            paths,
            [
                "/api/v1",
                "/api/v1/namespaces/demo",
                "/api/v1",
                "/api/v1/namespaces/demo/services/a",
                "/api/v1/namespaces/other/services/b",
                "/apis/apps/v1",
                "/apis/apps/v1/namespaces/demo/deployments/c",
            ]
        );
        let (line, body) = &seen[3];
        for word in [
            "PATCH ",
            "fieldManager=drillyard",
            "force=true",
            "fieldValidation=Strict",
        ] {
            assert!(line.contains(word), "{word} not in {line}");
        }
        assert_eq!(body["spec"], json!({"x": 1}));
    }

    #[tokio::test]
    async fn pods_are_told_of_the_configuration_that_they_start_with() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, seen) = server(folder.path()).await;
        let document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: \"1\"}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: c}\nspec: {template: {spec: {volumes: [{name: x, configMap: {name: a}}]}}}\n";
        apply(&cluster, "demo", &[document.to_owned()])
            .await
            .expect("applied");
        let seen = seen.lock().expect("whole");
        let (_, sent) = seen.last().expect("the workload");
        let annotations = &sent["spec"]["template"]["metadata"]["annotations"];
        let digest = annotations["drillyard.io/config-digest"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(digest.len(), 64, "{sent}");
    }

    #[tokio::test]
    async fn a_refusal_names_the_object_and_has_the_server_s_words() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, _) = server(folder.path()).await;
        let bad = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\n".to_owned();
        let refused = apply(&cluster, "demo", &[bad]).await.expect_err("refused");
        let text = refused.to_string();
        assert!(
            text.starts_with("Service bad was not applied") && text.contains("unknown field"),
            "{text}"
        );
        for (document, lacks) in [
            ("kind: Service", "apiVersion"),
            ("apiVersion: v1\nkind: Service", "name"),
        ] {
            let refused = apply(&cluster, "demo", &[document.to_owned()])
                .await
                .expect_err("refused");
            assert!(refused.to_string().contains(lacks), "{refused}");
        }
    }
}
