//! The history file of one run: records are on disk before anything follows from them, samples are written within a second.

use domain::drill::history::Line;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a sample may stay in memory.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Bytes that are not kept waiting for more.
const ENOUGH: usize = 64 * 1024;

enum Order {
    Append(Vec<u8>),
    Sync(Vec<u8>, oneshot::Sender<io::Result<()>>),
}

/// Appends to a history. Clones append to the same one.
#[derive(Debug, Clone)]
pub struct HistoryWriter {
    orders: Sender<Order>,
}

impl HistoryWriter {
    /// Opens `path` for appending and makes its existence durable. A torn line at its end is closed first.
    pub fn open(path: &Path) -> io::Result<Self> {
        let torn = std::fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|b| *b != b'\n'));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        if torn {
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let (orders, receiver) = channel();
        std::thread::Builder::new()
            .name("history".into())
            .spawn(move || write(file, &receiver))?;
        Ok(Self { orders })
    }

    /// Appends a line; it is written within a second.
    pub fn append(&self, line: &Line) {
        // The thread ends only with its senders, or after an error that the next record reports.
        let _ = self.orders.send(Order::Append(line.to_json()));
    }

    /// Appends lines and returns when they, and everything before them, are on disk.
    pub async fn append_durably(&self, lines: &[Line]) -> io::Result<()> {
        let bytes = lines.iter().flat_map(Line::to_json).collect();
        let (answer, done) = oneshot::channel();
        let gone = || io::Error::other("the history's writer has ended");
        self.orders.send(Order::Sync(bytes, answer)).map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

/// Writes until every sender is gone. After an error nothing is written any more, and every record is refused.
fn write(mut file: File, orders: &Receiver<Order>) {
    let mut buffer = Vec::new();
    let mut oldest: Option<Instant> = None;
    let mut broken: Option<io::ErrorKind> = None;
    loop {
        let order = orders.recv_timeout(left(oldest, Instant::now()));
        let (bytes, answer) = match order {
            Ok(Order::Append(bytes)) => (bytes, None),
            Ok(Order::Sync(bytes, answer)) => (bytes, Some(answer)),
            Err(RecvTimeoutError::Timeout) => (Vec::new(), None),
            Err(RecvTimeoutError::Disconnected) => {
                let _ = file.write_all(&buffer).and_then(|()| file.sync_all());
                return;
            }
        };
        let now = Instant::now();
        if !bytes.is_empty() {
            oldest.get_or_insert(now);
        }
        buffer.extend(bytes);
        // However much comes in, it keeps no line from being written when its time is over.
        if answer.is_none() && !left(oldest, now).is_zero() && buffer.len() < ENOUGH {
            continue;
        }
        let written = match broken {
            Some(kind) => Err(io::Error::from(kind)),
            None => file.write_all(&buffer).and_then(|()| {
                if answer.is_some() {
                    file.sync_data()
                } else {
                    Ok(())
                }
            }),
        };
        buffer.clear();
        oldest = None;
        if let Err(error) = &written {
            broken = Some(error.kind());
        }
        if let Some(answer) = answer {
            let _ = answer.send(written);
        }
    }
}

/// How long the oldest line that is not written may still wait; a whole turn when there is none.
fn left(oldest: Option<Instant>, now: Instant) -> Duration {
    oldest.map_or(FLUSH_EVERY, |since| {
        FLUSH_EVERY.saturating_sub(now.saturating_duration_since(since))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::history::{History, What};
    use domain::drill::record::{Phase, Record};
    use model::moment::Moment;

    fn line(time: i64) -> Line {
        Line {
            time: Moment(time),
            what: What::Record(Record::PhaseEntered { phase: Phase::Steady }),
        }
    }

    #[tokio::test]
    async fn what_was_appended_durably_is_there_with_all_before_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("history.jsonl");
        let writer = HistoryWriter::open(&path).expect("open");
        (0..100).for_each(|i| writer.append(&line(i)));
        writer.append_durably(&[line(100)]).await.expect("durable");
        let history = History::read(&std::fs::read_to_string(&path).expect("text"));
        assert_eq!(history.lines.len(), 101);
        assert!(history.damaged.is_empty());
    }

    #[test]
    fn what_comes_later_gives_the_oldest_line_no_more_time() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(left(None, at(5_000)), FLUSH_EVERY);
        assert_eq!(left(Some(began), at(0)), FLUSH_EVERY);
        assert_eq!(left(Some(began), at(700)), Duration::from_millis(300));
        assert_eq!(left(Some(began), at(1_000)), Duration::ZERO);
        assert_eq!(left(Some(began), at(9_000)), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, b"{\"time\":1,\"rec").expect("write");
        let writer = HistoryWriter::open(&path).expect("open");
        writer.append_durably(&[line(2)]).await.expect("durable");
        let history = History::read(&std::fs::read_to_string(&path).expect("text"));
        assert_eq!((history.lines.len(), history.damaged), (1, vec![1]));
    }
}
