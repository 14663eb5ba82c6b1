//! One suite for every store.

use super::{Batch, Draft, Journal, MemoryJournal, SledJournal, StepPhase, StepRecord};
use model::event::NodeEventKind;
use model::ids::{Attempt, BootId, Epoch, Incarnation, Seq, StepId};
use model::moment::Moment;
use model::step::{NodeStep, Role, StepOrder};

fn draft(n: u64) -> Draft {
    let kind = NodeEventKind::AgentStarted {
        version: n.to_string(),
    };
    Draft {
        time: Moment(7),
        monotonic_ms: n,
        boot: BootId([1; 16]),
        kind,
    }
}

fn step(n: u8) -> StepRecord {
    let body = NodeStep::ImportImages { role: Role::Worker };
    let order = StepOrder {
        step: StepId([n; 32]),
        attempt: Attempt(1),
        body,
        budget_ms: 5,
    };
    StepRecord {
        order,
        phase: StepPhase::Accepted,
        at: Moment(1),
    }
}

fn events(n: std::ops::RangeInclusive<u64>) -> Batch {
    Batch {
        events: n.map(draft).collect(),
        ..Batch::default()
    }
}

fn suite(journal: &mut dyn Journal) {
    assert_eq!(
        (journal.position().first_unacked, journal.position().last),
        (Seq(1), Seq(0))
    );
    assert_eq!(journal.append(&events(1..=5)).expect("appended"), Seq(5));
    let read = journal.read(Seq(2), 3).expect("read");
    assert_eq!(read.iter().map(|e| e.seq.0).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(
        read.iter()
            .all(|e| e.incarnation == journal.position().incarnation && e.monotonic_ms == e.seq.0)
    );

    journal.ack(Seq(3)).expect("acked");
    assert_eq!(journal.position().first_unacked, Seq(4));
    assert_eq!(journal.read(Seq(1), 9).expect("read")[0].seq, Seq(4));
    journal
        .ack(Seq(2))
        .expect("an older acknowledgement changes nothing");
    assert_eq!(journal.position().first_unacked, Seq(4));
    journal.ack(Seq(99)).expect("one beyond the end is cut");
    assert_eq!(
        (journal.position().first_unacked, journal.position().last),
        (Seq(6), Seq(5))
    );
    assert_eq!(journal.append(&events(6..=6)).expect("numbers go on"), Seq(6));

    let both = Batch {
        steps: vec![step(1), step(2)],
        epoch: Some(Epoch(4)),
        ..events(7..=7)
    };
    journal.append(&both).expect("together");
    journal
        .append(&Batch {
            epoch: Some(Epoch(2)),
            ..Batch::default()
        })
        .expect("a lower epoch");
    assert_eq!(journal.epoch(), Epoch(4));
    let done = StepRecord {
        phase: StepPhase::Started {
            boot: BootId([1; 16]),
        },
        ..step(1)
    };
    journal
        .append(&Batch {
            steps: vec![done.clone()],
            forget: vec![StepId([2; 32])],
            ..Batch::default()
        })
        .expect("replaced");
    assert_eq!(journal.steps(), [done]);

    let before = journal.position().incarnation;
    journal.renew("part of it is gone", &draft(0)).expect("renewed");
    assert_ne!(journal.position().incarnation, before);
    let kinds: Vec<_> = journal
        .read(Seq(1), 9)
        .expect("read")
        .into_iter()
        .map(|e| (e.seq.0, e.kind))
        .collect();
    assert!(
        matches!(&kinds[0], (1, NodeEventKind::StoreLost { .. })),
        "{kinds:?}"
    );
    assert_eq!(kinds.len(), 3, "what was left is kept: {kinds:?}");
    assert_eq!(journal.append(&events(4..=4)).expect("numbers go on"), Seq(4));
    assert_eq!(journal.epoch(), Epoch(4));
    assert_eq!(journal.steps().len(), 1);
}

#[test]
fn memory_conforms() {
    suite(&mut MemoryJournal::new(Incarnation([9; 16])));
}

#[test]
fn sled_conforms_and_keeps_all_of_it() {
    let dir = tempfile::tempdir().expect("temp");
    let mut journal = SledJournal::open(dir.path(), &draft(0)).expect("opened");
    suite(&mut journal);
    let (position, steps, read) = (
        journal.position(),
        journal.steps(),
        journal.read(Seq(1), 99).expect("read"),
    );
    drop(journal);
    let again = SledJournal::open(dir.path(), &draft(0)).expect("opened again");
    assert_eq!(again.position(), position);
    assert_eq!((again.epoch(), again.steps()), (Epoch(4), steps));
    assert_eq!(again.read(Seq(1), 99).expect("read"), read);
}

fn only_store_lost(journal: &SledJournal, contains: &str) {
    let first = journal.read(Seq(1), 1).expect("read").remove(0);
    assert!(
        matches!(&first.kind, NodeEventKind::StoreLost { reason } if reason.contains(contains)),
        "{first:?}"
    );
}

#[test]
fn damage_is_put_aside_and_declared_and_the_epoch_survives() {
    let dir = tempfile::tempdir().expect("temp");
    let path = dir.path().join("journal");
    let mut journal = SledJournal::open(&path, &draft(0)).expect("opened");
    journal
        .append(&Batch {
            epoch: Some(Epoch(9)),
            ..events(1..=200)
        })
        .expect("appended");
    drop(journal);
    let db = path.join("store/db");
    let mut bytes = std::fs::read(&db).expect("read");
    for (at, byte) in bytes.iter_mut().enumerate().take(4096).skip(16) {
        *byte ^= u8::try_from(at % 251).unwrap_or(1) | 1;
    }
    std::fs::write(&db, bytes).expect("damaged");
    let journal = SledJournal::open(&path, &draft(0)).expect("opened anyway");
    only_store_lost(&journal, "journal");
    assert_eq!(journal.epoch(), Epoch(9));
}

#[test]
fn a_tail_lost_without_a_word_is_declared() {
    let dir = tempfile::tempdir().expect("temp");
    let path = dir.path().join("journal");
    let (old, new) = (dir.path().join("old"), path.join("store"));
    let mut journal = SledJournal::open(&path, &draft(0)).expect("opened");
    journal.append(&events(1..=10)).expect("appended");
    drop(journal);
    copy(&new, &old);
    let mut journal = SledJournal::open(&path, &draft(0)).expect("opened");
    journal.append(&events(11..=20)).expect("appended");
    drop(journal);
    std::fs::remove_dir_all(&new).expect("removed");
    copy(&old, &new);
    let journal = SledJournal::open(&path, &draft(0)).expect("opened");
    only_store_lost(&journal, "11");
    assert_eq!(journal.position().last, Seq(11), "the ten that are left are kept");
}

#[test]
fn a_store_that_vanished_is_declared() {
    let dir = tempfile::tempdir().expect("temp");
    let mut journal = SledJournal::open(dir.path(), &draft(0)).expect("opened");
    journal.append(&events(1..=3)).expect("appended");
    drop(journal);
    std::fs::remove_dir_all(dir.path().join("store")).expect("removed");
    only_store_lost(
        &SledJournal::open(dir.path(), &draft(0)).expect("opened"),
        "1 to 3",
    );
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
