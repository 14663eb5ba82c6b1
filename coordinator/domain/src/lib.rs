//! Everything the coordinator concludes; nothing is performed here.
//!
//! ```text
//! event ──► machine::step(state, event, now) ──► records ──► (engine: append, fsync) ──► State::apply
//!                                          └──► effects ──► (engine: perform) ──► next event
//! ```
//!
//! No clock, no randomness, no I/O: the same events at the same moments give the same records. A restart is a fold of
//! the records, so there is one path for boot and for steady state.

pub mod capability;
pub mod catalogue;
pub mod certs;
pub mod component;
pub mod critical_path;
pub mod diagnosis;
pub mod document;
pub mod drill;
pub mod effect;
pub mod event;
pub mod filter;
pub mod health;
pub mod history;
pub mod leases;
pub mod machine;
pub mod phases;
pub mod plan;
pub mod record;
pub mod render;
pub mod render_account;
pub mod signs;
pub mod state;
pub mod status;
pub mod wait;
pub mod watched;
