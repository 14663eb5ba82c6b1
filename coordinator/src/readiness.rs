//! How ready a node is, in one word, by the status document that people are shown.

use domain::status::API_SERVER_ANSWERS;
use serde_json::Value;

/// `ready`, `not ready`, or `unknown` where Kubernetes itself does not say.
pub(crate) fn word(cluster: &Value, node: &Value) -> &'static str {
    if node["ready"] == true {
        return "ready";
    }
    match silence(cluster) {
        Some(_) => "unknown",
        None => "not ready",
    }
}

/// The condition that says why nothing is known of the cluster's nodes.
pub(crate) fn silence(cluster: &Value) -> Option<&Value> {
    let mut conditions = cluster["conditions"].as_array()?.iter();
    conditions.find(|c| c["type"] == API_SERVER_ANSWERS && c["status"] != "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_of_a_silent_cluster_is_neither_ready_nor_unready() {
        let cluster = |status: &str| json!({"conditions": [{"type": API_SERVER_ANSWERS, "status": status}]});
        let (yes, no) = (json!({"ready": true}), json!({"ready": false}));
        for (cluster, node, expected) in [
            (&cluster("true"), &yes, "ready"),
            (&cluster("true"), &no, "not ready"),
            (&cluster("unknown"), &no, "unknown"),
            // It was ready a moment ago, and the API server is only slow.
            (&cluster("unknown"), &yes, "ready"),
            (&json!({}), &no, "not ready"),
        ] {
            assert_eq!(word(cluster, node), expected, "{cluster} {node}");
        }
    }
}
