//! ExternalSecrets: how old each one is, and whether the Secret that it made is still there, unchanged.

use super::{Seen, units};
use crate::drill::kube;
use crate::drill::own_namespace::LABEL;
use crate::drill::timeline::Timeline;
use crate::host_steps::kube::{Cluster, is_ready};
use ::kube::api::DynamicObject;
use domain::drill::contracts::EXTERNAL_SECRETS;
use domain::drill::measure::stamp::Stamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Annotation in which the operator keeps a hash of what it wrote.
const HASH: &str = "reconcile.external-secrets.io/data-hash";

/// Watches all ExternalSecrets of a cluster but those that drills make for themselves; remembers the first hash of each Secret.
#[derive(Debug)]
pub struct SecretWatch {
    cluster: Cluster,
    first: Mutex<BTreeMap<String, String>>,
}

impl SecretWatch {
    /// Nothing is remembered yet.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            first: Mutex::default(),
        }
    }

    /// Looks once. Good when every Secret is there with data; figures per ExternalSecret: `NS/NAME.age_seconds`,
    /// `.interval_seconds`, `.ready`, `.present`, `.changed`; and how many there are, so that none is told from no answer.
    pub(super) async fn look(&self, timeline: Timeline) -> Seen {
        let not_a_drills_own = format!("!{LABEL}");
        let (wanted, secrets) = tokio::join!(
            kube::all(
                &self.cluster,
                "external-secrets.io",
                "v1",
                "ExternalSecret",
                &not_a_drills_own
            ),
            kube::all(
                &self.cluster,
                "",
                "v1",
                "Secret",
                "reconcile.external-secrets.io/managed=true"
            ),
        );
        let (wanted, secrets) = match (wanted, secrets) {
            (Ok(wanted), Ok(secrets)) => (wanted, secrets),
            (Err(error), _) | (_, Err(error)) => return Seen::bad(error),
        };
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let mut seen = Seen::good().with(EXTERNAL_SECRETS, f64::from(count));
        if wanted.is_empty() {
            seen.good = false;
            seen.detail = "there is no ExternalSecret".into();
        }
        let mut missing = Vec::new();
        for external in &wanted {
            let namespace = external.metadata.namespace.clone().unwrap_or_default();
            let name = external.metadata.name.clone().unwrap_or_default();
            let target = external.data["spec"]["target"]["name"]
                .as_str()
                .unwrap_or(&name)
                .to_owned();
            let id = format!("{namespace}/{name}");
            let secret = secrets.iter().find(|s| {
                s.metadata.name.as_deref() == Some(&target)
                    && s.metadata.namespace.as_deref() == Some(&namespace)
            });
            let present = secret.is_some_and(|s| s.data["data"].as_object().is_some_and(|d| !d.is_empty()));
            if !present {
                missing.push(id.clone());
            }
            let age = external.data["status"]["refreshTime"]
                .as_str()
                .and_then(|text| Stamp::parse(text).ok())
                .map(|stamp| timeline.since(stamp.0).as_secs_f64());
            if let Some(age) = age {
                seen.values.insert(format!("{id}.age_seconds"), age);
            }
            if let Some(interval) = interval(&external.data) {
                seen.values.insert(format!("{id}.interval_seconds"), interval);
            }
            let hash = secret.and_then(|s| annotation(s, HASH)).unwrap_or_default();
            let changed = self.changed(&id, hash);
            for (what, is) in [
                ("ready", is_ready(external)),
                ("present", present),
                ("changed", changed),
            ] {
                seen.values
                    .insert(format!("{id}.{what}"), if is { 1.0 } else { 0.0 });
            }
        }
        if !missing.is_empty() {
            seen.good = false;
            seen.detail = format!("no Secret for {}", missing.join(", "));
        }
        seen
    }

    /// Whether the hash is another one than when it was first seen.
    fn changed(&self, id: &str, hash: &str) -> bool {
        if hash.is_empty() {
            return false;
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.entry(id.to_owned()).or_insert_with(|| hash.to_owned()) != hash
    }
}

/// `spec.refreshInterval` in seconds, as Go writes durations; an hour where nothing is said.
fn interval(data: &Value) -> Option<f64> {
    let said = data["spec"]["refreshInterval"].as_str();
    said.map_or(Some(3600.0), units::go_duration)
}

/// An annotation's text.
fn annotation<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a str> {
    object
        .metadata
        .annotations
        .as_ref()?
        .get(name)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn intervals_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("15s", Some(15.0)),
            ("1h0m0s", Some(3600.0)),
            ("1m30.5s", Some(90.5)),
            ("250ms", Some(0.25)),
            ("0", Some(0.0)),
            ("5", None),
            ("5d", None),
            ("s", None),
        ] {
            assert_eq!(
                interval(&json!({"spec": {"refreshInterval": text}})),
                seconds,
                "{text}"
            );
        }
        assert_eq!(interval(&json!({"spec": {}})), Some(3600.0));
    }
}
