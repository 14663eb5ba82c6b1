//! The components of phases 4 to 6 on the real lab: metrics arrive, a secret is what Vault has, certificates lead to the
//! platform's authority, app clusters refuse privileges, a restarted Vault is unsealed.
//!
//! It needs the bundle's `drill` profile, which takes about 25 minutes on two cores beyond the core's, and five minutes
//! with it: `cargo test -p tests -- --ignored --nocapture platform`.

mod certificates;
mod vault;

use super::health;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::lab::TestLab;
use tests::patience::until;

/// The clusters whose applications use the platform.
pub(crate) const APPLICATIONS: [&str; 2] = ["app1", "app2"];

/// How long anything here may take once the run has ended.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
#[ignore = "builds the drill profile first; see the top of this file"]
fn the_platform_delivers_metrics_and_secrets() {
    if !tests::lab::fit() {
        return;
    }
    let lab = TestLab::new("platform").expect("a lab");
    let up = lab.run(&["up", "--yes", "--through", "6"]).expect("up runs");
    assert!(up.status.success(), "{:?}", up.status);
    health::check(&lab);
    metrics_arrive(&lab);
    the_canary_counts_without_a_gap(&lab);
    logs_arrive(&lab);
    secrets_are_what_vault_has(&lab);
    certificates::vault_signs_below_the_platforms_authority(&lab);
    app_clusters_refuse_privileges(&lab);
    a_restarted_vault_is_unsealed(&lab);
    keys_are_nowhere_but_in_their_file(&lab);
    let again = lab
        .run(&["up", "--yes", "--through", "6"])
        .expect("up runs again");
    assert!(again.status.success(), "{:?}", again.status);
}

/// What the receiver answers to a query.
pub(crate) fn query(lab: &TestLab, text: &str) -> Result<Vec<Value>, String> {
    let escaped: String = text
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let service = "/api/v1/namespaces/monitoring/services/prometheus-receiver:9090/proxy";
    let path = format!("{service}/api/v1/query?query={escaped}");
    let answer = lab.kubectl("mgmt", &["get", "--raw", &path])?;
    let answer: Value = serde_json::from_str(&answer).map_err(|e| e.to_string())?;
    answer["data"]["result"]
        .as_array()
        .cloned()
        .ok_or_else(|| answer.to_string())
}

