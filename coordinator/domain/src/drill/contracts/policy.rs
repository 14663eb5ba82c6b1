//! C4: no Kyverno on the management cluster, and its policies in force on the app clusters, whenever they could be asked.

use super::{Case, evidence};
use crate::drill::assemble::Watch;
use crate::drill::history::Sample;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::Look;

/// Figure of `no_pods`: how many pods have the labels.
pub const PODS: &str = "pods";

/// Figure of `pod_refused`: 1 where a policy refused the pod, 0 where it was admitted; absent where nobody said either.
pub const REFUSED: &str = "refused";

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let one = |watch: &&Watch<'_>| match watch.probe.look {
        Look::PodRefused { .. } => always(watch, ("refused", REFUSED), |refused| refused > 0.0),
        _ => always(watch, ("no_pods", PODS), |pods| pods == 0.0),
    };
    case.watches.iter().map(one).collect()
}

/// One look at which the figure is not as it should be convicts; looks without the figure say nothing.
fn always(watch: &Watch<'_>, (check, figure): (&str, &str), holds: impl Fn(f64) -> bool) -> Evidence {
    let name = &watch.probe.name;
    let told = |s: &&Sample| s.values.get(figure).copied();
    let known = watch.samples.iter().filter_map(told).count();
    let wrong = watch
        .samples
        .iter()
        .find(|s| told(s).is_some_and(|value| !holds(value)));
    match wrong {
        Some(sample) => evidence(
            check,
            Verdict::Fail,
            format!("{name} at {}: {}", sample.due, sample.detail),
        ),
        None if known == 0 => evidence(check, Verdict::Inconclusive, format!("{name}: never answered")),
        None => evidence(
            check,
            Verdict::Pass,
            format!("{name}: so at all of {known} looks"),
        ),
    }
}
