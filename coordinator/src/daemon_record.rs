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

/// Start time of a process that exists and is no zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command in parentheses may hold spaces and parentheses; fields are counted after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
