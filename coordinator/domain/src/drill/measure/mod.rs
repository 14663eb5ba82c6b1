//! The arithmetic of a drill. Everything here is a function of what was observed: no clock, no I/O.

pub mod exposition;
pub mod horizon;
pub mod interval;
pub mod ledger;
pub mod loss_cause;
pub mod quantity;
pub mod recovered;
pub mod slo;
pub mod span;
pub mod staleness;
pub mod stamp;
pub mod wal;
