//! C1: what the applications answered while the management cluster was away and while it came back.

use super::{Case, evidence};
use crate::drill::assemble::{FEWEST, Watch};
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    case.watches
        .iter()
        .map(|watch| availability(case, watch))
        .collect()
}

/// Pass when even with every request that never left the prober counted as bad the objective is kept; fail when even with
/// all of them counted as good it is not.
pub(super) fn availability(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let (mut due, mut good, mut unknown) = (0_u64, 0_u64, 0_u64);
    for sample in watch.that_matter(case.window) {
        due += 1;
        good += u64::from(sample.is_good());
        unknown += u64::from(sample.sent.is_none());
    }
    let percent = |part: u64| {
        // Counts of a run are far below the 2^52 that a float holds exactly.
        let float = |n: u64| n.to_string().parse::<f64>().unwrap_or(f64::NAN);
        100.0 * float(part) / float(due)
    };
    let objective = case.plan.scenario.hypothesis.objectives.availability_percent;
    let verdict = if due < FEWEST {
        Verdict::Inconclusive
    } else if percent(good) >= objective {
        Verdict::Pass
    } else if percent(good + unknown) < objective {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    let first_bad = watch
        .that_matter(case.window)
        .find(|s| !s.is_good() && s.sent.is_some());
    let detail = first_bad
        .map(|s| format!("; first bad at {}: {}", s.due, s.detail))
        .unwrap_or_default();
    let held = if unknown > 0 {
        format!(", {unknown} did not leave the prober")
    } else {
        String::new()
    };
    let text = format!(
        "{} from {}: {good} of {due} answers good{held} ({:.3} %, objective {objective} %){detail}",
        watch.probe.name,
        watch.probe.vantage(),
        if due == 0 { 0.0 } else { percent(good) },
    );
    evidence("availability", verdict, text)
}
