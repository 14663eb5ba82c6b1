//! The status document: what the machine knows, with what can only be seen now: heartbeats and Kubernetes' own word.

use crate::agents::LastSeen;
use crate::api_servers::{ApiServers, Readiness};
use crate::host_steps::kube::{Cluster, KubeError, is_ready};
use crate::places::Places;
use domain::status::Observed;
use model::ids::NodeName;
use std::path::Path;
use std::sync::PoisonError;

/// Looks at everything that is not in the log.
pub async fn observe(places: &Places, seen: &LastSeen, servers: &ApiServers) -> Observed {
    let last_seen = {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(node, at)| (node.clone(), *at)).collect()
    };
    let looked = servers.look(|name| {
        let kubeconfig = places.kubeconfig(name.as_str());
        // Without one there is no cluster to ask yet.
        kubeconfig.exists().then(|| {
            let name = name.clone();
            async move {
                let answer = nodes_ready(name.as_str(), &kubeconfig).await;
                answer.map_err(|error| crate::exit::chain(&error))
            }
        })
    });
    let mut observed = Observed {
        last_seen,
        judged: crate::drill::runs::judged(places),
        ..Observed::default()
    };
    for (name, told) in looked.await {
        observed.ready.extend(told.ready);
        observed.conditions.insert(name, vec![told.condition]);
    }
    observed
}

/// Readiness of each node of a cluster.
async fn nodes_ready(name: &str, kubeconfig: &Path) -> Result<Readiness, KubeError> {
    let nodes = Cluster::open(name, kubeconfig).await?.nodes().await?;
    let told = nodes.into_iter().filter_map(|node| {
        // A node that nobody has said anything of yet is not told.
        node.data["status"]["conditions"].as_array()?;
        let ready = is_ready(&node);
        Some((NodeName::new(node.metadata.name?).ok()?, ready))
    });
    Ok(told.collect())
}
