//! The coordinator is away for an hour at full health rate, in volume instead of waiting: the real sled journal and outbox,
//! then a real engine that takes all of it. And a buffer that overflows: what goes, what stays, and what is said of it.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use agent::clock;
use agent::front::outbox::{BATCH_EVENTS, Expectation, Outbox};
use agent::journal::{Batch, Draft, Journal, JournalError, QUOTA, SledJournal, StepPhase, StepRecord};
use coordinator::engine::Engine;
use coordinator::envelope::Stamper;
use coordinator::journal::{Journal as _, JournalReader, MemoryJournal};
use coordinator::subscribe_grpc::{Feed, Pace, Subscription};
use domain::effect::Effect;
use domain::event::{Event, SessionId};
use domain::watched::{Figures, History, Produced, Seen, Subscriber, check};
use model::event::{NodeEvent, NodeEventKind};
use model::fact::NodeFacts;
use model::ids::{Attempt, BootId, LogId, NodeName, Seq, StepId};
use model::lab::Lab;
use model::moment::Moment;
use model::step::{NodeStep, Role, StepOrder};
use proto::v1::SubscribeRequest;
use proto::v1::subscribe_response::Item;
use std::path::Path;

const NODE: &str = "app1-cp";
/// Samples of an hour: one each five seconds.
const SAMPLES: i64 = 720;
const EVERY_MICROS: i64 = 5_000_000;
/// Bytes of the long ones: a record may have 32 KiB.
const LONG: u64 = 28 << 10;

fn draft(time: Moment, kind: NodeEventKind) -> Draft {
    Draft {
        time,
        monotonic_ms: 0,
        boot: BootId([1; 16]),
        kind,
    }
}

struct Node {
    journal: SledJournal,
    produced: Vec<Produced>,
}

impl Node {
    fn new(folder: &Path) -> Self {
        let started = NodeEventKind::AgentStarted { version: "1".into() };
        let journal = SledJournal::open(folder, &draft(clock::now(), started)).expect("opened");
        Self {
            journal,
            produced: Vec::new(),
        }
    }

    /// One that must never be lost.
    fn mark(&mut self, time: Moment) -> Draft {
        self.marked(time, 0)
    }

    /// One of the largest that must never be lost.
    fn long_mark(&mut self) -> Draft {
        self.marked(clock::now(), LONG)
    }

    fn marked(&mut self, time: Moment, padding: u64) -> Draft {
        let padding = "x".repeat(usize::try_from(padding).expect("small"));
        let mark = format!("mark {} {padding}", self.produced.len());
        self.produced.push(Produced {
            node: NODE.into(),
            mark: mark.clone(),
            acknowledged: true,
            may_drop: false,
        });
        draft(time, NodeEventKind::AgentStarted { version: mark })
    }

    fn append(&mut self, events: Vec<Draft>) {
        let batch = Batch {
            events,
            ..Batch::default()
        };
        self.journal.append(&batch).expect("appended");
    }

    /// Bytes of all events that the journal keeps now, as JSON.
    fn kept(&self) -> u64 {
        let events = self.journal.read(Seq(0), usize::MAX).expect("read");
        events.iter().map(size).sum()
    }

    /// The coordinator is back: the outbox delivers all, and the journal forgets what was acknowledged.
    fn deliver(&mut self) -> JournalReader {
        let node = NodeName::new(NODE).expect("valid");
        let log = MemoryJournal::new(LogId([3; 16]));
        let reader = log.reader();
        let opened = Engine::open(Box::new(log), Stamper::default(), |_| None);
        let (mut engine, handle, mut effects) = opened.expect("opened");
        let position = self.journal.position();
        let session = SessionId(1);
        handle.submit(Event::AgentConnected {
            node: node.clone(),
            session,
            version: "1".into(),
            boot: BootId([1; 16]),
            incarnation: position.incarnation,
            first_unacked: position.first_unacked,
            last_seq: position.last,
        });
        let (mut outbox, expectation) = Outbox::expect(Seq(1), position);
        assert_eq!(expectation, Expectation::Fits);
        while let Some(from) = outbox.next(position.last) {
            let events = self.journal.read(from, BATCH_EVENTS).expect("read");
            outbox.sent(events.last().expect("some").seq);
            let node = node.clone();
            handle.submit(Event::NodeEvents {
                node,
                session,
                events,
            });
            engine.turn().expect("durable");
            while let Ok(effect) = effects.try_recv() {
                if let Effect::AckEvents { upto, .. } = effect {
                    outbox.acked(upto);
                    self.journal.ack(outbox.forgettable()).expect("forgotten");
                }
            }
        }
        let left = self.journal.position();
        assert!(left.first_unacked > left.last, "all was acknowledged: {left:?}");
        reader
    }
}

/// Everything of the log as a subscriber gets it.
async fn seen(log: &JournalReader) -> Vec<Item> {
    let request = SubscribeRequest::default();
    let feed = Feed::new(log.clone(), &Lab::default());
    let subscription = Subscription::new(feed, request, Pace::default());
    let (sender, mut stream) = Subscription::channel();
    tokio::spawn(subscription.expect("understood").run(sender));
    let mut items = Vec::new();
    while let Some(sent) = stream.recv().await {
        items.extend(sent.expect("no error").item);
    }
    items
}

fn judge(produced: Vec<Produced>, log: &JournalReader, items: &[Item]) -> Figures {
    let seen = items.iter().filter_map(tests::watched::seen);
    let subscriber = Subscriber {
        name: "after the outage".into(),
        nodes: None,
        seen: std::iter::once(Seen::Asked(0)).chain(seen).collect(),
    };
    let history = History {
        produced,
        subscribers: vec![subscriber],
        head: log.head().0,
        ..History::default()
    };
    check(&history).unwrap_or_else(|broken| panic!("{broken}"))
}

