//! Drills: failing a part on purpose and measuring what that does.
//!
//! ```text
//! values/drills/NAME.yaml ──► scenario ──► plan (lab, components) ──► phases::step ──► records, effects
//!                                                       history (records + samples) ──► contracts ──► report
//! ```
//!
//! [`measure`] is the arithmetic: windows, ledgers, intervals, from what was observed. [`report`] is the document that a
//! run ends with and its renderings. Neither knows how a fault is made or how an observation is had. A recorded history
//! can be judged again, with other checks, long after the run.

pub mod arrival;
pub mod assemble;
pub mod backlog;
pub mod contract;
pub mod contracts;
pub mod countdown;
pub mod deed;
pub mod driller_kill;
pub mod foresight;
pub mod history;
pub mod live;
pub mod measure;
pub mod not_covered;
pub mod phases;
pub mod plan;
pub mod record;
pub mod report;
pub mod scenario;
