//! Questions to a cluster's API, and to pods through it.

use super::Seen;
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use domain::drill::contracts::FULL;
use futures_util::future::join_all;
use serde_json::Value;

/// Namespace and label of Cilium's agents.
const CILIUM: (&str, &str) = ("kube-system", "k8s-app=cilium");

/// Every Cilium agent tunnels with VXLAN and is connected to the peers.
pub(super) async fn mesh(cluster: &Cluster, peers: &[String]) -> Seen {
    let (namespace, label) = CILIUM;
    let pods = match cluster.running_pods(namespace, label).await {
        Ok(pods) if pods.is_empty() => return Seen::bad("no Cilium agent runs"),
        Ok(pods) => pods,
        Err(error) => return Seen::bad(crate::exit::chain(&error)),
    };
    let command = ["cilium-dbg", "status", "--all-clusters"].map(str::to_owned);
    let asked = pods
        .iter()
        .map(|pod| cluster.exec(namespace, pod, "cilium-agent", &command));
    for (pod, answer) in pods.iter().zip(join_all(asked).await) {
        match answer {
            Ok(text) => {
                if let Some(wrong) = mesh_trouble(&text, peers) {
                    return Seen::bad(format!("{pod}: {wrong}")).with(FULL, 0.0);
                }
            }
            Err(error) => return Seen::bad(error.to_string()),
        }
    }
    Seen::good().with(FULL, 1.0)
}

/// What `cilium-dbg status --all-clusters` shows that should not be; None when all is well.
fn mesh_trouble(text: &str, peers: &[String]) -> Option<String> {
    let line = |start: &str| text.lines().map(str::trim).find(|line| line.starts_with(start));
    if !line("Routing:").is_some_and(|l| l.contains("Tunnel [vxlan]")) {
        return Some("it does not tunnel with VXLAN".into());
    }
    let away: Vec<&str> = peers
        .iter()
        .map(String::as_str)
        .filter(|p| line(&format!("{p}: ready")).is_none())
        .collect();
    (!away.is_empty()).then(|| format!("not connected to {}", away.join(", ")))
}

/// Kept lines of the metrics of every running pod of the selector; several series of one name are added up.
pub(super) async fn metrics(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    port: u16,
    keep: &[String],
) -> Seen {
    let pods = match cluster.running_pods(namespace, selector).await {
        Ok(pods) if pods.is_empty() => return Seen::bad(format!("no pod with {selector} runs")),
        Ok(pods) => pods,
        Err(error) => return Seen::bad(crate::exit::chain(&error)),
    };
    let mut seen = Seen::good();
    for pod in &pods {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics");
        match kube::text(cluster, &path).await {
            Ok(text) => {
                for (name, value) in kept(&text, keep) {
                    *seen.values.entry(name).or_insert(0.0) += value;
                }
            }
            Err(error) => return Seen::bad(format!("{pod}: {error}")),
        }
    }
    seen.detail = pods.join(" ");
    seen
}

/// Lines of the text format whose metric is wanted, labels dropped.
fn kept<'a>(text: &'a str, keep: &'a [String]) -> impl Iterator<Item = (String, f64)> + 'a {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let end = line.find(['{', ' '])?;
            let name = line.get(..end)?;
            let value = line.rsplit_once(['}', ' '])?.1.trim().parse::<f64>().ok()?;
            (keep.iter().any(|k| k == name) && value.is_finite()).then(|| (name.to_owned(), value))
        })
}

/// An instant query's vector, one value per series.
pub(super) async fn query(cluster: &Cluster, path: &str) -> Seen {
    let text = match kube::text(cluster, path).await {
        Ok(text) => text,
        Err(error) => return Seen::bad(error),
    };
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if answer["status"] != "success" {
        return Seen::bad("the query did not succeed");
    }
    let mut seen = Seen::good();
    for series in answer["data"]["result"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        if let Some(value) = series["value"][1].as_str().and_then(|v| v.parse::<f64>().ok()) {
            seen.values.insert(series_name(&series["metric"]), value);
        }
    }
    seen
}

/// `name{a="b"}` of a series' labels.
fn series_name(metric: &Value) -> String {
    let labels = metric.as_object().into_iter().flatten();
    let inner: Vec<String> = labels
        .filter(|(key, _)| *key != "__name__")
        .map(|(key, value)| format!("{key}=\"{}\"", value.as_str().unwrap_or_default()))
        .collect();
    let name = metric["__name__"].as_str().unwrap_or_default();
    if inner.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", inner.join(","))
    }
}

/// No pod of the cluster has these labels.
pub(super) async fn no_pods(cluster: &Cluster, selector: &str) -> Seen {
    match kube::all(cluster, "", "v1", "Pod", selector).await {
        Ok(pods) => {
            let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
            let seen = if pods.is_empty() {
                Seen::good()
            } else {
                Seen::bad(format!("{count} pods have {selector}"))
            };
            seen.with("pods", f64::from(count))
        }
        Err(error) => Seen::bad(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Routing:                 Network: Tunnel [vxlan]   Host: BPF
ClusterMesh:             1/2 remote clusters ready, 1 global-services
   app2: ready, 2 nodes, 5 endpoints, 4 identities
   mgmt: not-ready, 2 nodes, 0 endpoints
";

    #[test]
    fn the_mesh_is_judged_by_the_named_peers_only() {
        let peers = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(mesh_trouble(STATUS, &peers(&["app2"])), None);
        assert_eq!(
            mesh_trouble(STATUS, &peers(&["app2", "mgmt"])),
            Some("not connected to mgmt".into())
        );
        assert_eq!(
            mesh_trouble(STATUS, &peers(&["app3"])),
            Some("not connected to app3".into())
        );
        let native = STATUS.replace("Tunnel [vxlan]", "Native");
        assert!(mesh_trouble(&native, &[]).is_some());
    }

    #[test]
    fn only_wanted_metrics_are_kept() {
        let text = "# HELP a x\na{l=\"b c\"} 1\na 2.5\nab 7\nc NaN\n";
        let keep = ["a".to_owned(), "c".to_owned()];
        let got: Vec<_> = kept(text, &keep).collect();
        assert_eq!(got, vec![("a".to_owned(), 1.0), ("a".to_owned(), 2.5)]);
    }
}
