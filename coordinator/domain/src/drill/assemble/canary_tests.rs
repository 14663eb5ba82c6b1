use super::*;
use crate::drill::history::Answer;
use crate::drill::scenario::{Expectation, Probe};

/// Milliseconds of the run, on a clock that reads whole seconds.
fn at(millis: i64) -> Moment {
    Moment(1_700_000_000_000_000 + millis * 1000)
}

fn seconds(millis: i64) -> f64 {
    1_700_000_000.0 + f64::from(i32::try_from(millis).expect("small")) / 1000.0
}

fn sample(due: i64, until: Option<i64>) -> Sample {
    Sample {
        probe: "stored".into(),
        number: 0,
        due: at(due),
        sent: Some(at(due)),
        done: at(due + 20),
        answer: Answer::Bad,
        detail: String::new(),
        values: until
            .map(|until| (STORED_UNTIL.to_owned(), seconds(until)))
            .into_iter()
            .collect(),
    }
}

fn probe() -> Probe {
    Probe {
        name: "stored".into(),
        cluster: ClusterName::new("app1").expect("a name"),
        contract: None,
        expect: Expectation::ComesBack,
        needs: None,
        look: Look::ApiReady {},
        period_ms: 100,
        timeout_ms: 900,
        consecutive_good: None,
    }
}

fn seen(samples: &[Sample]) -> (Option<Edge>, Option<Edge>) {
    let probe = probe();
    let watch = Watch {
        probe: &probe,
        samples: samples.iter().collect(),
        stretches: Vec::new(),
    };
    let edge = |millis| Edge {
        after: at(millis),
        by: at(millis),
    };
    let window = Window {
        fault: Some(edge(1_000)),
        undone: Some(edge(5_000)),
        from: at(0),
        to: at(20_000),
        watched_until: at(20_000),
    };
    arrival(&watch, &window)
}

#[test]
fn the_backlog_is_complete_when_what_was_served_before_the_return_is_there() {
    let samples = [
        sample(900, Some(500)),
        sample(1_100, None),
        sample(6_000, None),
        sample(6_100, Some(900)),
        sample(6_200, Some(6_119)),
        sample(6_300, Some(6_120)),
        sample(6_400, Some(6_300)),
    ];
    let (back, complete) = seen(&samples);
    let edge = |after, by| Edge {
        after: at(after),
        by: at(by),
    };
    // It answered again between the last silent request and the end of the first answered one.
    assert_eq!(back, Some(edge(6_000, 6_120)));
    // A number of 6.119 s is older than that answer, one of 6.120 s is not.
    assert_eq!(complete, Some(edge(6_200, 6_320)));
    assert_eq!(seen(&samples[..5]), (Some(edge(6_000, 6_120)), None));
    assert_eq!(seen(&samples[..3]), (None, None), "it never came back");
    assert_eq!(
        seen(&[sample(1_100, Some(900))]),
        (None, None),
        "it was never away"
    );
}

#[test]
fn a_shard_counts_what_was_served_up_to_its_newest_number() {
    let emitted: Vec<Emitted> = (10..=20).map(|number| Emitted { number, at: at(0) }).collect();
    // 8 and 9 are older than the first look, 13 and 14 are missing, 18 to 20 are under way.
    let (ledger, later) = one_shard(&emitted, &[8, 9, 10, 11, 12, 15, 16, 17, 17]);
    assert_eq!((ledger.emitted, ledger.arrived, ledger.lost()), (8, 6, 2));
    assert_eq!((ledger.holes.len(), ledger.duplicates, later), (1, 1, 3));
    assert!(ledger.strangers.is_empty());
    // Nothing arrived: nothing is said to be lost, all of it is on its way.
    let (ledger, later) = one_shard(&emitted, &[]);
    assert_eq!((ledger.emitted, ledger.lost(), later), (0, 0, 11));
}

#[test]
fn numbers_and_times_survive_the_way_through_the_history() {
    let mut look = sample(0, None);
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
