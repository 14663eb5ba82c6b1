//! How every daemon of Drillyard starts, logs, secures itself and stops.
//!
//! Small on purpose: whatever is here rides into every node. Works on a current-thread runtime.

pub mod backoff;
pub mod channel;
pub mod clock;
pub mod limited;
pub mod private_file;
pub mod signals;
pub mod tasks;
pub mod telemetry;
pub mod tls;
