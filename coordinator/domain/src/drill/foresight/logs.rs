//! How long a node keeps the lines that its log shipper has not read, when the shipper stops reading.
//!
//! The kubelet turns a container's log file over when it is full, and leaves the newest of the full ones as it is: the others
//! are compressed, and a shipper reads those no more. So what is written next is there until one file more is full, and two
//! at most. What the shipper read before and still holds in its queue lives longer. That it holds back reading when its
//! queue is full, and tries without end, is how values/components/log-shipper is set up; nobody looks whether it is.

use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use model::ids::ClusterName;
use serde::Serialize;

/// What a node keeps of a container's log, and how fast that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogRoom {
    /// Bytes of a full file, by the kubelet's own configuration.
    pub file_bytes: u64,
    /// Bytes that were written in that time.
    pub written: u64,
    /// How long that was looked at, seconds.
    pub over_seconds: u64,
}

/// One cluster's. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedLog {
    /// Cluster of the shipper.
    pub cluster: ClusterName,
    /// What it follows from.
    pub room: Option<LogRoom>,
    /// How long unread lines are there, when the file in use is nearly full.
    pub guaranteed: Option<Quantity>,
    /// And when it is new.
    pub best: Option<Quantity>,
    /// Why it is not known.
    pub unknown: Option<String>,
}

impl PlannedLog {
    /// From what was seen, or from why nothing was.
    pub fn new(cluster: &ClusterName, seen: Result<LogRoom, String>) -> Self {
        let lives = seen.and_then(|room| match room.lives() {
            Some(lives) => Ok((room, lives)),
            None => Err(format!("no line was written in {} s", room.over_seconds)),
        });
        let (room, guaranteed, unknown) = match lives {
            Ok((room, lives)) => (Some(room), Some(lives), None),
            Err(why) => (None, None, Some(why)),
        };
        Self {
            cluster: cluster.clone(),
            room,
            guaranteed: guaranteed.map(Span::seconds),
            best: guaranteed.map(|lives| lives.times(2).seconds()),
            unknown,
        }
    }

    /// In one line.
    pub fn message(&self) -> String {
        match (self.room, self.guaranteed, self.best) {
            (Some(room), Some(guaranteed), Some(best)) => format!(
                "{}: the node keeps unread lines at least {guaranteed} s, {best} s at best (files of {} bytes, {} written in \
                 {} s); what the shipper's queue holds comes on top",
                self.cluster, room.file_bytes, room.written, room.over_seconds
            ),
            _ => format!(
                "{}: not known: {}",
                self.cluster,
                self.unknown.as_deref().unwrap_or("nobody looked")
            ),
        }
    }
}

impl LogRoom {
    /// How long it takes to fill one file, in whole seconds; None when nothing is written.
    fn lives(self) -> Option<Span> {
        let seconds = u128::from(self.file_bytes) * u128::from(self.over_seconds);
        let seconds = seconds.checked_div(u128::from(self.written))?;
        Some(Span::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(file_bytes: u64, written: u64) -> PlannedLog {
        let cluster = ClusterName::new("app1").expect("a name");
        let room = LogRoom {
            file_bytes,
            written,
            over_seconds: 60,
        };
        PlannedLog::new(&cluster, Ok(room))
    }

    #[test]
    fn unread_lines_are_there_until_one_file_more_is_full() {
        // 100 bytes a second into files of 1000.
        let log = planned(1000, 6000);
        assert_eq!(log.guaranteed, Some(Quantity::whole(10)));
        assert_eq!(log.best, Some(Quantity::whole(20)));
        assert!(
            log.message()
                .starts_with("app1: the node keeps unread lines at least 10 s, 20 s at best")
        );
    }

    #[test]
    fn a_log_that_nobody_writes_has_no_window() {
        let log = planned(1000, 0);
        assert_eq!((log.room, log.guaranteed), (None, None));
        assert_eq!(log.message(), "app1: not known: no line was written in 60 s");
    }
}
