//! The note a daemon leaves of itself, checked by process start time so that a reused pid is never taken for it.

use crate::files::write_private;
use crate::places::Places;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::{Duration, Instant};

/// Pause between two looks at a process that is to end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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

    /// Sends `signal` to this one process; whoever calls has just found it [alive](Self::alive).
    pub(crate) fn signal(&self, signal: Signal) -> nix::Result<()> {
        let pid = i32::try_from(self.pid).map_err(|_| Errno::ESRCH)?;
        kill(Pid::from_raw(pid), signal)
    }

    /// Waits until the process holds nothing any more, for no longer than `limit`; false when it still does then.
    pub(crate) async fn is_gone_within(&self, places: &Places, limit: Duration) -> bool {
        let since = Instant::now();
        while Self::alive(places).as_ref() == Some(self) {
            if since.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
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
    use std::process::Command;

    #[tokio::test]
    async fn a_process_that_was_killed_is_gone_and_another_one_is_not() {
        let home = tempfile::tempdir().expect("temp");
        let places = Places::at(home.path());
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let record = DaemonRecord {
            pid: child.id(),
            start_ticks: start_ticks(child.id()).expect("it runs"),
        };
        let note = serde_json::to_vec(&record).expect("JSON");
        std::fs::write(places.daemon_record(), note).expect("written");
        assert!(!record.is_gone_within(&places, LOOK_EVERY * 2).await);
        record.signal(Signal::SIGKILL).expect("sent");
        // Nobody waits for it yet: it is a zombie.
        let gone = record.is_gone_within(&places, Duration::from_secs(10)).await;
        child.wait().expect("ended");
        assert!(gone);
    }

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
