//! The status document: what the machine knows, with what can only be seen now: heartbeats and Kubernetes' own word.

use crate::agents::LastSeen;
use crate::host_steps::kube::{Cluster, is_ready};
use crate::places::Places;
use domain::status::Observed;
use model::ids::NodeName;
use model::lab::Lab;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

/// How long the API servers together may take to answer; whoever is slower is left out.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Looks at everything that is not in the log. Clusters are asked side by side.
pub async fn observe(lab: &Lab, places: &Places, seen: &LastSeen) -> Observed {
    let last_seen = {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(node, at)| (node.clone(), *at)).collect()
    };
    let asked = lab.clusters.iter().map(|cluster| {
        let (name, kubeconfig) = (cluster.name.clone(), places.kubeconfig(cluster.name.as_str()));
        async move {
            let looked = tokio::time::timeout(ANSWER_LIMIT, nodes_ready(name.as_str(), &kubeconfig)).await;
            looked.unwrap_or_default()
        }
    });
    let ready = futures_util::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect();
    Observed {
        last_seen,
        ready,
        judged: crate::drill::runs::judged(places),
        conditions: BTreeMap::new(),
        drill: None,
    }
}

/// Readiness of each node of a cluster; empty when it cannot be asked.
async fn nodes_ready(name: &str, kubeconfig: &std::path::Path) -> Vec<(NodeName, bool)> {
    let Ok(cluster) = Cluster::open(name, kubeconfig).await else {
        return Vec::new();
    };
    let Ok(nodes) = cluster.nodes().await else {
        return Vec::new();
    };
    nodes
        .into_iter()
        .filter_map(|node| {
            // A node that nobody has said anything of yet is not told.
            node.data["status"]["conditions"].as_array()?;
            let ready = is_ready(&node);
            Some((NodeName::new(node.metadata.name?).ok()?, ready))
        })
        .collect()
}
