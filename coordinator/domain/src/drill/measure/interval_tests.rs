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
        let found: Vec<_> = stretches(&shape(text), consecutive, None)
            .iter()
            .map(|s| (s.began, s.ended))
            .collect();
        assert_eq!(found, expected, "{text} {consecutive}");
    }
}

#[test]
fn an_outage_that_lasts_is_as_long_as_it_was_seen() {
    let outage = stretches(&shape("+---"), 1, None)[0].outage();
    assert_eq!(outage.ended, None);
    assert_eq!(outage.length.low, Quantity::from_micros(20));
    assert_eq!(outage.length.high, Quantity::from_micros(30));
}

#[test]
fn requests_that_waited_say_how_long_it_was_not_well() {
    let at = |sent, done, good| Seen {
        sent: Moment(sent),
        done: Moment(done),
        good,
    };
    let held = [
        at(0, 5, true),
        at(10, 100, false),
        // These wait in a service that starts, and the one behind them is answered first.
        at(20, 95, true),
        at(30, 94, true),
        at(90, 93, true),
    ];
    let ended = |usual: Option<u64>, seen: &[Seen]| stretches(seen, 3, usual.map(Span::from_micros))[0].ended;
    let edge = |after, by| {
        Some(Edge {
            after: Moment(after),
            by: Moment(by),
        })
    };
    assert_eq!(ended(None, &held), edge(10, 93));
    assert_eq!(ended(Some(5), &held), edge(88, 93));
    // Nothing waited for longer than usual: the last bad one bounds it.
    assert_eq!(ended(Some(73), &held), edge(10, 93));
    let prompt = [
        at(0, 5, true),
        at(10, 12, false),
        at(20, 24, true),
        at(30, 33, true),
        at(40, 44, true),
    ];
    assert_eq!(ended(Some(5), &prompt), edge(10, 24));
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
        let all = stretches(&seen, k, None);
        proptest::prop_assert_eq!(all.len(), 1);
        let (began, ended) = (all[0].began, all[0].ended.expect("it ended"));
        proptest::prop_assert!(began.after < Moment(down) && Moment(down) <= began.by);
        proptest::prop_assert!(ended.after < Moment(up) && Moment(up) <= ended.by);
        proptest::prop_assert!(Span::between(ended.after, ended.by).micros() <= u64::try_from(period + 3).expect("small"));
        let length = all[0].outage().length;
        let truth = Quantity::from_micros(long);
        proptest::prop_assert!(length.low <= truth && truth <= length.high);
    }

    /// A service that holds what it gets from `up - held` on, and answers it when it is well, at `up`: the interval holds that
    /// moment and is no wider than a period and a usual answer, however long it held them.
    #[test]
    fn the_end_of_a_wait_lies_in_the_interval(
        period in 1_i64..200, offset in 0_i64..200, held in 0_i64..3_000, usual in 4_i64..100, k in 1_usize..9,
    ) {
        let up = 5_000;
        let answer = |sent: i64| match sent {
            sent if sent < 1_000 => (sent + 3, true),
            sent if sent < up - held => (sent + 3, false),
            sent => (sent.max(up) + 3, true),
        };
        let seen: Vec<Seen> = (0..)
            .map(|i| offset + i * period)
            .take_while(|sent| *sent < up + 3_000)
            .map(|sent| {
                let (done, good) = answer(sent);
                Seen { sent: Moment(sent), done: Moment(done), good }
            })
            .collect();
        let all = stretches(&seen, k, Some(Span::from_micros(u64::try_from(usual).expect("small"))));
        proptest::prop_assert_eq!(all.len(), 1);
        let ended = all[0].ended.expect("it ended");
        proptest::prop_assert!(ended.after < Moment(up) && Moment(up) <= ended.by);
        let width = i64::try_from(Span::between(ended.after, ended.by).micros()).expect("small");
        proptest::prop_assert!(width <= period + usual, "{} of {} and {}", width, period, usual);
    }
}
