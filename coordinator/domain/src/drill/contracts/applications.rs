//! C1: what the applications answered while the management cluster was away and while it came back.

use super::{Case, evidence};
use crate::drill::assemble::Watch;
use crate::drill::measure::quantity::Quantity;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    case.watches
        .iter()
        .map(|watch| availability(case, watch))
        .collect()
}

/// Pass when the objective is kept even with all the time counted as bad that may have been: from one good answer to the next, and of
/// requests that never left the prober; fail when even with all of it counted as good it is not. Both of the outage and since the fault.
pub(super) fn availability(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let share = watch.share(case.window);
    let objective = case.plan.scenario.hypothesis.objectives.availability_percent;
    let kept = Quantity::from_float(objective / 100.0);
    let judged = watch.judged_share(case.window);
    let verdict = match judged.zip(kept) {
        Some((bounds, kept)) if bounds.low >= kept => Verdict::Pass,
        Some((bounds, kept)) if bounds.high < kept => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    let first_bad = watch
        .that_matter(case.window)
        .find(|s| !s.is_good() && s.sent.is_some());
    let detail = first_bad
        .map(|s| format!("; first bad at {}: {}", s.due, s.detail))
        .unwrap_or_default();
    let held = if share.unknown > 0 {
        format!(", {} did not leave the prober", share.unknown)
    } else {
        String::new()
    };
    let percent = judged.map_or_else(
        || "too few to tell a share".to_owned(),
        |bounds| format!("{} to {} %", bounds.low.times(100), bounds.high.times(100)),
    );
    let text = format!(
        "{} from {}: {} of {} answers good{held} ({percent} of the outage or since the fault, objective {objective} %){detail}",
        watch.probe.name,
        watch.probe.vantage(),
        share.good,
        share.due,
    );
    evidence("availability", verdict, text)
}
