//! Scaled twins: the real Prometheus at a truncate period of seconds, to hold the forecast against what it really does.
//!
//! ```text
//! canary ──scraped by──► Prometheus in agent mode ──remote write──► gate ──► Prometheus receiver
//!    │ log of what it served         │ metrics, WAL folder            │ closed for the outage   │ what arrived
//!    └───────────────────────────────┴──── forecast and ledger of `domain::drill::measure` ─────┘
//! ```
//!
//! Everything listens on loopback, ports are free ones, processes end with their owner.

pub mod arrived;
pub mod canary;
pub mod gate;
pub mod http;
pub mod plan;
pub mod prometheus;
pub mod run;
pub mod watch;
