//! Traces over OTLP: one per run, made from the durable log.
//!
//! ```text
//! run ─┬─ phase 1 ─┬─ step, attempt 1          by the coordinator's clock: decided to outcome
//!      │           │    └─ the node's part     by the agent's times in its events, the clocks' offset taken out
//!      │           └─ step, attempt 2
//!      └─ phase 2 ...
//! ```
//!
//! Ids are derived from run, phase, step and attempt: two lives of the coordinator that tell of the same span name it
//! alike, and agents need neither a tracer nor a way to the collector.

mod export;
mod fold;
mod otlp;

pub use export::export;

#[cfg(test)]
mod tests;
