//! Small wrong histories, each wrong in one way, and the right ones beside them.

use super::Promise::{Bookmarkable, Ordered, Reliable, Resumable, Unique};
use super::*;

const LIFE: &str = "aa";

fn made(mark: &str) -> Produced {
    Produced {
        node: "n".into(),
        mark: mark.into(),
        acknowledged: true,
        may_drop: false,
    }
}

fn delivered(revision: u64, seq: u64, mark: &str) -> Delivered {
    Delivered {
        revision,
        node: "n".into(),
        origin: Some(Origin {
            life: LIFE.into(),
            seq,
            declares: false,
        }),
        mark: (!mark.is_empty()).then(|| mark.into()),
        digest: revision,
    }
}

fn entry(revision: u64, seq: u64, mark: &str) -> Seen {
    Seen::Entry(delivered(revision, seq, mark))
}

fn gap(revision: u64, from: u64, to: u64) -> Seen {
    Seen::Gap {
        entry: Delivered {
            origin: None,
            ..delivered(revision, 0, "")
        },
        life: LIFE.into(),
        from,
        to,
    }
}

fn judge(produced: &[Produced], seen: &[Seen]) -> Result<Figures, Promise> {
    judge_of(History::default(), produced, seen)
}

/// What `log` says of the log's own fate stays.
fn judge_of(log: History, produced: &[Produced], seen: &[Seen]) -> Result<Figures, Promise> {
    let head = seen
        .iter()
        .map(|seen| match seen {
            Seen::Entry(entry) | Seen::Gap { entry, .. } => entry.revision,
            Seen::Bookmark(revision) => *revision,
            _ => 0,
        })
        .max()
        .unwrap_or(0);
    let history = History {
        produced: produced.to_vec(),
        subscribers: vec![Subscriber {
            name: "s".into(),
            nodes: None,
            seen: seen.to_vec(),
        }],
        head,
        ..log
    };
    check(&history).map_err(|broken| broken.promise)
}

#[test]
fn a_right_history_with_resumes_bookmarks_and_a_declared_gap_passes() {
    let produced = [
        made("a"),
        Produced {
            may_drop: true,
            ..made("b")
        },
        made("c"),
    ];
    let seen = [
        Seen::Asked(0),
        entry(1, 1, "a"),
        Seen::Asked(0),
        entry(1, 1, "a"),
        Seen::Bookmark(1),
        Seen::Asked(1),
        gap(2, 2, 2),
        entry(3, 3, "c"),
        Seen::TooSlow(3),
        Seen::Asked(3),
        Seen::Bookmark(3),
    ];
    let figures = judge(&produced, &seen).expect("right");
    assert_eq!((figures.streams, figures.again, figures.gaps), (4, 1, 1));
}

#[test]
fn each_wrong_history_breaks_its_promise() {
    let produced = [made("a"), made("b")];
    let begin = Seen::Asked(0);
    for (name, promise, seen) in [
        (
            "back",
            Ordered,
            vec![entry(1, 1, "a"), entry(2, 2, "b"), entry(1, 1, "a")],
        ),
        (
            "made later, came earlier",
            Ordered,
            vec![entry(1, 1, "b"), entry(2, 2, "a")],
        ),
        (
            "a revision twice",
            Unique,
            vec![entry(1, 1, "a"), entry(1, 1, "a")],
        ),
        ("a number twice", Unique, vec![entry(1, 1, "a"), entry(2, 1, "")]),
        ("a mark twice", Unique, vec![entry(1, 1, "a"), entry(2, 2, "a")]),
        (
            "a hole in revisions",
            Reliable,
            vec![entry(1, 1, "a"), entry(3, 2, "b")],
        ),
        (
            "a hole in numbers",
            Reliable,
            vec![entry(1, 1, "a"), entry(2, 3, "b")],
        ),
        ("no beginning", Reliable, vec![entry(1, 2, "a"), entry(2, 3, "b")]),
        (
            "an acknowledged event that never came",
            Reliable,
            vec![entry(1, 1, "a")],
        ),
        (
            "one that never drops, in a gap",
            Reliable,
            vec![entry(1, 1, "a"), gap(2, 2, 2)],
        ),
        ("a gap elsewhere", Reliable, vec![entry(1, 1, "a"), gap(2, 3, 4)]),
        ("a mark from nowhere", Reliable, vec![entry(1, 1, "x")]),
        (
            "a bookmark before its entries",
            Bookmarkable,
            vec![Seen::Bookmark(2), entry(1, 1, "a")],
        ),
        (
            "a bookmark that goes back",
            Bookmarkable,
            vec![entry(1, 1, "a"), Seen::Bookmark(0)],
        ),
        (
            "resumed one too late",
            Resumable,
            vec![entry(1, 1, "a"), Seen::Asked(1), entry(3, 3, "b")],
        ),
        (
            "resumed one too early",
            Ordered,
            vec![entry(1, 1, "a"), Seen::Asked(1), entry(1, 1, "a")],
        ),
        (
            "two things at one revision",
            Unique,
            vec![
                entry(1, 1, "a"),
                Seen::Asked(0),
                Seen::Entry(Delivered {
                    digest: 9,
                    ..delivered(1, 1, "a")
                }),
            ],
        ),
        (
            "told of more than came",
            Reliable,
            vec![entry(1, 1, "a"), Seen::TooSlow(2)],
        ),
        (
            "a new life without a word",
            Reliable,
            vec![
                entry(1, 1, "a"),
                Seen::Entry(Delivered {
                    origin: Some(Origin {
                        life: "bb".into(),
                        seq: 1,
                        declares: false,
                    }),
                    ..delivered(2, 1, "b")
                }),
            ],
        ),
    ] {
        let seen = [vec![begin.clone()], seen].concat();
        assert_eq!(judge(&produced, &seen), Err(promise), "{name}");
    }
}

