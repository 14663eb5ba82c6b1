//! Sentinels: a numbered object is written at each request, so that a restore shows up to when it reaches by which are there.
//!
//! They live in a namespace of the run's own, made with the first of them: long before a snapshot, so that it comes back
//! with what is in it. What is left of a run that died is named by its label, and `drill doctor` takes it away.

use super::Seen;
use crate::drill::own_namespace::{self, LABEL};
use crate::drill::{kube, kube::CORE};
use crate::host_steps::kube::Cluster;
use ::kube::api::{DynamicObject, PostParams};
use domain::drill::assemble::WRITTEN;
use model::ids::RunId;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One of so many is a pod too: what a restored API does not know of runs on, until kubelet learns of it.
const POD_EVERY: u64 = 10;

/// How soon a new namespace is looked at again; the probe's timeout ends it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Writes the sentinels of one run.
#[derive(Debug)]
pub struct SentinelWatch {
    cluster: Cluster,
    run: String,
    namespace: String,
    image: String,
    next: AtomicU64,
}

impl SentinelWatch {
    /// Numbers begin at the present second since 1970, so that they are no other run's.
    pub(super) fn new(cluster: Cluster, run: RunId, image: &str) -> Self {
        let second = u64::try_from(crate::clock::now().0 / 1_000_000).unwrap_or(0);
        Self {
            cluster,
            run: run.to_string(),
            namespace: format!("drillyard-sentinel-{run}"),
            image: image.to_owned(),
            next: AtomicU64::new(second),
        }
    }

    /// Writes the next one. Good when the API took it; then its number is a figure.
    pub(super) async fn write(&self) -> Seen {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match self.both(number).await {
            Ok(()) => Seen::good().with(WRITTEN, figure(number)),
            Err(error) => Seen::bad(error),
        }
    }

