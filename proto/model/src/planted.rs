//! Bugs on purpose, to prove that the tests would find them: one of them is switched on for the current thread.
//!
//! They exist with the feature `planted-bugs` only, which no program of ours asks for and a release build refuses. Without
//! it [`is`] is a constant false, and nothing of this is left.

/// A promise of the event stream that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The coordinator acknowledges events before they are durable.
    AcknowledgeBeforeFsync,
    /// A bookmark is sent before the entries that it covers.
    BookmarkEarly,
    /// Events that come again are taken again.
    DedupOff,
    /// A subscriber that comes back is served from one entry too late.
    ResumeOffByOne,
    /// Numbers that an agent declared as missing are skipped without a word.
    GapOmitted,
    /// The agent forgets events once they are sent.
    OutboxDroppedEarly,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 6] = [
        Bug::AcknowledgeBeforeFsync,
        Bug::BookmarkEarly,
        Bug::DedupOff,
        Bug::ResumeOffByOne,
        Bug::GapOmitted,
        Bug::OutboxDroppedEarly,
    ];
}

#[cfg(all(feature = "planted-bugs", not(debug_assertions)))]
compile_error!("a release has no bugs on purpose: build without the feature planted-bugs");

#[cfg(feature = "planted-bugs")]
thread_local! {
    static ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Switches one on for this thread, or all off.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    ON.set(bug);
}

/// Whether this one is on.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    ON.get() == Some(bug)
}

/// Never.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
pub const fn is(_: Bug) -> bool {
    false
}
