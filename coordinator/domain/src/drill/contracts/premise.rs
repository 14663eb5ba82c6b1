//! Whether what a contract presupposes was really so in the run: a cluster that answers was not lost, whatever the plan said.

use super::{Case, evidence};
use crate::drill::assemble::Watch;
use crate::drill::contract::{ContractId, MANAGEMENT, Premise};
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::{Expectation, Look};

pub(super) fn check(contract: ContractId, case: &Case<'_>) -> Vec<Evidence> {
    if contract.premise() != Premise::ManagementLost {
        return Vec::new();
    }
    let of_management = |watch: &&Watch<'_>| {
        watch.probe.cluster.as_str() == MANAGEMENT
            && watch.probe.expect == Expectation::ComesBack
            && matches!(watch.probe.look, Look::ApiReady {} | Look::Http { .. })
    };
    let found: Vec<Evidence> = case
        .all
        .iter()
        .filter(of_management)
        .map(|watch| away(case, watch))
        .collect();
    if found.is_empty() {
        let text =
            format!("no probe watched whether {MANAGEMENT} was away; the fault's own record is all there is");
        return vec![evidence("premise", Verdict::NotCovered, text)];
    }
    found
}

/// A request that began and ended within the outage and was answered well contradicts the premise.
fn away(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let within = watch
        .samples
        .iter()
        .filter(|s| s.sent.is_some() && case.window.in_outage(s.due) && case.window.in_outage(s.done));
    let (mut asked, mut answered) = (0_u64, 0_u64);
    for sample in within {
        asked += 1;
        answered += u64::from(sample.is_good());
    }
    let name = &watch.probe.name;
    let text = format!("{name}: {MANAGEMENT} answered {answered} of {asked} requests in the outage");
    let verdict = match (asked, answered) {
        (0, _) => Verdict::Inconclusive,
        (_, 0) => Verdict::Pass,
        _ => Verdict::Inconclusive,
    };
    evidence("premise", verdict, text)
}
