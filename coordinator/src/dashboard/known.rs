//! What is known: the latest status document and the tail of the events. No clock is read here.

use super::filter::Filter;
use super::sample::is_sample;
use model::moment::Moment;
use model::node_log::NodeLog;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that are kept at most; older ones are in the log.
const KEPT: usize = 5000;

/// How many of them may be samples once room is needed. In a lab that idles nearly all events are.
const SAMPLES_KEPT: usize = 1000;

/// Room that is made at once, so that it is made seldom.
const ROOM: usize = 500;

/// A status document on its way: until it is taken, a newer one takes its place.
#[derive(Debug, Clone, Default)]
pub struct Latest(Arc<Mutex<Option<Value>>>);

impl Latest {
    /// Puts a newer document there. True when none was waiting, so that whoever takes them must be told.
    pub fn put(&self, status: Value) -> bool {
        self.lock().replace(status).is_none()
    }

    /// The document, once.
    pub fn take(&self) -> Option<Value> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Value> for Latest {
    fn from(status: Value) -> Self {
        Self(Arc::new(Mutex::new(Some(status))))
    }
}

/// What a feed tells.
#[derive(Debug)]
pub enum Update {
    /// A status document.
    Status(Latest),
    /// One event, or a record about the stream such as a gap.
    Event(Value),
    /// Something about the feed itself; empty when all is well again.
    Notice(String),
}

/// A log of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// The node.
    pub node: String,
    /// Which of its logs.
    pub log: NodeLog,
    /// The newest line last.
    pub text: String,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Model {
    /// The document of `coordinator status --json`.
    pub status: Value,
    /// Oldest first.
    pub events: VecDeque<Value>,
    /// One line about the feed.
    pub notice: String,
    /// When it is looked at.
    pub now: Moment,
    /// What nodes handed over; a bundle's only.
    pub logs: Vec<NodeFile>,
    /// Where the data comes from, for the title: `live`, or the bundle's name.
    pub source: String,
}

impl Model {
    /// Takes in what the feed tells.
    pub fn take(&mut self, update: Update) {
        match update {
            Update::Status(latest) => {
                if let Some(status) = latest.take() {
                    self.status = status;
                }
            }
            Update::Event(event) => {
                if self.events.len() >= KEPT {
                    self.make_room();
                }
                self.events.push_back(event);
            }
            Update::Notice(notice) => self.notice = notice,
        }
    }

    /// Of the samples the oldest go first, then of all.
    fn make_room(&mut self) {
        let samples = self.events.iter().filter(|event| is_sample(event)).count();
        let mut surplus = samples.saturating_sub(SAMPLES_KEPT);
        self.events.retain(|event| {
            let goes = surplus > 0 && is_sample(event);
            surplus -= usize::from(goes);
            !goes
        });
        let most = KEPT - ROOM;
        self.events.drain(..self.events.len().saturating_sub(most));
    }

    /// Every node with its cluster, in document order.
    pub fn nodes(&self) -> Vec<(&Value, &Value)> {
        list(&self.status["clusters"])
            .iter()
            .flat_map(|cluster| list(&cluster["nodes"]).iter().map(move |node| (cluster, node)))
            .collect()
    }

    /// The logs of one node.
    pub fn logs_of(&self, node: &str) -> Vec<&NodeFile> {
        self.logs.iter().filter(|log| log.node == node).collect()
    }

    /// What is waited for, the longest first.
    pub fn waits(&self) -> Vec<&Value> {
        let mut waits: Vec<&Value> = list(&self.status["waits"]).iter().collect();
        waits.sort_by_key(|wait| wait["since"].as_i64().unwrap_or(i64::MAX));
        waits
    }

    /// The events that the filter lets through, newest first.
    pub fn shown<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Value> {
        self.events.iter().rev().filter(|event| filter.fits(event))
    }
}

/// The elements of a list; none for anything else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A string; empty for anything else.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Without control characters: what came from a node must not move the operator's cursor.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
