use super::outlet::UNDER_WAY;
use super::*;
use crate::envelope::{Sealed, Stamp};
use crate::journal::{Entry, Journal, MemoryJournal, RedbJournal};
use domain::record::Record;
use model::event::{NodeEvent, NodeEventKind};
use model::fact::NodeFacts;
use model::ids::{Attempt, BootId, ClusterName, Epoch, Incarnation, LogId, NodeName, RunId, Seq, StepId};
use model::lab::Lab;
use model::moment::Moment;

mod crowd;

const PATIENCE: Duration = Duration::from_secs(20);
const ID: LogId = LogId([7; 16]);

fn entry(record: &Record) -> Entry {
    Entry::sealed(Moment(0), record.clone().into()).expect("sealed")
}

fn served(cluster: &str) -> Record {
    Record::ClusterServed {
        cluster: ClusterName::new(cluster).expect("valid"),
    }
}

fn lost(node: &str) -> Record {
    Record::Gap {
        node: NodeName::new(node).expect("valid"),
        incarnation: Incarnation([9; 16]),
        from: Seq(3),
        to: Some(Seq(5)),
        cause: "the buffer was full".into(),
    }
}

fn sample() -> Record {
    Record::Node {
        node: NodeName::new("app1-cp").expect("valid"),
        event: NodeEvent {
            incarnation: Incarnation([9; 16]),
            seq: Seq(1),
            time: Moment(0),
            monotonic_ms: 1,
            boot: BootId([1; 16]),
            kind: NodeEventKind::Health {
                facts: NodeFacts::default(),
            },
        },
    }
}

fn log(entries: u64) -> MemoryJournal {
    let mut log = MemoryJournal::new(ID);
    let batch: Vec<Entry> = (0..entries).map(|_| entry(&served("app1"))).collect();
    log.append(&batch).expect("appended");
    log
}

fn wanted(after: u64, follow: bool) -> v1::SubscribeRequest {
    v1::SubscribeRequest {
        log_id: Vec::new(),
        after,
        follow,
        ..v1::SubscribeRequest::default()
    }
}

fn start(log: &dyn Journal, wanted: v1::SubscribeRequest, pace: Pace) -> Items {
    let feed = Feed::new(log.reader(), &Lab::default());
    start_on(feed, wanted, pace)
}

fn start_on(feed: Feed, wanted: v1::SubscribeRequest, pace: Pace) -> Items {
    let subscription = Subscription::new(feed, wanted, pace).expect("understood");
    let (sender, receiver) = Subscription::channel();
    tokio::spawn(subscription.run(sender));
    receiver
}

async fn next(receiver: &mut Items) -> Option<Item> {
    let sent = tokio::time::timeout(PATIENCE, receiver.recv())
        .await
        .expect("in time")?;
    sent.expect("no error").item
}

/// All items until the stream ends.
async fn all(mut receiver: Items) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut receiver).await {
        items.push(item);
    }
    items
}

fn revisions(items: &[Item]) -> Vec<u64> {
    let revision = |item: &Item| match item {
        Item::Entry(entry) => Some(entry.revision),
        Item::Gap(gap) => Some(gap.revision),
        _ => None,
    };
    items.iter().filter_map(revision).collect()
}

#[tokio::test]
async fn all_entries_come_once_in_order_and_a_bookmark_ends_them() {
    let log = log(700);
    let items = all(start(&log, wanted(0, false), Pace::default())).await;
    assert_eq!(revisions(&items), (1..=700).collect::<Vec<_>>());
    let last = items.last();
    assert!(
        matches!(last, Some(Item::Bookmark(b)) if b.revision == 700 && b.log_id == ID.0),
        "{last:?}"
    );
    let rest = all(start(&log, wanted(698, false), Pace::default())).await;
    assert_eq!(revisions(&rest), [699, 700]);
}

