//! What a node can be asked to hand over for a support bundle: a closed list, so that no name of a unit or a file travels.

use crate::Invalid;
use serde::{Deserialize, Serialize};

/// One account of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeLog {
    /// The journal of kubelet.
    Kubelet,
    /// The journal of containerd.
    Containerd,
    /// The journals of both of our own processes.
    Agent,
    /// The journals of the units that ran steps, undid faults or looked at the node.
    Steps,
    /// Disks, control groups and states of units, as a JSON document.
    Facts,
}

impl NodeLog {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Kubelet,
        Self::Containerd,
        Self::Agent,
        Self::Steps,
        Self::Facts,
    ];

    /// Most bytes of one account: half an hour of a kubelet that complains without pause. An agent never hands over more.
    pub const MOST_BYTES: usize = 512 * 1024;

    /// Most bytes of one part of it, which fits into every message on its way, quoted too.
    pub const PART_BYTES: usize = 48 * 1024;

    /// Its name in lower snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
            Self::Agent => "agent",
            Self::Steps => "steps",
            Self::Facts => "facts",
        }
    }

    /// Reads a name back.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|log| log.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Invalid::new("log", text, format!("is none of {names}"))
            })
    }

    /// Patterns of the units whose journal it is; none for facts.
    pub fn units(self) -> &'static [&'static str] {
        match self {
            Self::Kubelet => &["kubelet.service"],
            Self::Containerd => &["containerd.service"],
            Self::Agent => &["drillyard-agent.service", "drillyard-exec.service"],
            // Everything else of ours is transient.
            Self::Steps => &[
                "drillyard-step-*",
                "drillyard-undo*",
                "drillyard-probe-*",
                "drillyard-gather-*",
                "drillyard-survey-*",
            ],
            Self::Facts => &[],
        }
    }
}

/// Cuts `text` into parts of at most [`NodeLog::PART_BYTES`]; at least one, and the last one is last.
pub fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let mut end = rest.len().min(NodeLog::PART_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, after) = rest.split_at(end);
        parts.push(part);
        if after.is_empty() {
            return parts;
        }
        rest = after;
    }
}

/// The last lines of `text` that fit into `most` bytes, and whether some were left out. A line that is longer than all of
/// that is cut too.
pub fn last_lines(text: &str, most: usize) -> (&str, bool) {
    let mut from = text.len().saturating_sub(most);
    if from == 0 {
        return (text, false);
    }
    // A line that begins exactly there is whole.
    if text.as_bytes().get(from - 1).is_none_or(|byte| *byte != b'\n') {
        let end = text.as_bytes().get(from..).unwrap_or_default();
        if let Some(at) = end
            .iter()
            .position(|byte| *byte == b'\n')
            .filter(|at| at + 1 < end.len())
        {
            from += at + 1;
        }
    }
    while !text.is_char_boundary(from) {
        from += 1;
    }
    (text.get(from..).unwrap_or_default(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for log in NodeLog::ALL {
            assert_eq!(NodeLog::parse(log.name()), Ok(log));
        }
        assert!(NodeLog::parse("sshd.service").is_err());
    }

    #[test]
    fn parts_are_small_whole_characters_and_make_the_text_again() {
        for text in [
            String::new(),
            "a".into(),
            "ä".repeat(NodeLog::PART_BYTES),
            "x".repeat(NodeLog::PART_BYTES),
        ] {
            let parts = parts(&text);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= NodeLog::PART_BYTES));
        }
        assert_eq!(parts(""), [""]);
    }

    #[test]
    fn the_last_lines_are_whole_where_they_can_be() {
        assert_eq!(last_lines("one\ntwo\nthree\n", 100), ("one\ntwo\nthree\n", false));
        assert_eq!(last_lines("one\ntwo\nthree\n", 10), ("two\nthree\n", true));
        assert_eq!(last_lines("one\ntwo\nthree\n", 9), ("three\n", true));
        assert_eq!(last_lines("one long line\n", 5), ("line\n", true));
        let (cut, _) = last_lines("ääää", 3);
        assert_eq!(cut, "ä");
        assert_eq!(last_lines("a\nb", 0), ("", true));
    }
}
