//! Log twins: the real collector and the real log store on loopback, with the configuration that the components ship.
//!
//! ```text
//! emitter ──lines as containerd writes them──► file ──► OpenTelemetry Collector ──OTLP──► VictoriaLogs
//!    │ what was written                                    │ offsets and queue on disk       │ what arrived
//!    └─────────────────────────────── ledger of `domain::drill::measure` ────────────────────┘
//! ```

pub mod emitter;
pub mod programs;
pub mod run;
