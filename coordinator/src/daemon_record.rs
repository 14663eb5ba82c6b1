//! The note a daemon leaves of itself, checked by process start time so that a reused pid is never taken for it.

use crate::files::write_private;
use crate::places::Places;
use serde::{Deserialize, Serialize};
use std::io;

/// Which process serves the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonRecord {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`; 0 where there is no /proc.
    pub start_ticks: u64,
}

impl DaemonRecord {
    /// Writes the note for this process.
    pub fn write(places: &Places) -> io::Result<()> {
        let pid = std::process::id();
        let record = DaemonRecord {
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
        };
        write_private(&places.daemon_record(), &serde_json::to_vec(&record)?)
    }

    /// The note of a daemon that still runs.
    pub fn alive(places: &Places) -> Option<DaemonRecord> {
        let text = std::fs::read(places.daemon_record()).ok()?;
        let record: DaemonRecord = serde_json::from_slice(&text).ok()?;
        (start_ticks(record.pid)? == record.start_ticks).then_some(record)
    }
}

/// Start time of a process that still holds what it had: its lock, its ports.
fn start_ticks(pid: u32) -> Option<u64> {
    of_holder(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// None for a process of which nothing but its exit status is left. One that is killed shows as a zombie as soon as its first
/// thread is gone; the others may be busy for a while and hold everything open meanwhile.
fn of_holder(stat: &str) -> Option<u64> {
    // The command in parentheses may hold spaces and parentheses; fields are counted after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let zombie = fields.next()? == "Z";
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    if zombie && threads <= 1 {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_gone_only_when_its_last_thread_is() {
        let stat = |state: &str, threads: u32| {
            format!(
                "77 (coordinator (x) y) {state} 1 7 7 0 -1 4 9 0 0 0 5 6 0 0 20 0 {threads} 0 4711 8192 1"
            )
        };
        assert_eq!(of_holder(&stat("S", 7)), Some(4711));
        assert_eq!(of_holder(&stat("Z", 3)), Some(4711), "two threads still run");
        assert_eq!(of_holder(&stat("Z", 1)), None);
        assert_eq!(of_holder(""), None);
    }
}
