//! Named stops at every durable arrow, for tests that end the process exactly there, and another root for whole processes.
//! Without the feature they are nothing.

use std::path::{Path, PathBuf};

#[cfg(feature = "failpoints")]
const ROOT: &str = "DRILLYARD_ROOT";

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
    /// The end is kept, what the step yielded was not handed over.
    Finished,
    /// What the step yielded was handed over, it was not forgotten.
    HandedOver,
    /// The report is kept, it was not sent.
    Reported,
    /// Events are acknowledged, they were not removed.
    Acknowledged,
    /// The undo of a fault is kept, no timer is armed.
    LeaseRecorded,
    /// The timer is armed, nothing is broken.
    LeaseArmed,
    /// The fault is there, that is not kept.
    Injected,
    /// The fault is gone, that is not kept.
    Mended,
}

impl Arrow {
    /// All of them.
    pub const ALL: [Arrow; 10] = [
        Arrow::Accepted,
        Arrow::Started,
        Arrow::Dispatched,
        Arrow::Marked,
        Arrow::Performed,
        Arrow::Resulted,
        Arrow::Finished,
        Arrow::HandedOver,
        Arrow::Reported,
        Arrow::Acknowledged,
    ];
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

/// The folder that a process takes for `/`: `DRILLYARD_ROOT` in a crash test.
#[cfg(feature = "failpoints")]
pub fn root() -> PathBuf {
    std::env::var_os(ROOT).map_or_else(|| "/".into(), PathBuf::from)
}

/// `/`.
#[cfg(not(feature = "failpoints"))]
pub fn root() -> PathBuf {
    "/".into()
}

/// Where the program at an absolute path is: below the same folder, so that a crash test never reaches the host's own.
#[cfg(feature = "failpoints")]
pub(crate) fn program(path: &Path) -> PathBuf {
    crate::paths::Paths::below(root()).at(path)
}

/// There.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn program(path: &Path) -> PathBuf {
    path.to_owned()
}

/// How far a test has set this node's wall clock, microseconds: what the file `clock` below the root says.
#[cfg(feature = "failpoints")]
pub(crate) fn clock_shift() -> i64 {
    let Some(root) = std::env::var_os(ROOT) else {
        return 0;
    };
    let text = std::fs::read_to_string(Path::new(&root).join("clock")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Not at all.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn clock_shift() -> i64 {
    0
}

/// The user to let in although it is not the front's: a crash test runs both processes as its own.
#[cfg(feature = "failpoints")]
pub(crate) fn stand_in() -> Option<(u32, u32)> {
    let is_test = std::env::var_os(ROOT).is_some();
    is_test.then(|| (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()))
}

/// Nobody.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn stand_in() -> Option<(u32, u32)> {
    None
}
