//! Runs typed steps on a node and reports.
//!
//! Two processes and one short-lived unit per step:
//!
//! ```text
//! coordinator <── mTLS, gRPC ──> front (user drillyard: session, journal, health)
//!                                  │ Unix socket, peer credentials checked
//!                                exec (root, no network: validates again, starts units)
//!                                  │ systemd-run
//!                                drillyard-step-ID-ATTEMPT.service  ── result file ──> exec ──> front
//! ```
//!
//! A step's unit belongs to PID 1, so it survives both processes. What it found is a file, written before anybody is
//! told; whoever comes back later reads that file. Nothing here decides what runs next: the coordinator does.

pub mod clock;
pub mod codes;
pub mod command;
pub mod durable;
pub mod evidence;
pub mod exec;
pub mod failpoint;
pub mod fault;
pub mod front;
pub mod install;
pub mod journal;
pub mod logs;
pub mod node_log;
pub mod notify;
pub mod paths;
pub mod secret;
pub mod seed;
pub mod step;

pub use model::redact;
