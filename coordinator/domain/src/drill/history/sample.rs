//! One request of a probe.

use crate::drill::measure::quantity::Quantity;
use model::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One request: when it was due, when it was sent, when it ended, and how.
///
/// Requests are due at a fixed rate. One that is late or stalled does not move the next one, so a slow service cannot
/// hide the requests that came while it was slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Probe.
    pub probe: String,
    /// Number of the request, from 0, dense.
    pub number: u64,
    /// When it was due.
    pub due: Moment,
    /// When it was sent; None when the prober could not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Moment>,
    /// When it ended: with an answer, an error or its timeout.
    pub done: Moment,
    /// How it ended.
    pub answer: Answer,
    /// What was wrong, or what was seen; short.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Figures that came with the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
}

/// Name of the figure that says from when the evidence of an answer is, seconds since 1970: for answers that are read from a
/// store and may be older than the question, such as the state of a node in the API.
pub const AS_OF: &str = "as_of";

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// As it should be.
    Good,
    /// A wrong answer, a refusal, or none in time.
    Bad,
    /// The request did not leave the prober: this says nothing of the service, and is never counted as good.
    NotSent,
}

impl Sample {
    /// How much later than due it was sent, microseconds; the prober's own fault.
    pub fn lateness_micros(&self) -> Option<i64> {
        self.sent.map(|sent| sent.0.saturating_sub(self.due.0).max(0))
    }

    /// Whether it says anything of the time after `undone`. A good answer from a store does not when what is stored was
    /// written before: it is neither good nor bad, it is unknown.
    pub fn speaks_of(&self, undone: Moment) -> bool {
        !self.is_good() || self.evidence_of().is_some_and(|at| at >= undone)
    }

    /// From when its evidence is: of a figure that was stored then, else when it was asked.
    fn evidence_of(&self) -> Option<Moment> {
        match self.values.get(AS_OF) {
            Some(seconds) => Quantity::from_float(*seconds).map(|at| Moment(at.micros())),
            None => self.sent,
        }
    }

    /// Whether it is evidence that the service was good.
    pub fn is_good(&self) -> bool {
        self.answer == Answer::Good
    }
}
