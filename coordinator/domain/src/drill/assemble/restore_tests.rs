use super::*;
use crate::drill::history::{Answer, Line, Sample, What};
use crate::drill::measure::interval::Edge;
use crate::drill::scenario::{Expectation, Probe};

fn at(millis: i64) -> Moment {
    Moment(1_700_000_000_000_000 + millis * 1000)
}

fn sample(probe: &str, number: u64, sent: i64, answer: Answer, values: &[(String, f64)]) -> Sample {
    Sample {
        probe: probe.into(),
        number,
        due: at(sent),
        sent: Some(at(sent)),
        done: at(sent + 50),
        answer,
        detail: String::new(),
        values: values.iter().cloned().collect(),
    }
}

/// One sentinel a second from 1 s on, the fault from 10.0 s to 10.2 s, and at the end what `there` says; None: unreadable.
fn judged(there: Option<&[u64]>, expected: bool) -> Restored {
    judged_of(Answer::Good, there, expected)
}

/// The same where sentinels of before the fault were answered so.
fn judged_of(before: Answer, there: Option<&[u64]>, expected: bool) -> Restored {
    let probe = Probe {
        name: "sentinel".into(),
        cluster: ClusterName::new("app1").expect("valid"),
        contract: None,
        expect: Expectation::Observes,
        needs: None,
        look: Look::ApiReady {},
        period_ms: 1000,
        timeout_ms: 900,
        consecutive_good: None,
    };
    let samples: Vec<Sample> = (1..20_u32)
        .map(|n| {
            let answer = if n < 10 { before } else { Answer::Bad };
            let values = [(WRITTEN.to_owned(), f64::from(n))];
            sample("sentinel", n.into(), i64::from(n) * 1000, answer, &values)
        })
        .collect();
    let end = sample(
        "sentinel.numbers",
        u64::MAX,
        30_000,
        if there.is_some() {
            Answer::Good
        } else {
            Answer::Bad
        },
        &there
            .unwrap_or_default()
            .iter()
            .map(|n| (n.to_string(), 1.0))
            .collect::<Vec<_>>(),
    );
    let history = History {
        lines: vec![Line {
            time: at(30_000),
            what: What::Sample(end),
        }],
        damaged: vec![],
    };
    let watch = Watch {
        probe: &probe,
        samples: samples.iter().collect(),
        consecutive: 1,
        stretches: vec![],
        held: None,
    };
    let window = Window {
        fault: Some(Edge {
            after: at(10_000),
            by: at(10_200),
        }),
        undone: None,
        from: at(0),
        to: at(40_000),
        watched_until: at(40_000),
    };
    of_samples(&history, &watch, &window, expected).expect("a fault")
}

#[test]
fn a_restore_shows_by_what_is_there_and_by_what_is_not() {
    let restored = judged(Some(&[1, 2, 3, 4, 5, 6]), true);
    assert_eq!((restored.kept, restored.gone, restored.holes), (6, 3, 0));
    // Between the answer to 7, at 7.05 s, and the sending of 6, at 6 s.
    let lost = restored.lost.expect("something is gone");
    assert_eq!(lost.low, Quantity::from_millis(2_950));
    assert_eq!(lost.high, Quantity::from_millis(4_200));
    assert_eq!(restored.verdict(), Verdict::Pass);
}

#[test]
fn what_contradicts_a_restore_convicts_and_what_shows_none_acquits_nobody() {
    let everything: Vec<u64> = (1..10).collect();
    for (there, expected, verdict) in [
        (Some(&everything[..]), true, Verdict::Inconclusive),
        (Some(&everything[..]), false, Verdict::Pass),
        (Some(&[1, 2, 4, 5][..]), true, Verdict::Fail),
        (Some(&[1, 2, 3][..]), false, Verdict::Fail),
        (Some(&[][..]), true, Verdict::Fail),
        (None, true, Verdict::Inconclusive),
    ] {
        let found = judged(there, expected);
        assert_eq!(found.verdict(), verdict, "{there:?} {expected}: {found:?}");
    }
}

#[test]
fn what_was_never_written_is_not_missing() {
    for expected in [true, false] {
        let found = judged_of(Answer::Bad, Some(&[]), expected);
        assert_eq!(found.verdict(), Verdict::Inconclusive, "{found:?}");
        assert!(found.text().starts_with("No sentinel of app1 was written"));
    }
}
