//! Who checks the checker: each bug on purpose must be found within a few hundred seeds, and by the promise that it breaks.

use crate::world;
use domain::watched::Promise;
use model::planted::{Bug, plant};

const SEEDS: u64 = 500;

/// What the bug may look like to a subscriber.
fn breaks(bug: Bug) -> &'static [Promise] {
    match bug {
        Bug::AcknowledgeBeforeFsync | Bug::GapOmitted | Bug::OutboxDroppedEarly => &[Promise::Reliable],
        Bug::BookmarkEarly => &[Promise::Bookmarkable],
        Bug::DedupOff => &[Promise::Unique],
        Bug::ResumeOffByOne => &[Promise::Resumable, Promise::Bookmarkable, Promise::Reliable],
    }
}

#[test]
fn each_bug_is_found() {
    for bug in Bug::ALL {
        plant(Some(bug));
        let found = (0..SEEDS).find_map(|seed| world::play(seed).err().map(|broken| (seed, broken)));
        plant(None);
        let (seed, broken) = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} seeds"));
        println!("{bug:?}: seed {seed}: {broken}");
        assert!(breaks(bug).contains(&broken.promise), "{bug:?} found as {broken}");
    }
}
