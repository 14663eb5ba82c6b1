//! A checker of the event stream: what producers were told is safe, against what subscribers saw.
//!
//! Five promises, as etcd makes them of its watches. *Ordered*: revisions grow, and a node's events come in the order in
//! which they were made. *Unique*: nothing comes twice, and a revision is one thing for everybody. *Reliable*: nothing is
//! missing that no record declares. *Resumable*: a stream that is asked for again goes on where it was. *Bookmarkable*: all
//! up to a bookmark was delivered before it. It shares no code with what it checks.

mod holes;
mod lives;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

/// An event that somebody on a node wanted to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// Its node.
    pub node: String,
    /// What tells it from every other event of the history.
    pub mark: String,
    /// Whether the producer was told that it is safe. Otherwise it may come or not, once.
    pub acknowledged: bool,
    /// Whether the drop policy may thin it out.
    pub may_drop: bool,
}

/// Where in an agent's stream an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Which life of the agent's store, in hexadecimal digits.
    pub life: String,
    /// Number within it.
    pub seq: u64,
    /// Whether it only declares that numbers before it are gone; its own may be one of them.
    pub declares: bool,
}

/// One entry as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Position in the log.
    pub revision: u64,
    /// Node; empty for none.
    pub node: String,
    /// Of what an agent told.
    pub origin: Option<Origin>,
    /// Of what a producer of the history made.
    pub mark: Option<String>,
    /// Equal for equal content.
    pub digest: u64,
}

/// What happened to a subscriber, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It asked for all after this revision; what follows came on that stream.
    Asked(u64),
    /// An entry came.
    Entry(Delivered),
    /// An entry came that declares numbers of an agent's stream as missing.
    Gap {
        /// The entry; its origin's `life` is the stream meant.
        entry: Delivered,
        /// The stream.
        life: String,
        /// First missing.
        from: u64,
        /// Last missing; the largest number when nobody can know.
        to: u64,
    },
    /// All up to here was delivered or left out by the filter.
    Bookmark(u64),
    /// Entries before this one are no longer kept.
    Compacted(u64),
    /// The stream ends because it was not read; this was sent last.
    TooSlow(u64),
    /// The log is another one. Only a history that says so may hold it: a coordinator that lost its log says the same.
    LogReset,
}

/// One subscriber's whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// For the evidence.
    pub name: String,
    /// Only entries of these nodes were asked for; none for all entries.
    pub nodes: Option<BTreeSet<String>>,
    /// What it saw.
    pub seen: Vec<Seen>,
}

/// A recorded history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// In the order in which each node made them.
    pub produced: Vec<Produced>,
    /// Everybody who watched.
    pub subscribers: Vec<Subscriber>,
    /// The log's last revision when all of them had come to rest. It is asked of the log, not of a subscriber: one that was
    /// told of less than there is would set its own goal.
    pub head: u64,
    /// The oldest revision that the log still had then; up to 1 when retention took nothing.
    pub oldest: u64,
    /// How often the log was replaced by another on purpose. Everybody who watches began before the first time, and is told
    /// of each.
    pub resets: usize,
}

/// Which promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Order.
    Ordered,
    /// Nothing twice.
    Unique,
    /// Nothing missing undeclared.
    Reliable,
    /// Going on where it was.
    Resumable,
    /// Bookmarks tell the truth.
    Bookmarkable,
}

/// The first broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subscriber}, item {item}: not {promise:?}: {evidence}")]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// Whose record shows it.
    pub subscriber: String,
    /// Where in that record; its length for what is missing at the end.
    pub item: usize,
    /// What was seen, against what was due.
    pub evidence: String,
}

/// Figures of a history that keeps all promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Acknowledged events.
    pub acknowledged: usize,
    /// Entries that all subscribers together saw for the first time.
    pub entries: usize,
    /// Streams that were asked for.
    pub streams: usize,
    /// Entries that came again after a new request, told by their revision.
    pub again: usize,
    /// Declared gaps.
    pub gaps: usize,
    /// How often subscribers were told that retention took what they asked for.
    pub compacted: usize,
}

/// What is known of a revision, by the number of resets before it, from whoever saw it first.
type Log = BTreeMap<(usize, u64), (u64, String)>;

/// Reads the history; the first broken promise with its evidence, or its figures.
pub fn check(history: &History) -> Result<Figures, Broken> {
    let mut figures = Figures {
        acknowledged: history.produced.iter().filter(|p| p.acknowledged).count(),
        ..Figures::default()
    };
    let order: BTreeMap<&str, usize> = history
        .produced
        .iter()
        .enumerate()
        .map(|(at, produced)| (produced.mark.as_str(), at))
        .collect();
    let mut log = Log::new();
    // Whoever saw everything tells what the filtered ones had to see.
    let (all, filtered): (Vec<_>, Vec<_>) = history.subscribers.iter().partition(|s| s.nodes.is_none());
    for subscriber in all.into_iter().chain(filtered) {
        stream::follow(history, subscriber, &order, &mut log, &mut figures)?;
    }
    Ok(figures)
}