#[test]
fn a_filtered_subscriber_must_have_seen_what_the_others_saw_of_its_nodes() {
    let other = |revision| {
        Seen::Entry(Delivered {
            node: "m".into(),
            origin: None,
            ..delivered(revision, 0, "")
        })
    };
    let subscriber = |name: &str, nodes: Option<&str>, seen: Vec<Seen>| Subscriber {
        name: name.into(),
        nodes: nodes.map(|node| BTreeSet::from([node.to_owned()])),
        seen: [vec![Seen::Asked(0)], seen].concat(),
    };
    let all = subscriber("all", None, vec![entry(1, 1, "a"), other(2), entry(3, 2, "b")]);
    let judge = |filtered: Subscriber| {
        let history = History {
            produced: vec![made("a"), made("b")],
            subscribers: vec![filtered, all.clone()],
            head: 3,
            ..History::default()
        };
        check(&history)
            .map(|f| f.entries)
            .map_err(|broken| broken.promise)
    };
    let right = vec![entry(1, 1, "a"), Seen::Bookmark(2), entry(3, 2, "b")];
    assert_eq!(judge(subscriber("n", Some("n"), right)), Ok(5));
    let early = vec![entry(1, 1, "a"), Seen::Bookmark(3), entry(3, 2, "b")];
    assert_eq!(judge(subscriber("n", Some("n"), early)), Err(Bookmarkable));
    let short = vec![Seen::Bookmark(3)];
    assert_eq!(judge(subscriber("m", Some("m"), short)), Err(Reliable));
    let unfinished = vec![other(2)];
    assert_eq!(judge(subscriber("m", Some("m"), unfinished)), Err(Reliable));
}

#[test]
fn a_log_that_was_wiped_is_no_excuse_for_what_it_held() {
    let produced = [made("a"), made("b"), made("c")];
    // The agent has forgotten what was acknowledged, declares it, and goes on.
    let wiped = [
        Seen::Asked(0),
        entry(1, 1, "a"),
        Seen::LogReset,
        Seen::Asked(0),
        gap(1, 1, 2),
        entry(2, 3, "c"),
    ];
    assert_eq!(judge(&produced, &wiped), Err(Reliable), "nobody wiped it");
    let once = || History {
        resets: 1,
        ..History::default()
    };
    assert!(
        judge_of(once(), &produced, &wiped).is_ok(),
        "b was in the old log at most"
    );
    let twice = [&wiped[..], &[Seen::LogReset, Seen::Asked(0), gap(1, 1, 3)]].concat();
    assert_eq!(
        judge_of(once(), &produced, &twice),
        Err(Reliable),
        "once too often"
    );
    let unheard = [
        Seen::Asked(0),
        entry(1, 1, "a"),
        entry(2, 2, "b"),
        entry(3, 3, "c"),
    ];
    assert_eq!(judge_of(once(), &produced, &unheard), Err(Reliable), "not told");
    let short = &wiped[..5];
    assert_eq!(
        judge_of(once(), &produced[..2], &[short, &[Seen::Bookmark(1)]].concat()).map(|f| f.streams),
        Ok(2)
    );
    let lost = [&wiped[..], &[entry(3, 4, "d"), entry(4, 5, "f")]].concat();
    let more = [&produced[..], &[made("d"), made("e"), made("f")]].concat();
    assert_eq!(
        judge_of(once(), &more, &lost),
        Err(Reliable),
        "e is between two that came to the new log"
    );
}

