//! The coordinator dies at every durable arrow: before each write of its log, and between each write and what follows from
//! it. The real engine over the real log; agents and host are as small as a promise allows, and count what they run.
//!
//! Each life goes on from the log of the one before. In the end the run has succeeded, nothing ran twice in one attempt,
//! and the recorded history keeps every promise.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod life;
mod mortal;
mod world;

use crate::mortal::{Arrow, Mortal};
use crate::world::{End, World};
use coordinator::journal::{Entry, Journal, RedbJournal};
use domain::history::{self, Line};
use domain::record::RunOutcome;
use model::ids::{Attempt, LogId, Revision};
use std::path::Path;

fn open(path: &Path) -> RedbJournal {
    RedbJournal::open(path, LogId([9; 16])).expect("the log opens")
}

fn recorded(path: &Path) -> Vec<Line> {
    let log = open(path);
    let entries = log.read(Revision(0), usize::MAX).expect("readable");
    let line = |(revision, entry): (Revision, Entry)| Line {
        revision,
        time: entry.time,
        record: serde_json::from_slice(&entry.json).expect("a record"),
    };
    entries.into_iter().map(line).collect()
}

/// Dies at the `nth` write by `arrow`, lives again, and says what became of it: whether there was such a write, or what went
/// wrong. With `forgets`, agents lose their ledgers in between, which no promise allows.
async fn die_at(nth: u32, arrow: Arrow, forgets: bool) -> Result<bool, String> {
    // A killed process leaves what it wrote to the kernel: memory is as good as a disk here, and much faster.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("temp");
    let path = dir.path().join("log.redb");
    let mut world = World::new();
    let mortal = Mortal {
        inner: open(&path),
        arrow,
        left: nth,
    };
    if world.live(Box::new(mortal)).await != End::Died {
        return Ok(false);
    }
    if forgets {
        world.agents.values_mut().for_each(|agent| agent.ledger.clear());
    }
    let end = world.live(Box::new(open(&path))).await;
    judge(&world, &end, &recorded(&path)).map_err(|what| format!("write {nth}, {arrow:?}: {what}"))?;
    Ok(true)
}

fn judge(world: &World, end: &End, lines: &[Line]) -> Result<(), String> {
    if *end != End::Finished(RunOutcome::Succeeded) {
        return Err(format!("the run ended with {end:?}"));
    }
    for ((step, attempt), times) in &world.ran {
        if *times != 1 {
            return Err(format!(
                "step {} attempt {attempt} ran {times} times",
                step.short()
            ));
        }
        if *attempt > Attempt(1) && !world.host.contains(step) {
            return Err(format!("step {} was run again on its node", step.short()));
        }
    }
    match history::check(lines) {
        Ok(summary) if summary.finished && summary.claims == 1 => Ok(()),
        Ok(summary) => Err(format!("{summary:?}")),
        Err(broken) => Err(format!("{broken:#?}")),
    }
}

#[tokio::test]
async fn a_coordinator_that_dies_at_any_write_is_carried_on() {
    let mut writes = 0;
    for nth in 1.. {
        let (before, after) = tokio::join!(
            die_at(nth, Arrow::BeforeWrite, false),
            die_at(nth, Arrow::AfterWrite, false)
        );
        if !before.expect("no promise broken") && !after.expect("no promise broken") {
            break;
        }
        writes += 1;
    }
    println!("died before and after each of {writes} writes");
    assert!(
        writes > 40,
        "only {writes} writes: the run is too short to mean anything"
    );
}

/// The control: a defect that these tests are there to find.
#[tokio::test]
async fn agents_that_forget_what_they_did_are_found_out() {
    let mut found = false;
    for nth in 1..60 {
        found |= die_at(nth, Arrow::BeforeWrite, true).await.is_err();
        if found {
            break;
        }
    }
    assert!(found, "lost ledgers went unnoticed");
}
