//! Identifiers from raw bytes, with their exact length.

use model::Invalid;
use model::ids::{BootId, Digest, Incarnation, LeaseId, LogId, RunId, StepId};

macro_rules! from_bytes {
    ($($(#[$doc:meta])* $function:ident => $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $function(bytes: &[u8]) -> Result<$name, Invalid> {
            bytes.try_into().map($name).map_err(|_| {
                Invalid::new(stringify!($function), format!("{} bytes", bytes.len()), "has the wrong length")
            })
        }
    )*};
}

from_bytes!(
    /// 32 bytes.
    step_id => StepId,
    /// 32 bytes.
    digest => Digest,
    /// 16 bytes.
    incarnation => Incarnation,
    /// 16 bytes.
    boot_id => BootId,
    /// 16 bytes.
    lease_id => LeaseId,
    /// 16 bytes.
    log_id => LogId,
    /// 16 bytes.
    run_id => RunId,
);