fn metrics_arrive(lab: &TestLab) {
    for cluster in APPLICATIONS {
        until("metrics of an app cluster at mgmt", PATIENCE, || {
            let found = query(lab, &format!("up{{cluster=\"{cluster}\"}} == 1"))?;
            if found.len() == 2 {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .expect("agent and canary are up");
    }
}

/// In the receiver's memory: as many samples of the last half minute as the numbers advanced.
fn the_canary_counts_without_a_gap(lab: &TestLab) {
    for cluster in APPLICATIONS {
        let series = format!("drillyard_canary_sequence{{cluster=\"{cluster}\",shard=\"0\"}}[30s]");
        until("thirty seconds of canary", PATIENCE, || {
            let number = |text: String| -> Result<f64, String> {
                let found = query(lab, &text)?;
                let value = found.first().and_then(|f| f["value"][1].as_str()?.parse().ok());
                value.ok_or_else(|| format!("{found:?}"))
            };
            let samples = number(format!("count_over_time({series})"))?;
            let advanced = number(format!("max_over_time({series}) - min_over_time({series})"))?;
            // Between n samples there are n - 1 steps of one.
            if samples >= 25.0 && (samples - 1.0 - advanced).abs() < f64::EPSILON {
                Ok(())
            } else {
                Err(format!("{samples} samples, numbers advanced by {advanced}"))
            }
        })
        .expect("a canary without a gap");
    }
}

/// In the log store: as many of the canary's lines of half a minute as it wrote, by its own log's numbers.
fn logs_arrive(lab: &TestLab) {
    let service = "/api/v1/namespaces/monitoring/services/log-receiver:9428/proxy/select/logsql/query";
    for cluster in APPLICATIONS {
        until("thirty seconds of the canary's log", PATIENCE, || {
            let query = format!("%7Bcluster%3D%22{cluster}%22%7D%20_time%3A30s%20%7C%20fields%20_msg");
            let answer = lab.kubectl("mgmt", &["get", "--raw", &format!("{service}?query={query}")])?;
            let number = |line: &str| -> Option<u64> {
                let object: Value = serde_json::from_str(line).ok()?;
                object["_msg"].as_str()?.split(' ').next()?.parse().ok()
            };
            let numbers: BTreeSet<u64> = answer.lines().filter_map(number).collect();
            let (first, last) = numbers.first().zip(numbers.last()).ok_or("no lines")?;
            if numbers.len() >= 25 && last - first + 1 == u64::try_from(numbers.len()).unwrap_or(0) {
                Ok(())
            } else {
                Err(format!("{} lines from {first} to {last}", numbers.len()))
            }
        })
        .expect("a log without a gap");
    }
}

/// The whole Secret of every cluster, against what Vault answers to that cluster's own reader.
pub(crate) fn secrets_are_what_vault_has(lab: &TestLab) {
    for cluster in health::CLUSTERS {
        until("the demo secret", PATIENCE, || {
            let words = ["-n", "demo", "get", "secret", "demo", "-o", "jsonpath={.data}"];
            let text = lab.kubectl(cluster, &words)?;
            let encoded: BTreeMap<String, String> =
                serde_json::from_str(&text).map_err(|e| format!("{text}: {e}"))?;
            let decode = |(key, text): (String, String)| {
                let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
                let value = String::from_utf8(bytes).map_err(|e| e.to_string())?;
                Ok((key, Value::String(value)))
            };
            let synced: Result<serde_json::Map<_, _>, String> = encoded.into_iter().map(decode).collect();
            let synced = Value::Object(synced?);
            let source = vault::value(lab, cluster, "shared/demo")?;
            let same = source.as_object().is_some_and(|o| !o.is_empty()) && synced == source;
            same.then_some(())
                .ok_or_else(|| format!("{cluster} has {synced}, Vault has {source}"))
        })
        .expect("what Vault has");
    }
}

/// Kyverno's policy and nothing else refuses: the same pod without the privilege, and the pod where no Kyverno is, are taken.
fn app_clusters_refuse_privileges(lab: &TestLab) {
    let pod = |cluster: &str, privileged: bool| {
        let flag = format!("--privileged={privileged}");
        // A dry run goes through every webhook, and nothing is started.
        let words = [
            "-n",
            "demo",
            "run",
            "probe",
            "--image=probe",
            &flag,
            "--dry-run=server",
        ];
        lab.kubectl(cluster, &words)
    };
    let policy = "drillyard does not admit privileged containers";
    for cluster in APPLICATIONS {
        until("a refusal of a privileged pod", PATIENCE, || {
            match pod(cluster, true) {
                Err(words) if words.contains(policy) => Ok(()),
                Err(other) => Err(format!("{cluster} refuses for another reason: {other}")),
                Ok(_) => Err(format!("{cluster} admits it")),
            }
        })
        .expect("refused by the policy");
    }
    for (cluster, privileged) in [("app1", false), ("app2", false), ("mgmt", true)] {
        until("a pod that is admitted", PATIENCE, || {
            pod(cluster, privileged).map_err(|words| format!("{cluster}: {words}"))
        })
        .expect("admitted");
    }
}

fn a_restarted_vault_is_unsealed(lab: &TestLab) {
    let pod = || {
        lab.kubectl(
            "mgmt",
            &[
                "-n",
                "vault",
                "get",
                "pod",
                "vault-0",
                "-o",
                "jsonpath={.metadata.uid}",
            ],
        )
    };
    let before = pod().expect("a pod");
    lab.kubectl(
        "mgmt",
        &["-n", "vault", "delete", "pod", "vault-0", "--wait=true"],
    )
    .expect("deleted");
    until("another Vault that is unsealed", PATIENCE, || {
        let words = [
            "-n",
            "vault",
            "get",
            "statefulset",
            "vault",
            "-o",
            "jsonpath={.status.readyReplicas}",
        ];
        let (now, ready) = (pod()?, lab.kubectl("mgmt", &words)?);
        if now != before && ready == "1" {
            Ok(())
        } else {
            Err(format!("{now}: {ready:?} ready"))
        }
    })
    .expect("unsealed again");
}

/// The unseal key opens the file's lock only; neither log nor events nor any cluster has it.
fn keys_are_nowhere_but_in_their_file(lab: &TestLab) {
    let sealed = std::fs::read(lab.home().join("secrets/vault-mgmt.sealed")).expect("the keys");
    assert!(
        serde_json::from_slice::<Value>(&sealed).is_err(),
        "the keys are in plain text"
    );
    let events = lab.run(&["--json", "events"]).expect("events run").stdout;
    let events = String::from_utf8_lossy(&events);
    // Vault's tokens all begin so.
    assert!(!events.contains("hvs."), "a token of Vault is in the events");
    for cluster in health::CLUSTERS {
        let secrets = lab
            .kubectl(cluster, &["get", "secrets", "-A", "-o", "json"])
            .expect("secrets");
        assert!(!secrets.contains("aHZzL"), "{cluster} has a token of Vault");
    }
}
