//! A drill that is meant to show a violation: whether its run did. A check that has never convicted anybody proves nothing when it
//! acquits, so such a drill is good when it convicts, for whoever runs it; the verdict is that of the lab all the same.

use super::model::{ContractVerdict, Report};
use super::parts::Slo;
use super::verdict::Verdict;
use crate::drill::contract::ContractId;
use serde::{Deserialize, Serialize};

/// What was to be shown, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The contracts that were to be violated, and no other: `C2`.
    pub contracts: Vec<String>,
    /// Pass when exactly they were and nothing else failed, fail when one of them holds or something else failed.
    pub verdict: Verdict,
}

impl Expected {
    /// Judges a run that was to violate `wanted`; None when it was to violate nothing. `own` is what the run says of itself beside
    /// contracts and objectives.
    pub fn judge(
        wanted: &[ContractId],
        contracts: &[ContractVerdict],
        own: &[Verdict],
        slo: &Slo,
    ) -> Option<Self> {
        if wanted.is_empty() {
            return None;
        }
        let mut expected = Self {
            contracts: wanted.iter().map(ToString::to_string).collect(),
            verdict: Verdict::Inconclusive,
        };
        let of_contracts = contracts.iter().map(|c| expected.of_contract(&c.id, c.verdict));
        let deciding = slo.objectives.iter().filter(|o| o.decides());
        let of_objectives = deciding.map(|o| expected.of_objective(&o.id, o.verdict));
        let all: Vec<Verdict> = of_contracts
            .chain(of_objectives)
            .chain(own.iter().copied())
            .collect();
        expected.verdict = Verdict::of_all(all);
        Some(expected)
    }

    /// Whether this contract was to be violated.
    pub fn wants(&self, contract: &str) -> bool {
        self.contracts.iter().any(|id| id == contract)
    }

    /// What a contract's verdict is worth here: of one that was to be violated the other way round, and nothing less than a
    /// violation shows it.
    pub fn of_contract(&self, id: &str, verdict: Verdict) -> Verdict {
        match (self.wants(id), verdict) {
            (false, verdict) => verdict,
            (true, Verdict::Fail) => Verdict::Pass,
            (true, Verdict::Pass) => Verdict::Fail,
            (true, _) => Verdict::Inconclusive,
        }
    }

    /// The same of an objective. Requests that violate C1 break the objectives of availability too.
    pub fn of_objective(&self, id: &str, verdict: Verdict) -> Verdict {
        match id {
            "answers" | "slo" if self.wants(&ContractId::C1.to_string()) => Verdict::NotCovered,
            _ => verdict,
        }
    }

    /// One sentence.
    pub fn text(&self) -> String {
        let contracts = self.contracts.join(", ");
        match self.verdict {
            Verdict::Pass => {
                format!("Meant to show that {contracts} is violated, and nothing else: so it is.")
            }
            Verdict::Fail => {
                format!(
                    "Meant to show that {contracts} is violated, and nothing else: this run shows something else."
                )
            }
            Verdict::Inconclusive | Verdict::NotCovered => {
                format!(
                    "Meant to show that {contracts} is violated, and nothing else: this run leaves it open."
                )
            }
        }
    }
}

impl Report {
    /// What the run comes to for whoever runs it: exit code, JUnit, comparison. The verdict, but of a drill that is meant to show a
    /// violation whether it did.
    pub fn outcome(&self) -> Verdict {
        self.expected.as_ref().map_or(self.verdict, |e| e.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::slo::{Measured, Objectives, judge};
    use crate::drill::report::parts::Bounds;
    use Verdict::{Fail, Inconclusive, NotCovered, Pass};

    fn contract(id: ContractId, verdict: Verdict) -> ContractVerdict {
        ContractVerdict {
            id: id.to_string(),
            promise: String::new(),
            verdict,
            evidence: Vec::new(),
        }
    }

    fn slo(answers: u64) -> Slo {
        let all = crate::drill::measure::quantity::Quantity::ratio(answers, 100).expect("a share");
        let answers = Some(Bounds { low: all, high: all });
        judge(
            Objectives::default(),
            Measured {
                answers,
                ..Measured::default()
            },
        )
    }

    #[test]
    fn exactly_what_was_meant_is_good_and_anything_else_is_not() {
        use ContractId::{C1, C2};
        let table = [
            // wanted, C1, C2, own, share of good answers, outcome
            (C2, Pass, Fail, NotCovered, 100, Pass),
            (C2, Pass, Pass, NotCovered, 100, Fail),
            (C2, Fail, Fail, NotCovered, 100, Fail),
            (C2, Inconclusive, Fail, NotCovered, 100, Inconclusive),
            (C2, Pass, Inconclusive, NotCovered, 100, Inconclusive),
            (C2, Pass, NotCovered, NotCovered, 100, Inconclusive),
            (C2, NotCovered, Fail, NotCovered, 100, Pass),
            (C2, Pass, Fail, Inconclusive, 100, Inconclusive),
            (C2, Pass, Fail, Fail, 100, Fail),
            (C2, Pass, Fail, NotCovered, 50, Fail),
            // The application that does not serve is the violation.
            (C1, Fail, NotCovered, NotCovered, 50, Pass),
            (C1, Pass, NotCovered, NotCovered, 100, Fail),
        ];
        for (wanted, c1, c2, own, answers, outcome) in table {
            let contracts = [contract(C1, c1), contract(C2, c2)];
            let expected = Expected::judge(&[wanted], &contracts, &[own], &slo(answers)).expect("a control");
            assert_eq!(expected.verdict, outcome, "{wanted} {c1} {c2} {own} {answers}");
        }
        assert_eq!(Expected::judge(&[], &[contract(C1, Fail)], &[], &slo(100)), None);
    }
}
