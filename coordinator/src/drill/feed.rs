//! What followers of a run see: every record, from the first, and the latest measurements.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Progress of one run. Clones are the same feed.
#[derive(Debug, Clone)]
pub struct Feed {
    records: Arc<Mutex<Vec<Arc<str>>>>,
    changed: watch::Sender<Progress>,
}

/// How far a feed is.
#[derive(Debug, Clone, Default)]
struct Progress {
    records: usize,
    live: Option<Arc<str>>,
    live_number: u64,
    ended: bool,
}

/// One item, a JSON object.
pub type Item = Arc<str>;

impl Default for Feed {
    fn default() -> Self {
        Self {
            records: Arc::default(),
            changed: watch::Sender::new(Progress::default()),
        }
    }
}

impl Feed {
    /// Adds a record; no follower misses it.
    pub fn record(&self, json: &serde_json::Value) {
        let count = {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.push(json.to_string().into());
            records.len()
        };
        self.changed.send_modify(|progress| progress.records = count);
    }

    /// Replaces the measurements; a slow follower sees the latest only.
    pub fn live(&self, json: &serde_json::Value) {
        self.changed.send_modify(|progress| {
            progress.live = Some(json.to_string().into());
            progress.live_number += 1;
        });
    }

    /// The latest measurements; None before the first and after the end.
    pub fn latest(&self) -> Option<Item> {
        let progress = self.changed.borrow();
        progress.live.clone().filter(|_| !progress.ended)
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.changed.send_modify(|progress| progress.ended = true);
    }

    /// Reads from the first record on.
    pub fn follow(&self) -> Follower {
        Follower {
            feed: self.clone(),
            changes: self.changed.subscribe(),
            next: 0,
            live_number: 0,
        }
    }
}

/// One reader of a feed.
#[derive(Debug)]
pub struct Follower {
    feed: Feed,
    changes: watch::Receiver<Progress>,
    next: usize,
    live_number: u64,
}

impl Follower {
    /// The next item; None at the end.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            let progress = self.changes.borrow_and_update().clone();
            if self.next < progress.records {
                let records = self.feed.records.lock().unwrap_or_else(PoisonError::into_inner);
                let item = records.get(self.next).cloned();
                self.next += 1;
                return item;
            }
            if progress.live_number > self.live_number && !progress.ended {
                self.live_number = progress.live_number;
                return progress.live;
            }
            if progress.ended {
                return None;
            }
            self.changes.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_late_follower_sees_every_record_and_the_end() {
        let feed = Feed::default();
        (0..3).for_each(|i| feed.record(&json!(i)));
        feed.live(&json!("live"));
        let mut follower = feed.follow();
        for expected in ["0", "1", "2", "\"live\""] {
            assert_eq!(follower.next().await.as_deref(), Some(expected));
        }
        assert_eq!(feed.latest().as_deref(), Some("\"live\""));
        feed.record(&json!(3));
        feed.end();
        assert_eq!(feed.latest(), None);
        assert_eq!(follower.next().await.as_deref(), Some("3"));
        assert_eq!(follower.next().await, None);
    }
}
