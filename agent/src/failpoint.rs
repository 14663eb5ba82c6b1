//! Named stops at every durable arrow, for tests that end the process exactly there. Without the feature they are nothing.

/// A place between a durable write and its visible effect, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrow {
    /// The order is kept, nothing ran.
    Accepted,
    /// The start is kept, the helper was not asked.
    Started,
    /// The helper was asked.
    Dispatched,
    /// The marker is kept, the unit was not started.
    Marked,
    /// The unit's work is done, its result is not kept.
    Performed,
    /// The result is kept, nobody was told.
    Resulted,
    /// The report is kept, it was not sent.
    Reported,
    /// Events are acknowledged, they were not removed.
    Acknowledged,
}

/// Ends the process when a test asked for this arrow: the file named by `DRILLYARD_FAILPOINT` holds the arrow's name and
/// is removed first, so that the next life passes.
#[cfg(feature = "failpoints")]
pub fn reach(arrow: Arrow) {
    let Ok(path) = std::env::var("DRILLYARD_FAILPOINT") else {
        return;
    };
    if std::fs::read_to_string(&path).is_ok_and(|name| name.trim() == format!("{arrow:?}")) {
        let _ = std::fs::remove_file(path);
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn reach(_: Arrow) {}
