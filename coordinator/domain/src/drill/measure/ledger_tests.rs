//! Books by example and by recount.

use super::*;
use crate::drill::report::model::LossCause;

fn emitted(numbers: impl IntoIterator<Item = u64>) -> Vec<Emitted> {
    let at = |number| Moment(i64::try_from(number).expect("small") * 1_000_000);
    let one = |number| Emitted {
        number,
        at: at(number),
    };
    numbers.into_iter().map(one).collect()
}

#[test]
fn holes_are_runs_of_emitted_numbers_without_an_arrival() {
    let ledger = Ledger::close(&emitted([1, 2, 3, 5, 6, 9]), [1, 6, 6, 77]);
    let holes: Vec<_> = ledger
        .holes
        .iter()
        .map(|h| (h.first.number, h.last.number, h.lost))
        .collect();
    // Four was never emitted, so two to five are one hole of three.
    assert_eq!(holes, [(2, 5, 3), (9, 9, 1)]);
    assert_eq!((ledger.emitted, ledger.arrived, ledger.lost()), (6, 2, 4));
    assert_eq!((ledger.duplicates, ledger.strangers.as_slice()), (1, &[77][..]));
}

#[test]
fn losses_name_their_series_and_cause() {
    let ledger = Ledger::close(&emitted(10..60), 10..20);
    let evidence = Evidence {
        deaths: vec![Moment(40_000_000)],
        ..Evidence::default()
    };
    let losses = ledger.losses("app1/canary", &evidence);
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].lost, losses[0].cause), (40, LossCause::Cliff));
}

#[test]
fn counters_show_the_silent_loss() {
    // As measured on one run: 6 series, 388 samples gone, which is 64.7 scrapes.
    let counters = Counters {
        appended: 630,
        sent: 337,
        retried: 95,
        ..Counters::default()
    };
    let gone = counters.gone();
    assert_eq!(gone, (388, 388));
    assert!(agree(gone, 64, 6) && agree(gone, 65, 6) && !agree(gone, 61, 6));
    let restarted = Counters {
        appended: 10,
        sent: 337,
        ..Counters::default()
    };
    assert!(!agree(restarted.gone(), 0, 6), "they contradict each other");
}

#[test]
fn what_failed_for_good_is_gone_once() {
    let sent = |sent, retried, failed| Counters {
        appended: 1000,
        sent,
        retried,
        failed,
        ..Counters::default()
    };
    // Refused: each of 300 was sent once, and none arrived.
    let refused = sent(1000, 0, 300).gone();
    assert_eq!(refused, (300, 300));
    assert!(agree(refused, 50, 6) && !agree(refused, 0, 6));
    // Given up before it was sent, as when a queue is flushed; whether it was is not told.
    assert_eq!(sent(700, 0, 300).gone(), (300, 600));
    // Every sample sent twice.
    assert_eq!(sent(2000, 1000, 0).gone(), (0, 0));
    let contradicting = sent(1500, 0, 0).gone();
    assert!(contradicting.1 < contradicting.0, "{contradicting:?}");
}

proptest::proptest! {
    #[test]
    fn the_books_equal_a_recount(
        numbers in proptest::collection::btree_set(0_u64..300, 0..200),
        kept in proptest::collection::vec(proptest::bool::ANY, 300),
    ) {
        let arrives = |n: &u64| usize::try_from(*n).is_ok_and(|i| kept[i]);
        let ledger = Ledger::close(&emitted(numbers.iter().copied()), numbers.iter().copied().filter(arrives));
        let missing = numbers.iter().filter(|n| !arrives(n)).count();
        proptest::prop_assert_eq!(usize::try_from(ledger.lost()).expect("small"), missing);
        proptest::prop_assert_eq!(ledger.emitted, ledger.arrived + ledger.lost());
        proptest::prop_assert!(ledger.strangers.is_empty() && ledger.duplicates == 0);
        // Between two holes at least one number arrived.
        for pair in ledger.holes.windows(2) {
            let between = numbers.range(pair[0].last.number + 1..pair[1].first.number);
            proptest::prop_assert!(between.clone().count() > 0 && between.clone().all(arrives));
        }
    }
}
