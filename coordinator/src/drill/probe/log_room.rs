//! What a node keeps of a container's log, by its kubelet's own configuration, and how fast that is written.

use super::units;
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use domain::drill::foresight::LogRoom;
use serde_json::Value;

/// How far back the log is read, seconds: long enough for a line a second to tell its rate.
const BACK: u64 = 60;

/// What containerd writes of each line beyond what the API gives, which has time and text: ` stdout F`.
const PREFIX: u64 = 9;

/// Looks at the first running pod with the label.
pub(in crate::drill) async fn look(
    cluster: &Cluster,
    (namespace, selector): (&str, &str),
    container: &str,
) -> Result<LogRoom, String> {
    let pods = kube::all(cluster, "", "v1", "Pod", selector).await?;
    let here = pods.iter().find(|pod| {
        pod.metadata.namespace.as_deref() == Some(namespace) && pod.data["status"]["phase"] == "Running"
    });
    let pod = here.ok_or_else(|| format!("no pod with {selector} runs in {namespace}"))?;
    let node = pod.data["spec"]["nodeName"].as_str();
    let node = node.ok_or_else(|| format!("a pod with {selector} has no node"))?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let configuration = format!("/api/v1/nodes/{node}/proxy/configz");
    let log = format!(
        "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&sinceSeconds={BACK}&timestamps=true"
    );
    let (configuration, log) = tokio::join!(kube::text(cluster, &configuration), kube::text(cluster, &log));
    Ok(LogRoom {
        file_bytes: file_bytes(&configuration?)
            .ok_or_else(|| format!("{node} does not say how large its logs may be"))?,
        written: written(&log?),
        over_seconds: BACK,
    })
}

/// Bytes of a full log file, out of a kubelet's whole configuration.
fn file_bytes(configuration: &str) -> Option<u64> {
    let all: Value = serde_json::from_str(configuration).ok()?;
    units::kubernetes_bytes(all["kubeletconfig"]["containerLogMaxSize"].as_str()?)
}

/// Bytes in the file of a log with times.
fn written(log: &str) -> u64 {
    let of_line = |line: &str| {
        u64::try_from(line.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1 + PREFIX)
    };
    log.lines().map(of_line).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_steps::fake_api;
    use serde_json::json;

    #[test]
    fn a_line_is_as_long_as_containerd_writes_it() {
        let in_file = "2026-12-01T08:00:00.123456789Z stdout F 17 1764576000.123456\n";
        let of_api = in_file.replace(" stdout F", "");
        assert_eq!(
            written(&of_api.repeat(3)),
            3 * u64::try_from(in_file.len()).expect("short")
        );
        assert_eq!(written(""), 0);
    }

    #[test]
    fn a_kubelet_says_how_large_a_file_may_be() {
        let said = json!({"kubeletconfig": {"containerLogMaxSize": "10Mi", "containerLogMaxFiles": 5}});
        assert_eq!(file_bytes(&said.to_string()), Some(10 << 20));
        assert_eq!(file_bytes("{}"), None);
    }

    #[tokio::test]
    async fn a_pod_of_another_namespace_says_nothing() {
        let folder = tempfile::tempdir().expect("temp");
        let (cluster, _) = fake_api::serve(folder.path(), |_, _| {
            let pod = json!({
                "metadata": {"namespace": "other", "name": "a"},
                "spec": {"nodeName": "x"}, "status": {"phase": "Running"},
            });
            let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]});
            (200, list)
        })
        .await;
        let refused = look(&cluster, ("monitoring", "app=a"), "canary")
            .await
            .expect_err("none there");
        assert_eq!(refused, "no pod with app=a runs in monitoring");
    }
}
