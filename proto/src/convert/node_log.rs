//! Accounts of a node.

use crate::v1::NodeLogKind;
use model::Invalid;
use model::node_log::NodeLog;

/// Which account is meant.
pub fn node_log(wire: i32) -> Result<NodeLog, Invalid> {
    match NodeLogKind::try_from(wire) {
        Ok(NodeLogKind::Kubelet) => Ok(NodeLog::Kubelet),
        Ok(NodeLogKind::Containerd) => Ok(NodeLog::Containerd),
        Ok(NodeLogKind::Agent) => Ok(NodeLog::Agent),
        Ok(NodeLogKind::Steps) => Ok(NodeLog::Steps),
        Ok(NodeLogKind::Facts) => Ok(NodeLog::Facts),
        Ok(NodeLogKind::Unspecified) | Err(_) => {
            Err(Invalid::new("kind", wire.to_string(), "is no log of a node"))
        }
    }
}

/// An account as it travels.
pub fn node_log_to_wire(log: NodeLog) -> NodeLogKind {
    match log {
        NodeLog::Kubelet => NodeLogKind::Kubelet,
        NodeLog::Containerd => NodeLogKind::Containerd,
        NodeLog::Agent => NodeLogKind::Agent,
        NodeLog::Steps => NodeLogKind::Steps,
        NodeLog::Facts => NodeLogKind::Facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_survives_the_wire_and_nothing_else_is_one() {
        for log in NodeLog::ALL {
            assert_eq!(node_log(node_log_to_wire(log).into()), Ok(log));
        }
        assert!(node_log(0).is_err() && node_log(99).is_err());
    }
}
