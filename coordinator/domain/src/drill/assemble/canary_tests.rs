use super::*;
use crate::drill::history::Answer;

fn at(micros: i64) -> Moment {
    Moment(micros)
}

fn sample() -> Sample {
    Sample {
        probe: "served".into(),
        number: 0,
        due: at(0),
        sent: Some(at(0)),
        done: at(20),
        answer: Answer::Good,
        detail: String::new(),
        values: BTreeMap::new(),
    }
}

#[test]
fn a_shard_counts_what_was_served_up_to_its_newest_number() {
    let emitted: Vec<Emitted> = (10..=20).map(|number| Emitted { number, at: at(0) }).collect();
    // 8 and 9 are older than the first look, 13 and 14 are missing, 18 to 20 are under way.
    let (ledger, later) = one_shard(&emitted, &[8, 9, 10, 11, 12, 15, 16, 17, 17], 17);
    assert_eq!((ledger.emitted, ledger.arrived, ledger.lost()), (8, 6, 2));
    assert_eq!((ledger.holes.len(), ledger.duplicates, later), (1, 1, 3));
    assert!(ledger.strangers.is_empty());
    // Nothing arrived: nothing is said to be lost, all of it is on its way.
    let (ledger, later) = one_shard(&emitted, &[], 0);
    assert_eq!((ledger.emitted, ledger.lost(), later), (0, 0, 11));
}

#[test]
fn a_number_that_is_there_twice_is_a_duplicate() {
    let mut look = sample();
    for (key, times) in [
        ("log/10", 1.0),
        ("log/11", 2.0),
        ("log/12", 1.0),
        ("log/x", 1.0),
        ("7", 1.0),
    ] {
        look.values.insert(key.into(), times);
    }
    let stored = stored_numbers(&[&look]);
    assert_eq!(stored, BTreeMap::from([(LOG.to_owned(), vec![10, 11, 11, 12])]));
    let emitted: Vec<Emitted> = (10..=12).map(|number| Emitted { number, at: at(0) }).collect();
    let (ledger, _) = one_shard(&emitted, &stored[LOG], 12);
    assert_eq!((ledger.arrived, ledger.lost(), ledger.duplicates), (3, 0, 1));
}

#[test]
fn numbers_and_times_survive_the_way_through_the_history() {
    let mut look = sample();
    look.values
        .insert("1795595539242".into(), 1_795_595_602_667_873.0);
    look.values.insert("nonsense".into(), 1.0);
    let text = serde_json::to_string(&look).expect("text");
    let look: Sample = serde_json::from_str(&text).expect("a sample");
    let emitted = served_numbers(&[&look, &look]);
    let expected = Emitted {
        number: 1_795_595_539_242,
        at: Moment(1_795_595_602_667_873),
    };
    assert_eq!(emitted, [expected]);
}
