//! A disk that fills up under the journal: what was acknowledged stays, what does not fit is refused, and the store can be
//! opened again. Needs root for a small file system of its own; the mount namespace ends with the test's thread.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

use agent::journal::{Batch, Draft, Journal, JournalError, SledJournal};
use model::event::NodeEventKind;
use model::ids::{BootId, Seq};
use model::moment::Moment;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::Path;
use std::time::{Duration, Instant};

fn stamp(size: usize) -> Draft {
    let kind = NodeEventKind::AgentStarted {
        version: "x".repeat(size),
    };
    Draft {
        time: Moment(0),
        monotonic_ms: 0,
        boot: BootId([0; 16]),
        kind,
    }
}

fn small_disk(path: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_PRIVATE | MsFlags::MS_REC,
        None::<&str>,
    )
    .expect("private");
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=24m"),
    )
    .expect("mounted");
}

/// A journal on a small disk of its own, and events enough to fill it soon; `None` without the right to mount.
fn on_a_small_disk(dir: &Path) -> Option<(SledJournal, Batch)> {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root for a mount");
        return None;
    }
    small_disk(dir);
    let folder = dir.join("journal");
    let journal = SledJournal::open(&folder, &stamp(1)).expect("opened");
    assert!(folder.join("ballast").exists(), "no ballast");
    let batch = Batch {
        events: vec![stamp(8000); 16],
        ..Batch::default()
    };
    Some((journal, batch))
}

/// Appends until the disk is full, ballast and all; gives the last number that was durable.
fn fill(journal: &mut SledJournal, batch: &Batch) -> Seq {
    let mut durable = Seq(0);
    let refused = (0..1000).find_map(|_| match journal.append(batch) {
        Ok(last) => {
            durable = last;
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(JournalError::Full)), "{refused:?}");
    durable
}

fn grow(path: &Path) {
    mount(
        Some("tmpfs"),
        path,
        None::<&str>,
        MsFlags::MS_REMOUNT,
        Some("size=64m"),
    )
    .expect("grown");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("temp");
    let Some((mut journal, batch)) = on_a_small_disk(dir.path()) else {
        return;
    };
    let folder = dir.path().join("journal");
    let durable = fill(&mut journal, &batch);
    assert!(!folder.join("ballast").exists(), "the ballast was not given up");
    // More than fits beside the ballast.
    assert!(durable.0 * 8000 > 9 << 20, "only {durable} events fitted");
    drop(journal);

    grow(dir.path());
    let mut journal = SledJournal::open(&folder, &stamp(1)).expect("opened again");
    let events = journal.read(Seq(1), usize::MAX).expect("read");
    assert!(
        events.len() >= usize::try_from(durable.0).expect("few"),
        "{} of {durable} are left",
        events.len()
    );
    assert!(
        events
            .iter()
            .all(|e| !matches!(e.kind, NodeEventKind::StoreLost { .. }))
    );
    journal.append(&batch).expect("there is room again");
}

#[test]
fn the_same_journal_goes_on_when_there_is_room_again() {
    let dir = tempfile::tempdir().expect("temp");
    let Some((mut journal, batch)) = on_a_small_disk(dir.path()) else {
        return;
    };
    let folder = dir.path().join("journal");
    // Full for the second time: what the ballast gave is used up too.
    let durable = fill(&mut journal, &batch);
    assert!(!folder.join("ballast").exists(), "the ballast is left");
    for _ in 0..3 {
        let refused = journal.append(&batch);
        assert!(matches!(refused, Err(JournalError::Full)), "{refused:?}");
    }
    // What is not in its cache the store may refuse to read as well, until there is room.
    match journal.read(Seq(1), usize::MAX) {
        Ok(kept) => assert_eq!(
            kept.last().map(|e| e.seq),
            Some(durable),
            "what was refused is there"
        ),
        Err(error) => assert!(matches!(error, JournalError::Full), "{error:?}"),
    }

    grow(dir.path());
    let began = Instant::now();
    while let Err(error) = journal.append(&batch) {
        assert!(matches!(error, JournalError::Full), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "it stays full");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(folder.join("ballast").exists(), "no ballast for the next time");
    journal.ack(durable).expect("acknowledged");
    journal.append(&batch).expect("there is room");
    drop(journal);
    let journal = SledJournal::open(&folder, &stamp(1)).expect("opened again");
    let seqs: Vec<u64> = journal
        .read(Seq(1), usize::MAX)
        .expect("read")
        .iter()
        .map(|e| e.seq.0)
        .collect();
    assert_eq!(seqs, (durable.0 + 1..=durable.0 + 32).collect::<Vec<_>>());
}
