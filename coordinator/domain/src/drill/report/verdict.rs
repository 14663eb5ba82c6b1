//! Verdicts and how several make one.

use serde::{Deserialize, Serialize};

/// What a check, a contract or a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was observed to hold.
    Pass,
    /// It was observed to be violated.
    Fail,
    /// It was looked at, and what was seen does not decide it.
    Inconclusive,
    /// It was not looked at; the coverage table says why.
    NotCovered,
}

impl Verdict {
    /// One verdict of many: a violation decides, then doubt, then a pass. What is not covered changes nothing unless
    /// there is nothing else.
    pub fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let rank = |verdict: &Self| match verdict {
            Self::Fail => 3,
            Self::Inconclusive => 2,
            Self::Pass => 1,
            Self::NotCovered => 0,
        };
        verdicts.into_iter().max_by_key(rank).unwrap_or(Self::NotCovered)
    }

    /// As in documents.
    pub const fn as_str(self) -> &'static str {
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
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Fail, Inconclusive, NotCovered, Pass};

    #[test]
    fn a_violation_decides_and_the_uncovered_never_makes_a_pass() {
        for (all, one) in [
            (vec![Pass, NotCovered], Pass),
            (vec![Pass, Inconclusive], Inconclusive),
            (vec![Inconclusive, Fail, Pass], Fail),
            (vec![NotCovered], NotCovered),
            (vec![], NotCovered),
        ] {
            assert_eq!(super::Verdict::of_all(all), one);
        }
    }
}
