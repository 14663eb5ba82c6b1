//! Table of courses: what is the outage, what a relapse, and what nobody could see the end of.

use super::super::interval::stretches;
use super::*;
use crate::drill::measure::quantity::Quantity;

/// One request each 10 us, answered after 3.
fn shape(text: &str) -> Vec<Seen> {
    let one = |(i, c): (i64, char)| Seen {
        sent: Moment(i * 10),
        done: Moment(i * 10 + 3),
        good: c == '+',
    };
    (0..).zip(text.chars()).map(one).collect()
}

fn edge(after: i64, by: i64) -> Edge {
    Edge {
        after: Moment(after),
        by: Moment(by),
    }
}

/// Of a fault that took hold at `fault`, and is not undone.
fn in_force(text: &str, fault: i64) -> Recovered {
    let all = stretches(&shape(text), 2, None);
    Course::of(&all, edge(fault, fault + 1), None).came_back
}

#[test]
fn recovery_is_of_outages_that_the_fault_may_have_caused() {
    assert_eq!(in_force("+-+++-+++", 60), Recovered::NeverDown);
    let last = in_force("+-+++-+++", 25);
    assert_eq!(
        last.since(edge(25, 26)),
        Some(Bounds {
            low: Quantity::from_micros(24),
            high: Quantity::from_micros(38)
        })
    );
    assert_eq!(last.both(Recovered::NeverDown), last);
    let not_yet = Recovered::NotYet(Moment(20));
    assert_eq!(last.both(not_yet), Recovered::NotYet(Moment(50)));
    assert_eq!(last.both(not_yet).since(edge(25, 26)), None);
    assert_eq!(not_yet.both(Recovered::NeverDown), not_yet);
    // Against an objective it took as long as it was seen bad, and more.
    let longer = Bounds::at_least(Quantity::from_micros(24));
    assert_eq!(last.both(not_yet).took(edge(25, 26)), Some(longer));
    assert_eq!(last.took(edge(25, 26)), last.since(edge(25, 26)));
    assert_eq!(Recovered::NeverDown.took(edge(25, 26)), None);
}

#[test]
fn a_request_that_was_under_way_when_the_fault_took_hold_is_of_its_outage() {
    // Sent at 10, and known to have failed at 13.
    let back = Recovered::At(edge(30, 43));
    for fault in [5, 12, 13] {
        assert_eq!(in_force("+---++", fault), back, "{fault}");
    }
    assert_eq!(in_force("+---++", 14), Recovered::NeverDown);
}

#[test]
fn what_is_bad_after_it_held_is_a_relapse_and_moves_nothing() {
    let back = Recovered::At(edge(20, 33));
    let not_yet = |bad| Recovered::NotYet(Moment(bad));
    // Shape, good answers in a row that are asked for, when the fault was undone, what became of it, begins of relapses. The fault
    // takes hold at 5.
    let table = [
        ("+--+++++", 2, 15, back, vec![]),
        // Those that ended, and those that could not be seen to end.
        ("+--+++-+++", 2, 15, back, vec![60]),
        ("+--+++-++-++", 2, 15, back, vec![60, 90]),
        ("+--+++-", 2, 15, back, vec![60]),
        ("+--++++-++", 3, 15, back, vec![70]),
        ("+--+-", 1, 15, back, vec![40]),
        // Long enough to be seen, and not over.
        ("+--+++---", 2, 15, not_yet(80), vec![60]),
        ("+--++++-+-+", 3, 15, not_yet(90), vec![70]),
        ("+--+--", 1, 15, not_yet(50), vec![40]),
        // While the fault is in force it is one outage, however often it was good in between.
        ("+--+++-+++", 2, 65, Recovered::At(edge(60, 73)), vec![]),
        ("+--+++-+++", 2, 55, Recovered::At(edge(60, 73)), vec![]),
        ("+--++++++", 2, 55, back, vec![]),
        // It never held.
        ("+--+-", 2, 15, not_yet(40), vec![]),
        // Bad for the first time long after the undo, to the end of it or not.
        ("++++-++", 2, 5, Recovered::At(edge(40, 53)), vec![]),
        ("++++-", 2, 5, Recovered::NeverDown, vec![40]),
        ("++++++", 2, 5, Recovered::NeverDown, vec![]),
    ];
    for (text, consecutive, undone, came_back, relapses) in table {
        let seen = shape(text);
        let held = Held::of(&seen, consecutive, Moment(undone));
        let course = Course::of(&stretches(&seen, consecutive, None), edge(5, 6), held);
        let begins: Vec<i64> = course.relapses.iter().map(|s| s.began.by.0).collect();
        assert_eq!(
            (course.came_back, begins),
            (came_back, relapses),
            "{text} {consecutive} {undone}"
        );
    }
}
