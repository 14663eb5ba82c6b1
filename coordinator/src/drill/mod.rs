//! Performs drills: `domain::drill::phases` decides, what is here asks, breaks, mends and writes down.
//!
//! ```text
//! service (one drill at a time) ─► runner ─► history (fsync) ─► stage: guards, probes, faults ─► events ─► runner
//!                                      └──► feed ─► operator ─► cli
//! ```

pub mod feed;
pub mod history;
pub mod http;
pub mod kube;
pub mod lab_stage;
mod last_looks;
pub(crate) mod leftovers;
pub mod library;
pub mod operator;
mod own_namespace;
pub mod probe;
pub mod runner;
pub mod runs;
mod secret_canary;
pub mod service;
pub mod stage;
pub mod timeline;
mod versions;
pub mod windows;
