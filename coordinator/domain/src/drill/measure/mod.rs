//! The arithmetic of a drill. Everything here is a function of what was observed: no clock, no I/O.

pub mod exposition;
pub mod quantity;
pub mod span;
pub mod stamp;
pub mod wal;
