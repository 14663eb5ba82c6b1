//! Drills: a scenario becomes a plan, the plan a run, the run a history, and the history a verdict.
//!
//! ```text
//! values/drills/NAME.yaml ──► scenario ──► plan (lab, components) ──► phases::step ──► records, effects
//!                                                       history (records + samples) ──► contracts ──► verdict
//! ```
//!
//! All of it is pure: a recorded history can be judged again, with other checks, long after the run.

pub mod history;
pub mod plan;
pub mod record;
pub mod scenario;
pub mod verdict;
