//! The one place where the coordinator reads its clocks and its host's boot.

use model::ids::BootId;
use model::moment::Moment;

/// Wall time now.
pub fn now() -> Moment {
    Moment(shell::clock::unix_micros())
}

/// Milliseconds of the monotonic clock.
pub fn monotonic_ms() -> u64 {
    shell::clock::monotonic_ms()
}

/// The host's boot, where the kernel tells it.
pub fn boot_id() -> Option<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    BootId::parse(&text.trim().replace('-', "")).ok()
}
