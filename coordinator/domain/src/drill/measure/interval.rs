//! Outages and recoveries as intervals: when a thing changed is known only to lie between two observations.
//!
//! A probe that was sent at `s` says whether a request sent at `s` is answered well, so a state is seen at the moments of
//! sending. A recovery is later than the last bad probe was sent and not later than the first good one was answered; the
//! interval is as wide as the probe's period and one request. Probes run open loop, so a stalled one widens nothing, and one that
//! had to wait tells more: what is well answers within its usual time, so it was not well as long before as that.

use super::span::Span;
use crate::drill::report::parts::{Between, Bounds, Outage};
use model::moment::Moment;

/// One answer, or none, to a request that left the prober. One that did not is nothing that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it was sent.
    pub sent: Moment,
    /// When the answer was complete, or the timeout ended.
    pub done: Moment,
    /// Whether it was answered well and in time.
    pub good: bool,
}

/// A change that happened after `after` and not after `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Last moment at which it was seen not to have happened.
    pub after: Moment,
    /// First moment at which it was seen to have happened.
    pub by: Moment,
}

impl Edge {
    /// Seen from a clock that may be this far off in either direction.
    #[must_use]
    pub fn with_clock_offset(self, bound: Span) -> Self {
        Self {
            after: bound.before(self.after),
            by: bound.after(self.by),
        }
    }

    /// The later of two changes, which is when both have happened: a service is good when every vantage point says so.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self {
            after: self.after.max(other.after),
            by: self.by.max(other.by),
        }
    }

    /// The earlier of two changes: an outage begins with the first vantage point that sees it.
    #[must_use]
    pub fn either(self, other: Self) -> Self {
        Self {
            after: self.after.min(other.after),
            by: self.by.min(other.by),
        }
    }

    /// Time from `earlier` to this change; what is possible is never negative.
    pub fn since(self, earlier: Self) -> Bounds {
        Bounds {
            low: Span::between(earlier.by, self.after).seconds(),
            high: Span::between(earlier.after, self.by).seconds(),
        }
    }

    /// The same where a clock started at `start`: what was before that has no such time, and 0 s would be a wrong one.
    pub fn counted_from(self, start: Self) -> Option<Bounds> {
        (self.by >= start.after).then(|| self.since(start))
    }

    /// For the report.
    pub fn between(self) -> Between {
        Between {
            after: self.after.into(),
            by: self.by.into(),
        }
    }
}

/// A stretch in which probes failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its begin.
    pub began: Edge,
    /// Its end; None while it lasts.
    pub ended: Option<Edge>,
    /// When it was last seen bad.
    pub last_bad: Moment,
    /// When its first bad answer was complete: what happened later cannot have caused it, what happened before may have.
    pub known: Moment,
    /// How many answers there were from its first bad one on, until it ended.
    pub answers: usize,
}

impl Stretch {
    /// Whether the fault may be what began it. A request that was under way when the fault took hold was sent before it, and
    /// went unanswered because of it.
    pub fn may_come_of(&self, fault: Edge) -> bool {
        self.known >= fault.after
    }

    /// For the report; while it lasts, its length is what was seen of it.
    pub fn outage(&self) -> Outage {
        let seen = Edge {
            after: self.last_bad,
            by: self.last_bad,
        };
        Outage {
            began: self.began.between(),
            ended: self.ended.map(Edge::between),
            length: self.ended.unwrap_or(seen).since(self.began),
        }
    }
}

/// All outages that one probe saw from one vantage point; `seen` in the order of sending.
///
/// An outage begins with one bad answer and ends with the first of `consecutive` good ones (at least one). A probe that
/// was bad from its first answer on began its outage at that answer. Fewer good answers than asked for at the very end
/// leave the outage open: nobody saw it hold.
///
/// `usual` is how long a good answer takes at most while all is well, where that is known; see [`Return`].
pub fn stretches(seen: &[Seen], consecutive: usize, usual: Option<Span>) -> Vec<Stretch> {
    let enough = consecutive.max(1);
    let mut found = Vec::new();
    let mut open: Option<Stretch> = None;
    let mut last_good: Option<Moment> = None;
    let mut goods = 0_usize;
    let mut back: Option<Return> = None;
    for probe in seen {
        if let Some(stretch) = &mut open {
            stretch.answers += 1;
        }
        if !probe.good {
            let began = Edge {
                after: last_good.unwrap_or(probe.sent),
                by: probe.sent,
            };
            let stretch = open.get_or_insert(Stretch {
                began,
                ended: None,
                last_bad: probe.sent,
                known: probe.done,
                answers: 1,
            });
            stretch.last_bad = probe.sent;
            (goods, back) = (0, None);
            continue;
        }
        last_good = Some(probe.sent);
        let Some(stretch) = &mut open else { continue };
        let back = back.get_or_insert(Return::of(*probe));
        back.takes_in(*probe);
        goods += 1;
        if goods >= enough {
            let mut stretch = *stretch;
            stretch.ended = Some(back.edge(stretch.last_bad, usual));
            found.push(stretch);
            open = None;
            goods = 0;
        }
    }
    found.extend(open);
    found
}

/// The good answers in a row that end an outage.
///
/// Requests that are sent while a service comes back may wait in it, and be answered all at once. The first of these
/// answers says since when it was well: not for longer than an answer usually takes, or it had given one before.
#[derive(Debug, Clone, Copy)]
struct Return {
    first_sent: Moment,
    first_done: Moment,
}

impl Return {
    fn of(first: Seen) -> Self {
        Self {
            first_sent: first.sent,
            first_done: first.done,
        }
    }

    /// One that was sent later may be answered earlier.
    fn takes_in(&mut self, good: Seen) {
        self.first_done = self.first_done.min(good.done);
    }

    fn edge(self, last_bad: Moment, usual: Option<Span>) -> Edge {
        let waited = usual
            .map(|usual| usual.before(self.first_done))
            .filter(|still_waiting| self.first_sent < *still_waiting);
        Edge {
            after: waited.unwrap_or(last_bad),
            by: self.first_done,
        }
    }
}

#[cfg(test)]
#[path = "interval_tests.rs"]
mod tests;
