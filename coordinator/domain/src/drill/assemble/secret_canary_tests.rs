//! Runs of the drill's own ExternalSecrets, told second by second, and what must be concluded of them.

use super::*;
use crate::drill::history::{Answer, Line, What};
use crate::drill::scenario::Expectation;
use model::ids::ClusterName;

fn at(seconds: i64) -> Moment {
    Moment(seconds * 1_000_000)
}

fn probe() -> Probe {
    Probe {
        name: "own".into(),
        cluster: ClusterName::new("app1").expect("a name"),
        contract: None,
        expect: Expectation::ComesBack,
        needs: None,
        look: Look::SecretCanary {
            store: "vault".into(),
            refresh_seconds: 15,
            act_after_seconds: 10,
            deleted_counts: false,
        },
        period_ms: 1000,
        timeout_ms: 900,
        consecutive_good: None,
    }
}

/// From which second on each Secret holds which number.
struct Told {
    kept_new: i64,
    kept_gone: std::ops::Range<i64>,
    deleted_again: i64,
    new_there: i64,
    written: Option<i64>,
    /// When the last refresh before the writing was.
    refreshed: i32,
    until: i64,
    /// When the next coordinator began, where the first one died at `until`.
    restarted: Option<i64>,
}

/// The fault from 100 to 200; deletion and creation at 110.
fn run(told: &Told, deleted_counts: bool) -> SecretCanary {
    let mut probe = probe();
    if let Look::SecretCanary {
        deleted_counts: counts,
        ..
    } = &mut probe.look
    {
        *counts = deleted_counts;
    }
    let sample = |second: i64| {
        let number = |there: bool| if there { 1.0 } else { 0.0 };
        let kept = if second >= told.kept_new {
            2.0
        } else {
            number(!told.kept_gone.contains(&second))
        };
        Sample {
            probe: probe.name.clone(),
            number: 0,
            due: at(second),
            sent: Some(at(second)),
            done: Moment(at(second).0 + 100_000),
            answer: Answer::Good,
            detail: String::new(),
            values: [
                ("kept.number", kept),
                (
                    "deleted.number",
                    number(!(110..told.deleted_again).contains(&second)),
                ),
                ("new.number", number(second >= told.new_there)),
                ("kept.refreshed", f64::from(told.refreshed)),
                ("store.ready", number(!(150..220).contains(&second))),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect(),
        }
    };
    let samples: Vec<Sample> = (90..told.until).map(sample).collect();
    let deed = |deed, second| Line {
        time: at(second),
        what: What::Record(Record::DeedDone {
            probe: probe.name.clone(),
            deed,
            from: at(second),
            to: at(second),
        }),
    };
    let mut lines = vec![deed(Deed::Delete, 110), deed(Deed::Create, 110)];
    lines.extend(told.written.map(|second| deed(Deed::Write, second)));
    let history = History {
        lines,
        damaged: Vec::new(),
    };
    let edge = |second| Edge {
        after: at(second),
        by: at(second),
    };
    let window = Window {
        fault: Some(edge(100)),
        undone: Some(edge(200)),
        from: at(0),
        to: at(told.restarted.unwrap_or(told.until)),
        watched_until: at(told.restarted.unwrap_or(told.until)),
    };
    let watch = Watch {
        probe: &probe,
        samples: samples.iter().collect(),
        consecutive: 1,
        stretches: Vec::new(),
        held: None,
    };
    all(&history, &[watch], &window).remove(0)
}

const USUAL: Told = Told {
    kept_new: 236,
    kept_gone: 0..0,
    deleted_again: 225,
    new_there: 227,
    written: Some(230),
    refreshed: 221,
    until: 300,
    restarted: None,
};

fn between(low: i64, high: i64) -> Option<Bounds> {
    Some(Bounds {
        low: Quantity::from_millis(low),
        high: Quantity::from_millis(high),
    })
}

#[test]
fn what_was_done_is_timed_from_the_looks_around_it() {
    let canary = run(&USUAL, false);
    assert_eq!(
        (canary.looks, canary.readable, canary.verdict),
        (100, 100, Verdict::Pass)
    );
    let [changed, deleted, new] = canary.trials.as_slice() else {
        panic!("{canary:?}")
    };
    // Seen without it at 235, with it in the look that began at 236.
    assert_eq!(changed.measured, between(5_000, 6_100));
    // Refreshed at 221 and due each 15 s: at 236, and a fetch of 2 s.
    assert_eq!(changed.predicted, between(6_000, 8_000));
    assert_eq!(deleted.waited, between(114_000, 115_100));
    assert_eq!(deleted.waited_in_outage, between(90_000, 90_000));
    assert_eq!(deleted.since_undo, between(24_000, 25_100));
    // It was there before the new value was written.
    assert_eq!(deleted.measured, between(0, 0));
    assert_eq!(new.waited, between(116_000, 117_100));
    for trial in &canary.trials {
        assert_eq!(trial.verdict, Verdict::Pass, "{trial:?}");
        assert!(!trial.shown_in_outage);
    }
}

#[test]
fn what_was_not_seen_convicts_only_after_it_was_due() {
    let verdicts = |told: &Told, counts: bool| {
        let canary = run(told, counts);
        let mut all = vec![canary.verdict];
        all.extend(canary.trials.iter().map(|t| t.verdict));
        all
    };
    use Verdict::{Fail, Inconclusive, Pass};
    let never = 10_000;
    let table: [(&str, Told, bool, [Verdict; 4]); 9] = [
        ("as it should be", Told { ..USUAL }, false, [Pass; 4]),
        (
            "the untouched one was gone for a look",
            Told {
                kept_gone: 150..151,
                ..USUAL
            },
            false,
            [Fail, Pass, Pass, Pass],
        ),
        (
            "a control: its Secret is one that must stay",
            Told { ..USUAL },
            true,
            [Pass, Pass, Fail, Pass],
        ),
        (
            "there again although its source was away",
            Told {
                deleted_again: 140,
                ..USUAL
            },
            false,
            [Pass, Pass, Inconclusive, Pass],
        ),
        (
            "a control that missed it for a while only",
            Told {
                deleted_again: 140,
                ..USUAL
            },
            true,
            [Pass, Pass, Fail, Pass],
        ),
        (
            "the new value never came, and was due",
            Told {
                kept_new: never,
                ..USUAL
            },
            false,
            [Pass, Fail, Pass, Pass],
        ),
        // Its retries, two minutes after the first, pause for 64 s.
        (
            "never there again, but the retries are not over",
            Told {
                deleted_again: never,
                until: 290,
                ..USUAL
            },
            false,
            [Pass, Pass, Inconclusive, Pass],
        ),
        (
            "nobody looked any more when the new value was due",
            Told {
                kept_new: never,
                until: 233,
                restarted: Some(833),
                ..USUAL
            },
            false,
            [Pass, Inconclusive, Pass, Pass],
        ),
        (
            "nothing could be written",
            Told {
                written: None,
                kept_new: never,
                ..USUAL
            },
            false,
            [Pass, Inconclusive, Pass, Pass],
        ),
    ];
    for (name, told, counts, expected) in table {
        assert_eq!(verdicts(&told, counts), expected, "{name}");
    }
    let late = Told {
        deleted_again: never,
        until: 900,
        ..USUAL
    };
    assert_eq!(
        verdicts(&late, false),
        [Pass, Pass, Fail, Pass],
        "never there again"
    );
}
