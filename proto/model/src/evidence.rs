//! What was seen around a step that waits: lines of logs, states of units, facts of the machine. Nothing here says what
//! they mean; the coordinator's domain does.

use crate::redact;
use serde::{Deserialize, Serialize};

/// Most pieces that one look gives.
pub const MOST: usize = 24;

/// Longest text of one piece, in characters.
const LONGEST: usize = 300;

/// Where it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// A port of the control plane or of kubelet that somebody else listens on.
    Port,
    /// An image that a static pod or the pod sandbox names and the node's store lacks.
    Image,
    /// Control group drivers of kubelet and containerd that differ.
    Cgroup,
    /// Swap that kubelet does not tolerate.
    Swap,
    /// A disk with next to no room.
    Disk,
    /// A certificate of the cluster that is not valid now.
    Certificate,
    /// A unit of systemd that does not run, or keeps ending.
    Unit,
    /// The journal of kubelet or containerd.
    Journal,
    /// The last lines of a container's log.
    Container,
    /// The API server's answer.
    ApiServer,
    /// The state of a pod, by its cluster's API.
    Pod,
    /// A warning event of the cluster's API.
    ClusterEvent,
    /// What a program of the step printed.
    Output,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Where it was seen.
    pub source: EvidenceSource,
    /// Of what: a unit, a container, a port, a folder.
    pub subject: String,
    /// One line, without secrets and control characters.
    pub text: String,
}

impl Evidence {
    /// A piece whose text is cleaned and cut.
    pub fn new(source: EvidenceSource, subject: impl Into<String>, text: &str) -> Self {
        let clean = redact::clean(text);
        let line: Vec<&str> = clean.split_whitespace().collect();
        Self {
            source,
            subject: subject.into().chars().take(100).collect(),
            text: line.join(" ").chars().take(LONGEST).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_one_short_line_without_secrets() {
        let text = format!("a\n b --token=abcdef.0123456789abcdef {}", "x ".repeat(400));
        let piece = Evidence::new(EvidenceSource::Journal, "kubelet", &text);
        assert!(
            piece.text.starts_with("a b --token=[redacted] x"),
            "{}",
            piece.text
        );
        assert!(!piece.text.contains('\n') && piece.text.chars().count() == LONGEST);
    }
}
