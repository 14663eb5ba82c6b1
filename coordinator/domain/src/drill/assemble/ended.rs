//! Faults that their place ended and the run did not: a lease ends by itself when the agent starts anew or hears no coordinator.

use crate::drill::history::History;
use crate::drill::measure::span::Span;
use crate::drill::record::Record;
use model::lease::UndoCause;
use model::moment::Moment;

/// An end this short before the run ordered it changes nothing that was measured.
const NOTHING: Span = Span::from_secs(1);

/// A fault that its place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended<'a> {
    pub(super) fault: &'a str,
    /// The last moment at which it was there whole.
    at: Moment,
    cause: UndoCause,
    /// Whether the run took it for being in force for a while longer.
    pub(super) early: bool,
}

impl Ended<'_> {
    /// As a fault's band has it.
    pub(super) fn word(&self) -> &'static str {
        match self.cause {
            UndoCause::Expired => "lease_expired",
            // By the run's own order, whose answer was not heard.
            UndoCause::Released if !self.early => "reverted",
            other => other.as_str(),
        }
    }

    pub(super) fn note(&self) -> String {
        format!(
            "{} was not in force until it was to be undone: at {} its place ended it ({}). What was seen after that was seen \
             without it, so the run is inconclusive.",
            self.fault,
            self.at,
            self.word()
        )
    }
}

/// All of them, in the order in which the run learned of it.
pub(super) fn all(history: &History) -> Vec<Ended<'_>> {
    let records = history.records().filter_map(|(_, record)| match record {
        Record::FaultUndone {
            fault,
            from,
            ended_by: Some(cause),
            ..
        } => Some(Ended {
            fault,
            at: *from,
            cause: *cause,
            early: ordered(history, fault).is_none_or(|ordered| NOTHING.after(*from) < ordered),
        }),
        _ => None,
    });
    records.collect()
}

/// When the run first ordered that a fault be undone. A place that ends it after that was told to, or would have been.
fn ordered(history: &History, wanted: &str) -> Option<Moment> {
    history.records().find_map(|(time, record)| match record {
        Record::UndoIntended { fault } if fault == wanted => Some(time),
        _ => None,
    })
}
