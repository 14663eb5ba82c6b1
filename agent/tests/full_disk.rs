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

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: needs root for a mount");
        return;
    }
    let dir = tempfile::tempdir().expect("temp");
    small_disk(dir.path());
    let folder = dir.path().join("journal");
    let mut journal = SledJournal::open(&folder, &stamp(1)).expect("opened");
    assert!(folder.join("ballast").exists(), "no ballast");
    let batch = Batch {
        events: vec![stamp(8000); 16],
        ..Batch::default()
    };
    let mut durable = Seq(0);
    let refused = (0..1000).find_map(|_| match journal.append(&batch) {
        Ok(last) => {
            durable = last;
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(JournalError::Full)), "{refused:?}");
    assert!(!folder.join("ballast").exists(), "the ballast was not given up");
    // More than fits beside the ballast.
    assert!(durable.0 * 8000 > 9 << 20, "only {durable} events fitted");
    drop(journal);

    mount(
        Some("tmpfs"),
        dir.path(),
        None::<&str>,
        MsFlags::MS_REMOUNT,
        Some("size=64m"),
    )
    .expect("grown");
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