#[tokio::test]
async fn what_the_filter_leaves_out_is_covered_by_bookmarks() {
    let mut log = log(300);
    log.append(&[entry(&served("mgmt"))]).expect("appended");
    let mut request = wanted(0, true);
    request.filter = Some(v1::EventFilter {
        clusters: vec!["mgmt".into()],
        ..v1::EventFilter::default()
    });
    let pace = Pace {
        bookmark_every: Duration::from_millis(30),
        ..Pace::default()
    };
    let mut stream = start(&log, request, pace);
    let mut seen = Vec::new();
    let mut bookmark = 0;
    while bookmark < 301 {
        match next(&mut stream).await {
            Some(Item::Entry(entry)) => seen.push(entry.revision),
            Some(Item::Bookmark(b)) => bookmark = b.revision,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [301]);
    // Idle, and then only entries that are not wanted: the bookmarks go on.
    log.append(&[entry(&served("app1"))]).expect("appended");
    loop {
        match next(&mut stream).await {
            Some(Item::Bookmark(b)) if b.revision == 302 => break,
            Some(Item::Bookmark(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_newest_of_what_is_wanted_are_found_however_far_back_they_are() {
    let mut log = log(1500);
    log.append(&[entry(&served("mgmt")), entry(&lost("mgmt-cp"))])
        .expect("appended");
    log.append(&vec![entry(&served("app1")); 1500]).expect("appended");
    log.append(&[entry(&served("mgmt"))]).expect("appended");
    let seen = async |log: &MemoryJournal, after, tail, cluster: &str| {
        let mut request = wanted(after, false);
        request.tail = tail;
        request.filter = (!cluster.is_empty()).then(|| v1::EventFilter {
            clusters: vec![cluster.into()],
            ..v1::EventFilter::default()
        });
        let items = all(start(log, request, Pace::default())).await;
        assert!(
            matches!(items.last(), Some(Item::Bookmark(b)) if b.revision == 3003),
            "{items:?}"
        );
        revisions(&items)
    };
    assert_eq!(seen(&log, 0, 1, "mgmt").await, [3003]);
    assert_eq!(seen(&log, 0, 2, "mgmt").await, [1502, 3003], "a loss counts");
    assert_eq!(
        seen(&log, 0, 9, "mgmt").await,
        [1501, 1502, 3003],
        "all there are"
    );
    assert_eq!(
        seen(&log, 1501, 9, "mgmt").await,
        [1502, 3003],
        "not before what is asked for"
    );
    assert_eq!(seen(&log, 0, 3, "").await, [3001, 3002, 3003]);
    assert_eq!(
        seen(&log, 0, 700, "app1").await,
        (2303..=3002).collect::<Vec<_>>()
    );
    assert_eq!(seen(&log, 3003, 3, "").await, [0; 0]);
    log.compact(Revision(2901), b"").expect("compacted");
    assert_eq!(
        seen(&log, 0, u64::MAX, "").await,
        (2901..=3003).collect::<Vec<_>>(),
        "what retention took is no error"
    );
}

#[tokio::test]
async fn of_the_past_no_samples_and_of_the_rest_everything() {
    let mut log = log(1);
    let progress = Record::StepProgress {
        step: StepId([1; 32]),
        attempt: Attempt(1),
        message: "waits for the API server".into(),
        source: None,
    };
    let past = [sample(), progress, sample(), lost("app1-cp"), sample()];
    log.append(&past.each_ref().map(entry)).expect("appended");
    let mut request = wanted(0, true);
    request.past_without_samples = true;
    let mut stream = start(&log, request.clone(), Pace::default());
    for revision in [1, 3] {
        let next = next(&mut stream).await;
        assert!(
            matches!(&next, Some(Item::Entry(entry)) if entry.revision == revision),
            "{next:?}"
        );
    }
    let loss = next(&mut stream).await;
    assert!(
        matches!(&loss, Some(Item::Gap(gap)) if gap.revision == 5),
        "{loss:?}"
    );
    assert!(matches!(next(&mut stream).await, Some(Item::Bookmark(b)) if b.revision == 6));
    log.append(&[entry(&sample())]).expect("appended");
    let new = next(&mut stream).await;
    assert!(
        matches!(&new, Some(Item::Entry(entry)) if entry.revision == 7),
        "{new:?}"
    );
    // They are left out before the newest are counted.
    (request.tail, request.follow) = (2, false);
    assert_eq!(
        revisions(&all(start(&log, request, Pace::default())).await),
        [3, 5]
    );
}

#[tokio::test]
async fn a_loss_comes_as_a_gap_with_its_numbers_whatever_kind_is_asked_for() {
    let mut log = log(1);
    log.append(&[entry(&lost("app1-cp")), entry(&lost("mgmt-cp"))])
        .expect("appended");
    let mut request = wanted(0, false);
    request.filter = Some(v1::EventFilter {
        nodes: vec!["app1-cp".into()],
        kinds: vec!["run".into()],
        min_severity: "error".into(),
        ..v1::EventFilter::default()
    });
    let items = all(start(&log, request, Pace::default())).await;
    let [Item::Gap(gap), Item::Bookmark(_)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!(
        (gap.node.as_str(), gap.seq_from, gap.seq_to, gap.revision),
        ("app1-cp", 3, 5, 2)
    );
    assert_eq!(gap.cause, "the buffer was full");
    assert_eq!(gap.entry.as_ref().expect("its entry").revision, 2);
}

#[tokio::test]
async fn what_retention_took_and_what_another_log_had_is_said() {
    let mut log = log(20);
    log.compact(Revision(11), b"").expect("compacted");
    for after in [0, 5, 9] {
        let items = all(start(&log, wanted(after, true), Pace::default())).await;
        assert!(
            matches!(&items[..], [Item::Compacted(c)] if c.oldest == 11),
            "{after}: {items:?}"
        );
    }
    let items = all(start(&log, wanted(10, false), Pace::default())).await;
    assert_eq!(revisions(&items), (11..=20).collect::<Vec<_>>());
    let mut other = wanted(10, true);
    other.log_id = vec![1; 16];
    for request in [other, wanted(21, true)] {
        let items = all(start(&log, request, Pace::default())).await;
        assert!(
            matches!(&items[..], [Item::LogReset(r)] if r.log_id == ID.0),
            "{items:?}"
        );
    }
}

#[tokio::test]
async fn retention_that_overtakes_a_reader_is_said_to_it() {
    let mut log = log(2000);
    let mut stream = start(&log, wanted(0, true), Pace::default());
    assert!(matches!(next(&mut stream).await, Some(Item::Entry(_))));
    log.compact(Revision(1900), b"").expect("compacted");
    let items = all(stream).await;
    assert!(matches!(items.last(), Some(Item::Compacted(c)) if c.oldest == 1900));
    let seen = revisions(&items);
    assert!(
        seen.windows(2).all(|w| w[1] == w[0] + 1),
        "no hole before the end"
    );
}

#[tokio::test]
async fn a_stalled_reader_is_told_so_and_slows_nobody() {
    let home = tempfile::tempdir().expect("temp dir");
    let mut log = RedbJournal::open(&home.path().join("log.redb"), ID).expect("opens");
    let pace = Pace {
        stall_limit: Duration::from_millis(200),
        ..Pace::default()
    };
    let stalled = start(&log, wanted(0, true), pace);
    let mut lively = start(&log, wanted(0, true), pace);
    for _ in 0..10 {
        let batch: Vec<Entry> = (0..100).map(|_| entry(&served("app1"))).collect();
        log.append(&batch).expect("appended");
    }
    let mut got = Vec::new();
    while got.len() < 1000 {
        got.extend(
            next(&mut lively)
                .await
                .filter(|item| matches!(item, Item::Entry(_))),
        );
    }
    assert_eq!(revisions(&got), (1..=1000).collect::<Vec<_>>());
    // It reads again only now, long after it was given up.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let items = all(stalled).await;
    assert!(
        items.len() <= UNDER_WAY + 1,
        "{} items were kept for it",
        items.len()
    );
    let seen = revisions(&items);
    let last = seen.last().copied().expect("some");
    assert!(
        matches!(items.last(), Some(Item::TooSlow(t)) if t.last == last),
        "{:?}",
        items.last()
    );
    let rest = all(start(&log, wanted(last, false), pace)).await;
    assert_eq!([seen, revisions(&rest)].concat(), (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stalled_reader_is_not_even_woken_by_what_comes() {
    let mut log = log(1000);
    let feed = Feed::new(log.reader(), &Lab::default());
    let subscription = Subscription::new(feed, wanted(0, true), Pace::default()).expect("understood");
    let (sender, receiver) = Subscription::channel();
    let (polls, mut polled) = tokio::sync::watch::channel(0_u32);
    let mut run = Box::pin(subscription.run(sender));
    tokio::spawn(std::future::poll_fn(move |context| {
        let state = run.as_mut().poll(context);
        polls.send_modify(|polls| *polls += 1);
        state
    }));
    // In this runtime only one thing happens at a time: what is seen here is between two polls.
    while receiver.len() < UNDER_WAY {
        let woken = tokio::time::timeout(PATIENCE, polled.changed()).await;
        woken.expect("it fills its channel").expect("it runs");
    }
    let before = *polled.borrow_and_update();
    for _ in 0..200 {
        log.append(&[entry(&served("app1"))]).expect("appended");
        tokio::task::yield_now().await;
    }
    assert_eq!(*polled.borrow(), before, "200 events later");
    assert_eq!(receiver.len(), UNDER_WAY);
}

#[tokio::test]
async fn a_filter_with_an_unknown_word_is_refused_by_its_field() {
    for (filter, field) in [
        (
            v1::EventFilter {
                clusters: vec!["app1".into(), "ap1".into()],
                ..Default::default()
            },
            "filter.clusters",
        ),
        (
            v1::EventFilter {
                nodes: vec!["app1-pc".into()],
                ..Default::default()
            },
            "filter.nodes",
        ),
        (
            v1::EventFilter {
                kinds: vec!["setp".into()],
                ..Default::default()
            },
            "filter.kinds",
        ),
        (
            v1::EventFilter {
                min_severity: "fatal".into(),
                ..Default::default()
            },
            "filter.min_severity",
        ),
        (
            v1::EventFilter {
                runs: vec!["abc".into()],
                ..Default::default()
            },
            "filter.runs",
        ),
        (
            v1::EventFilter {
                kinds: vec![String::new(); 65],
                ..Default::default()
            },
            "filter.kinds",
        ),
    ] {
        let mut request = wanted(0, false);
        request.filter = Some(filter);
        let feed = Feed::new(log(0).reader(), &Lab::default());
        let refused = Subscription::new(feed, request, Pace::default());
        assert_eq!(refused.expect_err("refused").field, field);
    }
}

#[tokio::test]
async fn a_run_is_found_by_the_first_digits_of_its_id() {
    let mut log = log(1);
    let [one, other] = [0x3a, 0x3b].map(|byte| Record::GatesOpened {
        run: RunId([byte; 16]),
    });
    let sealed = [&one, &other, &one].map(|record| {
        let run = match record {
            Record::GatesOpened { run } => Some(*run),
            _ => None,
        };
        let stamp = Stamp {
            run,
            ..Stamp::default()
        };
        let record = record.clone();
        Entry::sealed(Moment(0), Sealed { record, stamp }).expect("sealed")
    });
    log.append(&sealed).expect("appended");
    let mut request = wanted(0, false);
    request.filter = Some(v1::EventFilter {
        runs: vec!["3a3a3a3a".into()],
        ..v1::EventFilter::default()
    });
    let items = all(start(&log, request, Pace::default())).await;
    assert_eq!(revisions(&items), [2, 4]);
}

#[tokio::test]
async fn who_follows_is_told_that_the_coordinator_ends() {
    let log = log(1);
    let feed = Feed::new(log.reader(), &Lab::default());
    let subscription = Subscription::new(feed, wanted(0, true), Pace::default()).expect("understood");
    let (sender, mut receiver) = Subscription::channel();
    let stop = CancellationToken::new();
    tokio::spawn(subscription.run_until(sender, stop.clone()));
    assert!(matches!(next(&mut receiver).await, Some(Item::Entry(_))));
    assert!(matches!(next(&mut receiver).await, Some(Item::Bookmark(_))));
    stop.cancel();
    let last = tokio::time::timeout(PATIENCE, receiver.recv())
        .await
        .expect("in time");
    let status = last.expect("a last word").expect_err("no item");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(receiver.recv().await.is_none(), "nothing comes behind it");
}

#[tokio::test]
async fn the_typed_form_says_what_the_line_says() {
    let mut log = MemoryJournal::new(ID);
    let record = Record::EpochStarted { epoch: Epoch(3) };
    log.append(&[entry(&record)]).expect("appended");
    let items = all(start(&log, wanted(0, false), Pace::default())).await;
    let Item::Entry(entry) = &items[0] else {
        panic!("{items:?}")
    };
    let line: serde_json::Value = serde_json::from_slice(&entry.json).expect("JSON");
    let meta = entry.meta.as_ref().expect("typed");
    assert_eq!(line["kind"], meta.kind);
    assert_eq!(
        (line["class"].as_str(), meta.class.as_str()),
        (Some("log"), "log")
    );
    assert_eq!(line["severity"], meta.severity);
}
