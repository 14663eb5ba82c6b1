//! Table of shapes, and that the true moment always lies in the interval.

use super::*;
use crate::drill::measure::quantity::Quantity;

fn probe(sent: i64, good: bool) -> Seen {
    Seen {
        sent: Moment(sent),
        done: Moment(sent + 3),
        good,
    }
}

fn shape(text: &str) -> Vec<Seen> {
    (0..)
        .zip(text.chars())
        .map(|(i, c)| probe(i * 10, c == '+'))
        .collect()
}

#[test]
fn outages_of_a_probe_by_shape() {
    let edge = |after, by| Edge {
        after: Moment(after),
        by: Moment(by),
    };
    // Shape, good answers in a row that are asked for, begin, end.
    let table = [
        ("+++", 1, vec![]),
        ("++--++", 2, vec![(edge(10, 20), Some(edge(30, 43)))]),
        // One good answer among bad ones is no recovery when two are asked for.
        ("+-+-++", 2, vec![(edge(0, 10), Some(edge(30, 43)))]),
        (
            "+-+-++",
            1,
            vec![
                (edge(0, 10), Some(edge(10, 23))),
                (edge(20, 30), Some(edge(30, 43))),
            ],
        ),
        ("--++", 1, vec![(edge(0, 0), Some(edge(10, 23)))]),
        ("+--+", 2, vec![(edge(0, 10), None)]),
        ("+--", 0, vec![(edge(0, 10), None)]),
    ];
    for (text, consecutive, expected) in table {
        let found: Vec<_> = stretches(&shape(text), consecutive)
            .iter()
            .map(|s| (s.began, s.ended))
            .collect();
        assert_eq!(found, expected, "{text} {consecutive}");
    }
}

#[test]
fn an_outage_that_lasts_is_as_long_as_it_was_seen() {
    let outage = stretches(&shape("+---"), 1)[0].outage();
    assert_eq!(outage.ended, None);
    assert_eq!(outage.length.low, Quantity::from_micros(20));
    assert_eq!(outage.length.high, Quantity::from_micros(30));
}

#[test]
fn recovery_is_of_outages_that_the_fault_may_have_caused() {
    let at = |micros| Edge {
        after: Moment(micros),
        by: Moment(micros + 1),
    };
    let all = stretches(&shape("+-+++-+++"), 2);
    assert_eq!(recovered(&all, at(60)), Recovered::NeverDown);
    let last = recovered(&all, at(25));
    assert_eq!(
        last.since(at(25)),
        Some(Bounds {
            low: Quantity::from_micros(24),
            high: Quantity::from_micros(38)
        })
    );
    assert_eq!(last.both(Recovered::NeverDown), last);
    assert_eq!(last.both(Recovered::NotYet).since(at(25)), None);
}

#[test]
fn a_request_that_was_under_way_when_the_fault_took_hold_is_of_its_outage() {
    let fault = |micros| Edge {
        after: Moment(micros),
        by: Moment(micros + 1),
    };
    // Sent at 10, and known to have failed at 13.
    let all = stretches(&shape("+---++"), 2);
    let back = Recovered::At(Edge {
        after: Moment(30),
        by: Moment(43),
    });
    assert_eq!(recovered(&all, fault(5)), back);
    assert_eq!(recovered(&all, fault(12)), back);
    assert_eq!(recovered(&all, fault(13)), back);
    assert_eq!(recovered(&all, fault(14)), Recovered::NeverDown);
}

#[test]
fn clock_offset_widens_both_ends() {
    let edge = Edge {
        after: Moment(100),
        by: Moment(150),
    };
    let wide = edge.with_clock_offset(Span::from_micros(20));
    assert_eq!((wide.after, wide.by), (Moment(80), Moment(170)));
}

proptest::proptest! {
    /// A service that is down in [down, up) and a probe of any period: the interval holds the true length, and is no
    /// wider than two periods and a request.
    #[test]
    fn the_true_outage_lies_in_the_interval(
        period in 1_i64..500, offset in 0_i64..500, down in 2_000_i64..5_000, long in 1_000_i64..9_000, k in 1_usize..4,
    ) {
        let up = down + long;
        let seen: Vec<Seen> = (0..)
            .map(|i| offset + i * period)
            .take_while(|sent| *sent < up + 3_000)
            .map(|sent| probe(sent, !(down..up).contains(&sent)))
            .collect();
        let all = stretches(&seen, k);
        proptest::prop_assert_eq!(all.len(), 1);
        let (began, ended) = (all[0].began, all[0].ended.expect("it ended"));
        proptest::prop_assert!(began.after < Moment(down) && Moment(down) <= began.by);
        proptest::prop_assert!(ended.after < Moment(up) && Moment(up) <= ended.by);
        proptest::prop_assert!(Span::between(ended.after, ended.by).micros() <= u64::try_from(period + 3).expect("small"));
        let length = all[0].outage().length;
        let truth = Quantity::from_micros(long);
        proptest::prop_assert!(length.low <= truth && truth <= length.high);
    }
}
