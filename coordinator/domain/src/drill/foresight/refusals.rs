//! Abort rules that would not let an outage begin now, by the windows that were foretold.

use crate::drill::backlog::{Foretold, PlannedWindow, logs};
use crate::drill::measure::span::Span;
use crate::drill::measure::wal::limits::must_abort;
use crate::drill::plan::DrillPlan;
use crate::drill::scenario::AbortRule;

/// One line per rule, by what a run holds it against when its steady phase is over. `windows` are those of the plan's logs, in their
/// order; of one that is not known nothing is said.
pub(super) fn refusals(plan: &DrillPlan, windows: &[PlannedWindow]) -> Vec<String> {
    let seen = |name: &str| {
        let mut all = logs(plan).zip(windows);
        let (_, window) = all.find(|((probe, _), _)| probe.name == name)?;
        window.forecast.as_ref()
    };
    let rules = plan.scenario.abort.iter();
    rules
        .filter_map(|rule| refusal(rule, seen(rule.probe())?))
        .collect()
}

fn refusal(rule: &AbortRule, forecast: &Foretold) -> Option<String> {
    let AbortRule::BacklogDiesWithin {
        probe,
        undo_seconds,
        margin_seconds,
    } = rule
    else {
        return None;
    };
    let left = Span::from_micros(u64::try_from(forecast.first_harm().micros()).unwrap_or(0));
    let (undo, margin) = (Span::from_secs(*undo_seconds), Span::from_secs(*margin_seconds));
    must_abort(left, undo, margin).then(|| {
        format!(
            "{probe}: backlog_dies_within would refuse now: {left} left < {}",
            undo.plus(margin)
        )
    })
}
