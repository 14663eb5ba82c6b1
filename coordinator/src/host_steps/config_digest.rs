//! Pods that read a ConfigMap only when they start are started anew when it changes: the template of the pods that mount it carries a
//! digest of its contents, so that a change of one is a change of the other.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// On pod templates: SHA-256 of the ConfigMaps of the same component that its pods use, lower-case hex.
const ANNOTATION: &str = "drillyard.io/config-digest";

/// What a pod's fields call a ConfigMap that they use: a volume or its source, `envFrom`, and `env`.
const USES: [&str; 3] = ["configMap", "configMapRef", "configMapKeyRef"];

/// The ConfigMaps that came so far, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct ConfigMaps(BTreeMap<(String, String), Value>);

impl ConfigMaps {
    /// Remembers a ConfigMap, and marks the pod template of a workload that uses ones which came before it. `namespace` is that of an
    /// object that names none.
    pub(super) fn pass(&mut self, namespace: &str, object: &mut Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
        if object["apiVersion"] == "v1" && object["kind"] == "ConfigMap" {
            let contents: Map<String, Value> = ["data", "binaryData"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), object.get(key)?.clone())))
                .collect();
            let key = (namespace.to_owned(), name.to_owned());
            self.0.insert(key, Value::Object(contents));
            return;
        }
        let namespace = namespace.to_owned();
        if let Some(template) = object.pointer_mut("/spec/template").filter(|t| t.is_object()) {
            self.mark(&namespace, template);
        }
    }

    fn mark(&self, namespace: &str, template: &mut Value) {
        let mut names = BTreeSet::new();
        uses(&template["spec"], &mut names);
        let known = names.into_iter().filter_map(|name| {
            let contents = self.0.get(&(namespace.to_owned(), name.clone()))?;
            Some((name, contents))
        });
        let used: BTreeMap<String, &Value> = known.collect();
        if used.is_empty() {
            return;
        }
        // Maps are sorted by key, so the same contents give the same text.
        let text = used.iter().map(|(name, contents)| format!("{name}={contents}\n"));
        let digest = Sha256::digest(text.collect::<String>());
        template["metadata"]["annotations"][ANNOTATION] = hex::encode(digest).into();
    }
}

/// Names of ConfigMaps that something within `value` uses.
fn uses(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if USES.contains(&key.as_str()) {
                    names.extend(field["name"].as_str().map(str::to_owned));
                }
                uses(field, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| uses(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(name: &str, text: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": text}})
    }

    fn workload() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {
                "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "environment"}}]}],
                "volumes": [
                    {"name": "x", "configMap": {"name": "file"}},
                    {"name": "y", "projected": {"sources": [{"configMap": {"name": "part"}}]}},
                ],
            },
        }}})
    }

    /// Of a workload behind these ConfigMaps.
    fn digest(configs: &[(&str, &str)]) -> Option<String> {
        let mut seen = ConfigMaps::default();
        for (name, text) in configs {
            let mut object = config(name, text);
            seen.pass("demo", &mut object);
            assert_eq!(object, config(name, text), "a ConfigMap stays what it is");
        }
        let mut object = workload();
        seen.pass("demo", &mut object);
        let template = &object["spec"]["template"]["metadata"];
        assert_eq!(template["labels"]["app"], "d");
        Some(template["annotations"][ANNOTATION].as_str()?.to_owned())
    }

    #[test]
    fn each_use_counts_and_so_does_each_change() {
        let (base, mut seen) = (
            [("environment", "1"), ("file", "1"), ("part", "1")],
            BTreeSet::new(),
        );
        seen.insert(digest(&base).expect("marked"));
        for changed in 0..base.len() {
            let mut configs = base;
            configs[changed].1 = "2";
            assert!(seen.insert(digest(&configs).expect("marked")), "{configs:?}");
        }
        let reversed: Vec<_> = base.into_iter().rev().collect();
        assert_eq!(digest(&reversed), digest(&base), "their order does not count");
        let more = [base[0], base[1], base[2], ("other", "1")];
        assert_eq!(
            digest(&more),
            digest(&base),
            "one that is not used does not count"
        );
    }

    #[test]
    fn what_uses_none_of_ours_is_left_alone() {
        assert_eq!(digest(&[("other", "1")]), None);
        let mut elsewhere = ConfigMaps::default();
        elsewhere.pass("other", &mut config("file", "1"));
        let mut object = workload();
        elsewhere.pass("demo", &mut object);
        assert_eq!(object, workload());
        let mut odd = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"template": 1}});
        let before = odd.clone();
        elsewhere.pass("demo", &mut odd);
        assert_eq!(odd, before);
        let mut bare = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "s"}});
        elsewhere.pass("demo", &mut bare);
        assert_eq!(bare.get("spec"), None);
    }
}