#[test]
fn a_new_log_is_not_compared_with_the_old_one() {
    let again = |digest| {
        Seen::Entry(Delivered {
            digest,
            ..delivered(1, 1, "a")
        })
    };
    let seen = [
        Seen::Asked(0),
        again(7),
        Seen::LogReset,
        Seen::Asked(0),
        again(8),
        entry(2, 2, "b"),
    ];
    let subscriber = |name: &str, seen: &[Seen]| Subscriber {
        name: name.into(),
        nodes: None,
        seen: seen.to_vec(),
    };
    let judge = |second: &[Seen]| {
        let history = History {
            produced: vec![made("a"), made("b")],
            subscribers: vec![subscriber("first", &seen), subscriber("second", second)],
            head: 2,
            resets: 1,
            ..History::default()
        };
        check(&history).map_err(|broken| broken.promise)
    };
    assert!(
        judge(&seen).is_ok(),
        "an event that was not acknowledged comes to both"
    );
    let mut other = seen.clone();
    other[4] = again(9);
    assert_eq!(judge(&other), Err(Unique), "within one log it is");
}

#[test]
fn retention_excuses_what_it_took_and_nothing_else() {
    let produced = [made("a"), made("b"), made("c"), made("d")];
    let until = |oldest| History {
        oldest,
        ..History::default()
    };
    let seen = [
        Seen::Asked(0),
        entry(1, 1, "a"),
        Seen::Compacted(4),
        Seen::Asked(3),
        entry(4, 4, "d"),
    ];
    let figures = judge_of(until(4), &produced, &seen).expect("2 and 3 were taken");
    assert_eq!(figures.compacted, 1);
    assert_eq!(
        judge_of(until(3), &produced, &seen),
        Err(Reliable),
        "the log still has 3"
    );
    assert_eq!(judge(&produced, &seen), Err(Reliable), "nothing was ever taken");

    // Behind what retention took, all is due as before.
    let end = [&seen[..], &[entry(5, 5, "f")]].concat();
    let more = [&produced[..], &[made("e"), made("f")]].concat();
    assert_eq!(judge_of(until(4), &more, &end), Err(Reliable), "e never came");
    let before = [
        Seen::Asked(0),
        entry(1, 1, "b"),
        Seen::Compacted(4),
        Seen::Asked(3),
        entry(4, 4, "d"),
    ];
    assert_eq!(
        judge_of(until(4), &produced, &before),
        Err(Reliable),
        "a was due before b"
    );
}

#[test]
fn retention_of_one_reader_hides_nothing_that_others_saw_later() {
    let subscriber = |name: &str, nodes: Option<&str>, seen: Vec<Seen>| Subscriber {
        name: name.into(),
        nodes: nodes.map(|node| BTreeSet::from([node.to_owned()])),
        seen: [vec![Seen::Asked(0)], seen].concat(),
    };
    let all = (1..=5).map(|n| entry(n, n, "")).collect();
    let judge = |rest: &[Seen]| {
        let took = [&[entry(1, 1, ""), Seen::Compacted(4), Seen::Asked(3)], rest].concat();
        let history = History {
            subscribers: vec![
                subscriber("all", None, Vec::clone(&all)),
                subscriber("n", Some("n"), took),
            ],
            head: 5,
            oldest: 4,
            ..History::default()
        };
        check(&history).map_err(|broken| broken.promise)
    };
    assert!(judge(&[entry(4, 4, ""), entry(5, 5, "")]).is_ok());
    assert_eq!(
        judge(&[Seen::Bookmark(5)]),
        Err(Reliable),
        "4 and 5 were still there"
    );
}