    async fn both(&self, number: u64) -> Result<(), String> {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata(number)});
        let made = match self.create("ConfigMap", map.clone()).await {
            Err(::kube::Error::Api(status)) if status.code == 404 => {
                self.settle().await?;
                self.create("ConfigMap", map).await
            }
            made => made,
        };
        made.map_err(|error| kube::short(&error))?;
        if number.is_multiple_of(POD_EVERY) {
            let made = self.create("Pod", self.pod(number)).await;
            made.map_err(|error| kube::short(&error))?;
        }
        Ok(())
    }

    /// Makes the namespace and waits until pods are admitted to it, which is when it has its service account.
    async fn settle(&self) -> Result<(), String> {
        own_namespace::ensure(&self.cluster, &self.namespace, &self.run).await?;
        let account = || kube::one(&self.cluster, "ServiceAccount", &self.namespace, "default");
        while account().await?.is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Which are there, each as a figure of its own.
    pub async fn collect(&self) -> Seen {
        match kube::within(&self.cluster, CORE, "ConfigMap", &self.namespace).await {
            Ok(maps) => {
                let names = maps.into_iter().filter_map(|map| map.metadata.name);
                names
                    .filter_map(|name| name.strip_prefix("sentinel-")?.parse().ok())
                    .fold(Seen::good(), |seen, number: u64| {
                        seen.with(number.to_string(), 1.0)
                    })
            }
            Err(error) => Seen::bad(error),
        }
    }

    /// Takes them away with their namespace.
    pub async fn clear(&self) -> Result<(), String> {
        own_namespace::clear(&self.cluster, &self.namespace).await
    }

    async fn create(&self, kind: &str, object: Value) -> Result<(), ::kube::Error> {
        let object: DynamicObject = serde_json::from_value(object).map_err(::kube::Error::SerdeError)?;
        let api = kube::api(&self.cluster, CORE, kind, Some(&self.namespace));
        api.create(&PostParams::default(), &object).await.map(drop)
    }

    fn metadata(&self, number: u64) -> Value {
        json!({"name": format!("sentinel-{number}"), "labels": {LABEL: self.run}})
    }

    fn pod(&self, number: u64) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": self.metadata(number),
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

/// Seconds since 1970 and some thousands: far below the 2^53 that a float holds exactly.
fn figure(number: u64) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_steps::fake_api;
    use std::sync::Mutex;

    fn run() -> RunId {
        RunId::parse(&"ab".repeat(16)).expect("valid")
    }

    /// Verb and path of every request.
    fn asked(seen: &fake_api::Seen) -> Vec<String> {
        let seen = seen.lock().expect("whole");
        let line = |(line, _): &(String, Value)| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        seen.iter().map(line).collect()
    }

    #[tokio::test]
    async fn the_first_makes_the_runs_own_namespace_and_each_request_writes_the_next_number() {
        let folder = tempfile::tempdir().expect("temp");
        let (there, accounts) = (Mutex::new(false), Mutex::new(0));
        let (cluster, seen) = fake_api::serve(folder.path(), move |line, body| {
            let mut there = there.lock().expect("whole");
            match line.split(' ').next().unwrap_or_default() {
                "PATCH" => {
                    *there = true;
                    (200, body.clone())
                }
                "POST" if *there => (201, body.clone()),
                "GET" => {
                    // Its controller makes the account a moment later.
                    let mut accounts = accounts.lock().expect("whole");
                    *accounts += 1;
                    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
                    if *accounts > 1 { (200, account) } else { missing() }
                }
                _ => missing(),
            }
        })
        .await;
        let watch = SentinelWatch::new(cluster, run(), "image:1");
        watch.next.store(9, Ordering::Relaxed);
        assert_eq!(watch.write().await, Seen::good().with(WRITTEN, 9.0));
        assert_eq!(watch.write().await, Seen::good().with(WRITTEN, 10.0));
        let namespace = format!("/api/v1/namespaces/drillyard-sentinel-{}", run());
        let of = |verb: &str, what: &str| format!("{verb} {namespace}{what}");
        assert_eq!(
            asked(&seen),
            [
                of("POST", "/configmaps"),
                of("PATCH", ""),
                of("GET", "/serviceaccounts/default"),
                of("GET", "/serviceaccounts/default"),
                of("POST", "/configmaps"),
                of("POST", "/configmaps"),
                of("POST", "/pods"),
            ]
        );
        let seen = seen.lock().expect("whole");
        for (line, body) in seen.iter().filter(|(line, _)| !line.starts_with("GET")) {
            assert_eq!(body["metadata"]["labels"][LABEL], run().to_string(), "{line}");
        }
    }

    #[tokio::test]
    async fn the_end_says_which_are_there_and_takes_the_namespace_away() {
        let folder = tempfile::tempdir().expect("temp");
        let there = Mutex::new(true);
        let (cluster, seen) = fake_api::serve(folder.path(), move |line, _| {
            let mut there = there.lock().expect("whole");
            if line.starts_with("DELETE") {
                *there = false;
                return (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                );
            }
            if line.contains("/configmaps") {
                let map =
                    |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
                let items = [map("sentinel-7"), map("kube-root-ca.crt"), map("sentinel-9")];
                let list =
                    json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": items});
                return (200, list);
            }
            let labels = json!({LABEL: run().to_string()});
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels}});
            if *there { (200, namespace) } else { missing() }
        })
        .await;
        let watch = SentinelWatch::new(cluster, run(), "image:1");
        assert_eq!(watch.collect().await, Seen::good().with("7", 1.0).with("9", 1.0));
        assert_eq!(watch.clear().await, Ok(()));
        let namespace = format!("/api/v1/namespaces/drillyard-sentinel-{}", run());
        let of = |verb: &str, what: &str| format!("{verb} {namespace}{what}");
        assert_eq!(
            asked(&seen),
            [
                of("GET", "/configmaps"),
                of("GET", ""),
                of("DELETE", ""),
                of("GET", "")
            ]
        );
    }

    #[tokio::test]
    async fn a_refusal_is_no_sentinel() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, _) = fake_api::serve(folder.path(), |_, _| (403, json!({}))).await;
        let seen = SentinelWatch::new(cluster, run(), "image:1").write().await;
        assert!(!seen.good && seen.values.is_empty(), "{seen:?}");
    }

    fn missing() -> (u16, Value) {
        let why = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
        (404, why)
    }
}
