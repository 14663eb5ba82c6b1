//! The six contracts and what a drill can say of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A contract of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContractId {
    /// Applications on the app clusters serve while the management cluster is down.
    C1,
    /// Metric agents buffer and deliver after recovery; what is lost is counted.
    C2,
    /// Synced Secrets outlive Vault, and their staleness is known.
    C3,
    /// Kyverno runs on app clusters only.
    C4,
    /// Self-signed CA first, Vault issuer second.
    C5,
    /// VXLAN tunnels in every cluster, and a full mesh.
    C6,
}

impl ContractId {
    /// All of them, in order.
    pub const ALL: [ContractId; 6] = [Self::C1, Self::C2, Self::C3, Self::C4, Self::C5, Self::C6];

    /// What must stay true, in one line.
    pub fn promise(self) -> &'static str {
        match self {
            Self::C1 => "applications on the app clusters serve while the management cluster is down",
            Self::C2 => {
                "each app cluster's metrics agent buffers and delivers after recovery; what is lost is counted"
            }
            Self::C3 => "synced Secrets outlive Vault, and their staleness is known",
            Self::C4 => "Kyverno runs on the app clusters only",
            Self::C5 => "the PKI comes in two phases: self-signed CA first, Vault issuer second",
            Self::C6 => "Cilium tunnels with VXLAN in every cluster, and the cluster mesh is full",
        }
    }
}

impl std::fmt::Display for ContractId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What a drill says of one contract, and of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It held, and the evidence is sufficient.
    Pass,
    /// It was violated.
    Fail,
    /// It was looked at, and the evidence does not suffice.
    Inconclusive,
    /// What it speaks of is not there, or the scenario does not touch it.
    NotCovered,
}

impl Verdict {
    /// The drill's verdict from those of the contracts it is about: the worst one that says something.
    ///
    /// A violation outweighs a doubt, a doubt outweighs a success. Contracts that are not covered say nothing; when
    /// nothing at all is covered the drill proved nothing, which is a doubt.
    pub fn of_all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let mut result = None;
        for verdict in verdicts {
            result = match (result, verdict) {
                (_, Verdict::Fail) | (Some(Verdict::Fail), _) => Some(Verdict::Fail),
                (_, Verdict::Inconclusive) | (Some(Verdict::Inconclusive), _) => Some(Verdict::Inconclusive),
                (_, Verdict::Pass) => Some(Verdict::Pass),
                (before, Verdict::NotCovered) => before,
            };
        }
        result.unwrap_or(Verdict::Inconclusive)
    }

    /// The word that JSON uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NotCovered => "not_covered",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Fail, Inconclusive, NotCovered, Pass};

    #[test]
    fn the_worst_that_says_something_wins() {
        for (list, expected) in [
            (&[Pass, NotCovered][..], Pass),
            (&[Pass, Inconclusive, Pass], Inconclusive),
            (&[Inconclusive, Fail, Pass], Fail),
            (&[Fail, NotCovered, Inconclusive], Fail),
            (&[NotCovered, NotCovered], Inconclusive),
            (&[], Inconclusive),
        ] {
            assert_eq!(Verdict::of_all(list.iter().copied()), expected, "{list:?}");
        }
    }
}
