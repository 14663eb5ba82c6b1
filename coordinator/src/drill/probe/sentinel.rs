//! Sentinels: a numbered object is written at each request, so that a restore shows up to when it reaches by which are there.

use super::Seen;
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use ::kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use domain::drill::assemble::WRITTEN;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// On everything that is written here; what is left of a run that died goes with the next one's.
const LABEL: &str = "drillyard.dev/sentinel";

/// One of so many is a pod too: what a restored API does not know of runs on, until kubelet learns of it.
const POD_EVERY: u64 = 10;

/// Writes the sentinels of one run.
#[derive(Debug)]
pub struct SentinelWatch {
    cluster: Cluster,
    namespace: String,
    image: String,
    next: AtomicU64,
}

impl SentinelWatch {
    /// Numbers begin at the present second since 1970, so that they are no other run's.
    pub(super) fn new(cluster: Cluster, namespace: &str, image: &str) -> Self {
        let second = u64::try_from(crate::clock::now().0 / 1_000_000).unwrap_or(0);
        Self {
            cluster,
            namespace: namespace.to_owned(),
            image: image.to_owned(),
            next: AtomicU64::new(second),
        }
    }

    /// Writes the next one. Good when the API took it; then its number is a figure.
    pub(super) async fn write(&self) -> Seen {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(number)});
        if let Err(error) = self.create("ConfigMap", map).await {
            return Seen::bad(error);
        }
        if number.is_multiple_of(POD_EVERY)
            && let Err(error) = self.create("Pod", self.pod(number)).await
        {
            return Seen::bad(error);
        }
        Seen::good().with(WRITTEN, figure(number))
    }

    /// Which are there, each as a figure of its own, and takes them away.
    pub async fn collect(&self) -> Seen {
        let listed = kube::all(&self.cluster, "", "v1", "ConfigMap", LABEL).await;
        let seen = match listed {
            Ok(maps) => {
                let names = maps.into_iter().filter_map(|map| map.metadata.name);
                names
                    .filter_map(|name| name.strip_prefix("sentinel-")?.parse().ok())
                    .fold(Seen::good(), |seen, number: u64| {
                        seen.with(number.to_string(), 1.0)
                    })
            }
            Err(error) => Seen::bad(error),
        };
        for kind in ["ConfigMap", "Pod"] {
            let ours = ListParams::default().labels(LABEL);
            // What cannot be taken away now carries the label, and goes with the next run's.
            let _ = self
                .api(kind)
                .delete_collection(&DeleteParams::default(), &ours)
                .await;
        }
        seen
    }

    async fn create(&self, kind: &str, object: Value) -> Result<(), String> {
        let object: DynamicObject = serde_json::from_value(object).map_err(|e| e.to_string())?;
        let created = self.api(kind).create(&PostParams::default(), &object).await;
        created.map(|_| ()).map_err(|error| kube::short(&error))
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        kube::api(&self.cluster, kube::CORE, kind, Some(&self.namespace))
    }

    fn pod(&self, number: u64) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata(number),
            "spec": {
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "sentinel", "image": self.image, "imagePullPolicy": "Never", "args": ["pause"],
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
                }],
            },
        })
    }
}

fn metadata(number: u64) -> Value {
    json!({"name": format!("sentinel-{number}"), "labels": {LABEL: ""}})
}

/// Seconds since 1970 and some thousands: far below the 2^53 that a float holds exactly.
fn figure(number: u64) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_steps::fake_api;

    #[tokio::test]
    async fn each_request_writes_the_next_number_and_the_end_says_which_are_there() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, seen) = fake_api::serve(folder.path(), |line, body| {
            if line.starts_with("POST") {
                return (201, body.clone());
            }
            if line.starts_with("DELETE") {
                return (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                );
            }
            let map =
                |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            (
                200,
                json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {},
                "items": [map("sentinel-7"), map("another"), map("sentinel-9")]}),
            )
        })
        .await;
        let watch = SentinelWatch::new(cluster, "demo", "image:1");
        watch.next.store(9, Ordering::Relaxed);
        assert_eq!(watch.write().await, Seen::good().with(WRITTEN, 9.0));
        assert_eq!(watch.write().await, Seen::good().with(WRITTEN, 10.0));
        assert_eq!(watch.collect().await, Seen::good().with("7", 1.0).with("9", 1.0));
        let asked: Vec<String> = seen
            .lock()
            .expect("whole")
            .iter()
            .map(|(line, _)| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let of = |verb: &str, what: &str| format!("{verb} /api/v1/namespaces/demo/{what}");
        assert_eq!(
            asked,
            [
                of("POST", "configmaps"),
                of("POST", "configmaps"),
                of("POST", "pods"),
                "GET /api/v1/configmaps".into(),
                of("DELETE", "configmaps"),
                of("DELETE", "pods"),
            ]
        );
    }

    #[tokio::test]
    async fn a_refusal_is_no_sentinel() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, _) = fake_api::serve(folder.path(), |_, _| (403, json!({}))).await;
        let seen = SentinelWatch::new(cluster, "demo", "image:1").write().await;
        assert!(!seen.good && seen.values.is_empty(), "{seen:?}");
    }
}
