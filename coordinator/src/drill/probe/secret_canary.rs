//! ExternalSecrets of the drill's own: which value each Secret holds, and what the operator says of it.

use super::Seen;
use super::settings::seconds;
use crate::drill::kube::{self, EXTERNAL_SECRETS};
use crate::drill::secret_canary::NAMESPACE;
use crate::host_steps::kube::{Cluster, is_ready};
use ::kube::api::DynamicObject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::drill::assemble::{DELETED, KEPT, NEW, NUMBER, REFRESHED, STORE_READY};
use domain::drill::measure::quantity::Quantity;
use domain::drill::measure::stamp::Stamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Watches them. The latest number is told by whoever writes it; 0 is before anything was planted.
#[derive(Debug)]
pub struct SecretCanaryWatch {
    /// Cluster.
    pub(in crate::drill) cluster: Cluster,
    /// ClusterSecretStore that they ask.
    pub(in crate::drill) store: String,
    /// The number that all of them should hold.
    pub(in crate::drill) latest: Arc<AtomicU64>,
}

impl SecretCanaryWatch {
    /// Looks once. Good when every ExternalSecret that is there has a Secret with the latest number.
    pub(super) async fn look(&self) -> Seen {
        let latest = self.latest.load(Ordering::Relaxed);
        if latest == 0 {
            return Seen::bad("the drill's own ExternalSecrets are not planted yet");
        }
        let (group, version) = EXTERNAL_SECRETS;
        let (wanted, secrets, store) = tokio::join!(
            kube::within(&self.cluster, (group, version), "ExternalSecret", NAMESPACE),
            kube::within(&self.cluster, ("", "v1"), "Secret", NAMESPACE),
            self.cluster
                .object("external-secrets.io/v1", "ClusterSecretStore", None, &self.store),
        );
        let (wanted, secrets) = match (wanted, secrets) {
            (Ok(wanted), Ok(secrets)) => (wanted, secrets),
            (Err(error), _) | (_, Err(error)) => return Seen::bad(error),
        };
        let mut seen = judge(&wanted, &secrets, latest);
        if let Ok(Some(store)) = store {
            seen = seen.with(STORE_READY, if is_ready(&store) { 1.0 } else { 0.0 });
        }
        seen
    }
}

fn judge(wanted: &[DynamicObject], secrets: &[DynamicObject], latest: u64) -> Seen {
    fn by_name<'a>(all: &'a [DynamicObject], name: &str) -> Option<&'a DynamicObject> {
        all.iter().find(|o| o.metadata.name.as_deref() == Some(name))
    }
    let mut seen = Seen::good();
    let mut behind = Vec::new();
    for name in [KEPT, DELETED, NEW] {
        let held = by_name(secrets, name).and_then(number).unwrap_or(0);
        let external = by_name(wanted, name);
        // The new one is not there before it is made.
        if held != latest && (external.is_some() || name != NEW) {
            let says = external.map_or("there is no ExternalSecret", reason);
            behind.push(format!("{name} holds {held} of {latest}: {says}"));
        }
        seen = seen.with(
            format!("{name}.{NUMBER}"),
            u32::try_from(held).map_or(0.0, f64::from),
        );
        let refreshed = external.and_then(|e| Stamp::parse(e.data["status"]["refreshTime"].as_str()?).ok());
        if let Some(Stamp(at)) = refreshed {
            seen = seen.with(
                format!("{name}.{REFRESHED}"),
                seconds(Quantity::from_micros(at.0)),
            );
        }
    }
    if !behind.is_empty() {
        seen.good = false;
        seen.detail = Seen::bad(behind.join("; ")).detail;
    }
    seen
}

/// What an ExternalSecret says of itself.
fn reason(external: &DynamicObject) -> &str {
    external.data["status"]["conditions"][0]["reason"]
        .as_str()
        .unwrap_or("not looked at yet")
}

/// The number in a Secret.
fn number(secret: &DynamicObject) -> Option<u64> {
    let bytes = STANDARD.decode(secret.data["data"]["number"].as_str()?).ok()?;
    String::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(name: &str, data: Value) -> DynamicObject {
        let mut object = json!({"metadata": {"name": name}});
        object
            .as_object_mut()
            .expect("an object")
            .extend(data.as_object().cloned().unwrap_or_default());
        serde_json::from_value(object).expect("an object of an API")
    }

    fn secret(name: &str, number: &str) -> DynamicObject {
        object(name, json!({"data": {"number": STANDARD.encode(number)}}))
    }

    #[test]
    fn all_that_are_there_must_hold_the_latest_value() {
        let external = |name: &str| {
            object(
                name,
                json!({"status": {
                    "refreshTime": "2026-11-25T16:00:00Z",
                    "conditions": [{"reason": "SecretSyncedError"}],
                }}),
            )
        };
        let two = [external(KEPT), external(DELETED)];
        let three = [external(KEPT), external(DELETED), external(NEW)];
        type Case<'a> = (&'a [DynamicObject], &'a [DynamicObject], u64, bool, &'a str);
        let table: [Case<'_>; 6] = [
            (&two, &[secret(KEPT, "1"), secret(DELETED, "1")], 1, true, ""),
            (
                &two,
                &[secret(KEPT, "1")],
                1,
                false,
                "deleted holds 0 of 1: SecretSyncedError",
            ),
            (
                &three,
                &[secret(KEPT, "1"), secret(DELETED, "1")],
                1,
                false,
                "new holds 0 of 1: SecretSyncedError",
            ),
            (
                &two,
                &[secret(KEPT, "1"), secret(DELETED, "2")],
                2,
                false,
                "kept holds 1 of 2: SecretSyncedError",
            ),
            (
                &two,
                &[secret(KEPT, "x"), secret(DELETED, "1")],
                1,
                false,
                "kept holds 0 of 1: SecretSyncedError",
            ),
            (
                &[],
                &[],
                1,
                false,
                "kept holds 0 of 1: there is no ExternalSecret; deleted holds 0 of 1: there is no ExternalSecret",
            ),
        ];
        for (wanted, secrets, latest, good, detail) in table {
            let seen = judge(wanted, secrets, latest);
            assert_eq!((seen.good, seen.detail.as_str()), (good, detail));
        }
        let seen = judge(&two, &[secret(KEPT, "1")], 1);
        assert_eq!(seen.values["kept.number"].to_bits(), 1.0_f64.to_bits());
        assert_eq!(seen.values["deleted.number"].to_bits(), 0.0_f64.to_bits());
        assert_eq!(
            seen.values["kept.refreshed"].to_bits(),
            1_795_622_400.0_f64.to_bits()
        );
    }
}
