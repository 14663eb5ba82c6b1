//! Metrics for Prometheus and over OTLP: what is counted where it happens, what is read from the log, and what is looked up at a scrape.
//!
//! ```text
//! journal, agents ─► instruments ◄─ follow (the durable log)
//!                        ▲
//! GET /metrics ─► scrape ┴─ engine, hub, subscribers, certificates, /proc/self
//!                    │
//! push (OTLP) ◄──────┘  the same text, read back by `exposition`
//! ```
//!
//! Labels are closed sets: no name of a node, component or run is ever one, so the number of series has a bound. All names
//! with their units and sources are in `docs/telemetry.md`.

mod exposition;
mod follow;
mod http;
mod instruments;
mod otlp;
mod process;
mod push;
mod scrape;

pub use follow::follow;
pub use http::routes;
pub use instruments::{LogTimes, Metrics};
pub use push::{interval, push};
pub use scrape::{Opened, Sources};

#[cfg(test)]
mod tests;
