//! What became of a service after a fault: its outage, whether that ended, and what was bad again later.
//!
//! What holds while a fault is in force proves no recovery. So a service is back when it was good as often in a row as was asked for, of
//! requests that were sent after the undo; the run ends its watching by the same rule. Everything that was bad before is the outage,
//! and its end the recovery. What was bad later is a relapse: it moves no time of recovery, is told beside it, and is a failure where
//! it lasts.

use super::interval::{Edge, Seen, Stretch};
use super::span::Span;
use crate::drill::report::parts::{Bounds, Outcome};
use model::moment::Moment;

/// That a service was good as often in a row as was asked for, after the fault was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// When the last of these requests was sent.
    at: Moment,
    /// How many they are.
    answers: usize,
}

impl Held {
    /// Of all that one probe saw, in the order of sending; None where it never held.
    pub fn of(seen: &[Seen], consecutive: usize, undone: Moment) -> Option<Self> {
        let answers = consecutive.max(1);
        let mut goods = 0_usize;
        let last = seen.iter().find(|probe| {
            goods = if probe.good && probe.sent >= undone {
                goods + 1
            } else {
                0
            };
            goods >= answers
        })?;
        Some(Self {
            at: last.sent,
            answers,
        })
    }

    /// Whether the stretch began later.
    fn precedes(self, stretch: &Stretch) -> bool {
        stretch.began.by > self.at
    }

    /// Whether probing ended so soon after the stretch began that its end could not have been seen: requests that are under way
    /// then count, and a bad one among them is followed by too few.
    fn cuts_off(self, stretch: &Stretch) -> bool {
        self.precedes(stretch) && stretch.ended.is_none() && stretch.answers <= self.answers
    }
}

/// What became of a service after a fault, from one vantage point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Its outage, and whether it is over.
    pub came_back: Recovered,
    /// When it was bad after it had been back.
    pub relapses: Vec<Stretch>,
}

impl Course {
    /// Of the stretches that may come of `fault`; one that was known before is not its doing, even if it lasts. Where it never
    /// held after the undo, all of them are one outage.
    pub fn of(stretches: &[Stretch], fault: Edge, held: Option<Held>) -> Self {
        let all = stretches.iter().filter(|s| s.may_come_of(fault));
        let later = |s: &Stretch| held.is_some_and(|held| held.precedes(s));
        let cut_off = |s: &Stretch| held.is_some_and(|held| held.cuts_off(s));
        let whole: Vec<&Stretch> = all.clone().filter(|s| !cut_off(s)).collect();
        // What was bad for the first time after all that had its outage then.
        let outage = whole.iter().rfind(|s| !later(s)).or(whole.first()).copied();
        let lasting = whole.iter().find(|s| s.ended.is_none());
        let came_back = match (lasting, outage.and_then(|outage| outage.ended)) {
            (Some(lasting), _) => Recovered::NotYet(lasting.last_bad),
            (None, Some(edge)) => Recovered::At(edge),
            (None, None) => Recovered::NeverDown,
        };
        Self {
            came_back,
            relapses: all.filter(|s| later(s) && Some(*s) != outage).copied().collect(),
        }
    }
}

/// What became of a service after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// No probe failed.
    NeverDown,
    /// It was good again.
    At(Edge),
    /// It was not good again while it was watched, and seen bad then for the last time.
    NotYet(Moment),
}

impl Recovered {
    /// What holds of two vantage points together.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotYet(a), Self::NotYet(b)) => Self::NotYet(a.max(b)),
            (Self::NotYet(bad), Self::At(edge)) | (Self::At(edge), Self::NotYet(bad)) => {
                Self::NotYet(bad.max(edge.after))
            }
            (Self::NeverDown, one) | (one, Self::NeverDown) => one,
            (Self::At(a), Self::At(b)) => Self::At(a.both(b)),
        }
    }

    /// Time from the fault; None when it did not recover, had nothing to recover from, or was back before it.
    pub fn since(self, fault: Edge) -> Option<Bounds> {
        match self {
            Self::At(edge) => edge.counted_from(fault),
            Self::NeverDown | Self::NotYet(_) => None,
        }
    }

    /// The same against an objective: what did not come back took longer than it was seen bad. None when there was nothing to
    /// recover from.
    pub fn took(self, fault: Edge) -> Option<Bounds> {
        match self {
            Self::NotYet(bad) => Some(Bounds::at_least(Span::between(fault.by, bad).seconds())),
            Self::At(_) | Self::NeverDown => self.since(fault),
        }
    }

    /// For the report.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::NeverDown => Outcome::NeverSeenDown,
            Self::At(_) => Outcome::Recovered,
            Self::NotYet(_) => Outcome::NotRecovered,
        }
    }
}

#[cfg(test)]
#[path = "recovered_tests.rs"]
mod tests;
