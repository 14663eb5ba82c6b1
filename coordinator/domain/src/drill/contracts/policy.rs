//! C4: no Kyverno on the management cluster, whenever it could be asked.

use super::{Case, evidence};
use crate::drill::history::Sample;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;

/// Figure of the probe: how many pods have the labels.
const PODS: &str = "pods";

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let one = |watch: &&crate::drill::assemble::Watch<'_>| {
        let name = &watch.probe.name;
        let counts = |s: &&Sample| s.values.get(PODS).copied();
        let known = watch.samples.iter().filter_map(counts).count();
        let found = watch
            .samples
            .iter()
            .find(|s| counts(s).is_some_and(|pods| pods > 0.0));
        match found {
            Some(sample) => evidence(
                "no_pods",
                Verdict::Fail,
                format!("{name} at {}: {}", sample.due, sample.detail),
            ),
            None if known == 0 => evidence(
                "no_pods",
                Verdict::Inconclusive,
                format!("{name}: never answered"),
            ),
            None => evidence("no_pods", Verdict::Pass, format!("{name}: none in {known} looks")),
        }
    };
    case.watches.iter().map(one).collect()
}
