//! The deadline clock of a live drill: what is read of a metrics agent becomes the tick at which its backlog dies.
//!
//! ```text
//! samples of a `metrics_log` probe ─► Reading ─► Tracker ─► Outlook ─► deadline, time left
//!                                                              └─► Foretold (a record, before anything is broken)
//! ```
//!
//! Everything is folded from recorded samples, so the run, its abort rules and a judge years later compute the same. The
//! rule itself is [`measure::wal`](super::measure::wal).

mod foretold;
mod input;
mod outlook;
mod reading;
mod tracker;
mod windows;

pub use foretold::{Foretold, Input, Promise};
pub use input::{INPUTS, InputKind, names};
pub use outlook::Outlook;
pub(crate) use outlook::SCRAPE;
pub use reading::Reading;
pub use tracker::Tracker;
pub use windows::{PlannedWindow, logs};
