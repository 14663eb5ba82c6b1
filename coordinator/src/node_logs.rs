//! Logs of all nodes for one operator, over the sessions that the agents hold anyway. Bounded in bytes, by the whole and by
//! node, and in time: a node that does not answer costs a reason, never the rest.

use crate::session_grpc::{AgentHub, LogError, LogText};
use futures_util::{StreamExt, stream};
use model::ids::NodeName;
use model::node_log::NodeLog;
use model::redact;
use proto::{convert, v1};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

/// Most bytes of all logs of all nodes. Six nodes can hand over half of that.
const ALL_BYTES: usize = 32 * 1024 * 1024;

/// Nodes that are asked at once.
const AT_ONCE: usize = 16;

/// Limits of one collection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For all logs of one node; an agent gives up after 15 s and says why.
    pub node: Duration,
    /// For everything.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            node: Duration::from_secs(20),
            whole: Duration::from_secs(60),
        }
    }
}

/// Asks all `nodes` for all their logs and tells each answer or its absence, until everything was told or nobody listens.
pub async fn collect(
    hub: AgentHub,
    nodes: Vec<NodeName>,
    limits: Limits,
    out: mpsc::Sender<Result<v1::NodeLog, Status>>,
) {
    let most = share(nodes.len());
    let end = Instant::now() + limits.whole;
    let (hub, out) = (&hub, &out);
    stream::iter(nodes)
        .for_each_concurrent(AT_ONCE, |node| async move {
            let deadline = end.min(Instant::now() + limits.node);
            for log in NodeLog::ALL {
                let read = if Instant::now() < deadline {
                    hub.read_log(&node, log, most, deadline).await
                } else {
                    Err(LogError::Late)
                };
                if out.send(Ok(told(&node, log, read))).await.is_err() {
                    return;
                }
            }
        })
        .await;
}

/// What each log of each node may have of the whole.
fn share(nodes: usize) -> usize {
    let logs = nodes.saturating_mul(NodeLog::ALL.len()).max(1);
    (ALL_BYTES / logs).min(NodeLog::MOST_BYTES)
}

/// Agents clean what they send; a node that was taken over might not.
fn told(node: &NodeName, log: NodeLog, read: Result<LogText, LogError>) -> v1::NodeLog {
    let (text, cut, trouble) = match read {
        Ok(read) => (redact::clean_cut(&read.text), read.cut, String::new()),
        Err(error) => (String::new(), false, error.to_string()),
    };
    v1::NodeLog {
        node: node.to_string(),
        kind: convert::node_log_to_wire(log).into(),
        text,
        cut,
        trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_lab_shares_what_a_small_one_has_for_itself() {
        assert_eq!(share(6), NodeLog::MOST_BYTES);
        for nodes in [0, 1, 6, 26, 250, 5000] {
            assert!(share(nodes) * nodes * NodeLog::ALL.len() <= ALL_BYTES, "{nodes}");
            assert!(share(nodes) > 1000, "{nodes}");
        }
    }
}
