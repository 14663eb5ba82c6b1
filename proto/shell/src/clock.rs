//! The one place that reads clocks; everything else is handed a value.

use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch; 0 when the clock stands before it.
pub fn unix_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// Milliseconds of the monotonic clock, which nobody sets, and which stands still while the machine is suspended.
pub fn monotonic_ms() -> u64 {
    milliseconds(ClockId::CLOCK_MONOTONIC)
}

/// Milliseconds since the machine booted, suspended or not.
pub fn since_boot_ms() -> u64 {
    milliseconds(BOOT)
}

#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
/// Elsewhere the monotonic clock goes on while the machine sleeps.
#[cfg(not(target_os = "linux"))]
const BOOT: ClockId = ClockId::CLOCK_MONOTONIC;

fn milliseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |t| {
        let secs = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        secs.saturating_mul(1000).saturating_add(nanos / 1_000_000)
    })
}