#[tokio::test]
async fn an_hour_without_a_coordinator_loses_nothing_and_says_how_late_it_is() {
    let folder = tempfile::tempdir().expect("temp");
    let mut node = Node::new(folder.path());
    let began = clock::now().0 - SAMPLES * EVERY_MICROS;
    for sample in 0..SAMPLES {
        let time = Moment(began + sample * EVERY_MICROS);
        let facts = NodeFacts::default();
        let mut events = vec![node.mark(time)];
        events.push(draft(time, NodeEventKind::Health { facts }));
        node.append(events);
    }
    let log = node.deliver();
    let items = seen(&log).await;
    let figures = judge(node.produced, &log, &items);
    assert_eq!((figures.acknowledged, figures.gaps), (720, 0));
    let late: Vec<u64> = items
        .iter()
        .filter_map(|item| match item {
            Item::Entry(entry) => Some(entry.meta.as_ref()?.origin.as_ref()?.late_by_ms),
            _ => None,
        })
        .collect();
    assert_eq!(late.len(), 1440, "samples too: the buffer holds an hour");
    assert!(
        late[0] >= 3_600_000 && late[1439] >= 5_000,
        "{} to {}",
        late[0],
        late[1439]
    );
    assert!(
        late[1439] < 600_000,
        "the last is minutes old at most: {}",
        late[1439]
    );
}

/// What may be on the disk, the ballast included: sled frees the room of what is gone late and in whole segments, so that its file
/// is a few times its records (202 MiB were measured). Without thinning it would be more than [`ROUNDS`] times the quota.
const DISK: u64 = 4 * QUOTA;
/// How often the quota is written.
const ROUNDS: u64 = 8;

#[tokio::test]
async fn an_overflowing_buffer_thins_samples_out_says_so_and_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("temp");
    let mut node = Node::new(folder.path());
    let progress = progress();
    let facts = NodeFacts::default();
    let (mut written, mut looked, mut peak, mut most) = (0, 0, 0, 0);
    while written < ROUNDS * QUOTA {
        let mut events = vec![node.mark(clock::now())];
        for _ in 0..16 {
            events.push(draft(
                clock::now(),
                NodeEventKind::Health { facts: facts.clone() },
            ));
            events.push(draft(clock::now(), progress.clone()));
            written += LONG;
        }
        node.append(events);
        peak = peak.max(files(folder.path()));
        // Not at the same place of each round.
        if written - looked > QUOTA * 3 / 10 {
            (looked, most) = (written, most.max(node.kept()));
        }
    }
    most = most.max(node.kept());
    println!("{written} bytes written, at most {most} kept as records and {peak} on disk");
    assert!(
        most > QUOTA / 2,
        "{most} bytes of records: samples go before they must"
    );
    assert!(most <= QUOTA, "{most} bytes of records");
    assert!(peak <= DISK, "{peak} bytes on disk");
    let log = node.deliver();
    let items = seen(&log).await;
    let figures = judge(node.produced, &log, &items);
    println!("{figures:?}");
    assert!(figures.gaps > 0, "the thinning was declared");
}

/// What never drops has no quota. What does drop stays small beside it all the same, and no new step begins.
#[tokio::test]
async fn a_buffer_full_of_what_never_drops_keeps_all_of_it_and_begins_nothing_new() {
    let folder = tempfile::tempdir().expect("temp");
    let mut node = Node::new(folder.path());
    let (mut never, mut begun) = (0, true);
    while never < QUOTA * 5 / 4 {
        let mut events = Vec::new();
        for _ in 0..16 {
            events.push(node.long_mark());
            never += LONG;
        }
        for _ in 0..4 {
            events.push(draft(clock::now(), progress()));
        }
        node.append(events);
        if begun {
            begun = match node.journal.append(&accepted()) {
                Ok(_) => true,
                Err(JournalError::Full) => false,
                Err(error) => panic!("{error}"),
            };
            let share = never * 100 / QUOTA;
            // A record is a little more than its text.
            let right = if begun { share < 90 } else { share >= 88 };
            assert!(right, "begun: {begun}, with {share} % of what never drops");
        }
    }
    let events = node.journal.read(Seq(0), usize::MAX).expect("read");
    let droppable: u64 = events.iter().filter(|e| e.kind.may_drop()).map(size).sum();
    assert!(
        droppable < QUOTA / 10,
        "{droppable} bytes of what may drop are left"
    );
    let log = node.deliver();
    let items = seen(&log).await;
    let figures = judge(std::mem::take(&mut node.produced), &log, &items);
    assert!(figures.gaps > 0, "the thinning was declared");
    node.journal.append(&accepted()).expect("there is room again");
}

/// Bytes of a record, but for its frame.
fn size(event: &NodeEvent) -> u64 {
    let text = serde_json::to_vec(event).expect("JSON");
    u64::try_from(text.len()).expect("few")
}

/// One of the largest that may be dropped.
fn progress() -> NodeEventKind {
    NodeEventKind::StepProgress {
        step: StepId([2; 32]),
        attempt: Attempt(1),
        message: "x".repeat(usize::try_from(LONG).expect("small")),
    }
}

/// A new step is taken.
fn accepted() -> Batch {
    let order = StepOrder {
        step: StepId([2; 32]),
        attempt: Attempt(1),
        body: NodeStep::ImportImages { role: Role::Worker },
        budget_ms: 5,
    };
    Batch {
        steps: vec![StepRecord {
            order,
            phase: StepPhase::Accepted,
            at: Moment(1),
        }],
        ..Batch::default()
    }
}

fn files(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => files(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
