//! What a comparison calls worse.

use super::compare::{Comparison, compare, render};
use super::expected::Expected;
use super::model::Report;
use super::parts::{Direction, Outcome};
use super::sample::report;
use super::verdict::Verdict;
use crate::drill::measure::quantity::Quantity;

fn against(change: impl FnOnce(&mut Report)) -> Comparison {
    let old = report();
    let mut new = old.clone();
    change(&mut new);
    compare(&old, &new)
}

fn turned(comparison: &Comparison, subject: &str) -> Option<Direction> {
    let found = comparison.verdicts.iter().find(|turn| turn.subject == subject);
    found.map(|turn| turn.change)
}

fn slower(new: &mut Report) {
    let figure = &mut new.measurements[0];
    (figure.low, figure.high) = (Quantity::whole(110), Quantity::whole(111));
}

#[test]
fn a_run_is_worse_only_than_one_made_alike() {
    assert_eq!(against(slower).verdict(), Verdict::Fail);
    let same = against(|_| ());
    assert_eq!(
        (same.verdict(), same.verdicts.len(), same.changes.len()),
        (Verdict::Pass, 0, 1)
    );
    let apart = against(|new| {
        slower(new);
        new.identity.versions[0].version = "3.14.0".into();
    });
    assert_eq!(apart.verdict(), Verdict::Inconclusive);
    assert_eq!(apart.differences, ["prometheus: 2.42.0 then, 3.14.0 now"]);
    let text = render(&apart, &report());
    assert!(
        text.contains("WORSE") && text.contains("**Not decided**"),
        "{text}"
    );
    // Also what is not there any more was not made alike.
    let apart = against(|new| new.identity.versions.clear());
    assert_eq!(apart.differences, ["prometheus: 2.42.0 then, absent now"]);
}

#[test]
fn a_recovery_some_seconds_slower_is_not_worse_and_any_other_figure_has_no_such_tolerance() {
    let later = |new: &mut Report| {
        let figure = &mut new.measurements[0];
        (figure.low, figure.high) = (Quantity::whole(100), Quantity::whole(101));
    };
    let healthy = against(later);
    assert_eq!(
        (healthy.verdict(), healthy.changes[0].change),
        (Verdict::Pass, Direction::Same)
    );
    let mut old = report();
    old.measurements[0].id = "longest_outage.app1_web_host".into();
    let mut new = old.clone();
    later(&mut new);
    assert_eq!(compare(&old, &new).verdict(), Verdict::Fail);
}

#[test]
fn what_never_came_back_is_worse_though_it_has_no_figure() {
    let gone = against(|new| {
        new.measurements.clear();
        new.recovery[0].outcome = Outcome::NotRecovered;
        new.recovery[0].service_good = None;
    });
    assert_eq!(gone.verdict(), Verdict::Fail);
    assert_eq!(
        (gone.changes[0].new, gone.changes[0].change),
        (None, Direction::Worse)
    );
    assert_eq!(turned(&gone, "mgmt came back"), Some(Direction::Worse));
    assert!(render(&gone, &report()).contains("| not measured | WORSE |"));
    // What was never seen down has nothing to measure.
    let never = against(|new| {
        new.measurements.clear();
        new.recovery[0].outcome = Outcome::NeverSeenDown;
        new.recovery[0].service_good = None;
    });
    assert_eq!(
        (never.verdict(), never.changes[0].change),
        (Verdict::Pass, Direction::Neutral)
    );
    // Nor has what was back before the undo, from where this figure counts.
    let mut old = report();
    old.measurements.push(old.measurements[0].clone());
    old.measurements[1].id = "recovery.mgmt.service_good".into();
    assert_eq!(compare(&old, &report()).verdict(), Verdict::Pass);
    // But any other figure is missed.
    old.measurements[1].id = "metrics.app1.lost".into();
    assert_eq!(compare(&old, &report()).verdict(), Verdict::Fail);
}

#[test]
fn a_worse_verdict_is_worse_and_in_a_control_it_is_the_lost_violation() {
    let fails = |new: &mut Report| new.contracts[0].verdict = Verdict::Fail;
    let worse = against(fails);
    assert_eq!(
        (worse.verdict(), turned(&worse, "contract C1")),
        (Verdict::Fail, Some(Direction::Worse))
    );
    let doubt = against(|new| new.contracts[0].verdict = Verdict::Inconclusive);
    assert_eq!(doubt.verdict(), Verdict::Fail);
    let better = against(|new| new.contracts[1].verdict = Verdict::Pass);
    assert_eq!(
        (better.verdict(), turned(&better, "contract C2")),
        (Verdict::Pass, Some(Direction::Better))
    );
    let silent = against(|new| new.contracts[2].verdict = Verdict::NotCovered);
    assert_eq!(turned(&silent, "contract C3"), Some(Direction::Same));
    let late = against(|new| {
        let slo = new.slo.as_mut().expect("judged");
        slo.objectives[1].verdict = Verdict::Fail;
    });
    assert_eq!(
        (late.verdict(), turned(&late, "objective rto")),
        (Verdict::Fail, Some(Direction::Worse))
    );

    let meant = |verdict| {
        Some(Expected {
            contracts: vec!["C2".into()],
            verdict,
        })
    };
    let mut old = report();
    old.expected = meant(Verdict::Pass);
    let mut new = old.clone();
    (new.contracts[1].verdict, new.verdict) = (Verdict::Pass, Verdict::Pass);
    new.expected = meant(Verdict::Fail);
    let lost = compare(&old, &new);
    assert_eq!(
        (turned(&lost, "contract C2"), turned(&lost, "run")),
        (Some(Direction::Worse), Some(Direction::Worse))
    );
}
