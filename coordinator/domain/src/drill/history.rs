//! What a drill leaves behind: one JSON object per line, written once, judged as often as one likes.
//!
//! Records of the run (phases, faults, verdict) are durable before what follows from them happens. Samples are written in
//! the order in which they end and reach the disk within a second; a crash may cut the last ones off, which [`History::read`]
//! counts and tells.

mod sample;
mod span;

pub use sample::{AS_OF, Answer, Sample};
pub use span::{FaultSpan, PhaseSpan};

use super::plan::DrillPlan;
use super::record::{AbortCause, Record};
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written.
    pub time: Moment,
    /// What it says.
    #[serde(flatten)]
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A record of the run.
    Record(Record),
    /// An answer to a probe, or that there was none.
    Sample(Sample),
}

/// A history as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Lines in the order of the file.
    pub lines: Vec<Line>,
    /// Numbers of lines, from 1, that could not be understood; the last one may be cut off by a crash.
    pub damaged: Vec<usize>,
}

impl History {
    /// Reads a file's text. Nothing is fatal: what cannot be understood is counted, and the judge says so.
    pub fn read(text: &str) -> Self {
        let mut history = History::default();
        for (i, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(line) => history.lines.push(line),
                Err(_) => history.damaged.push(i + 1),
            }
        }
        history
    }

    /// The records with their times.
    pub fn records(&self) -> impl Iterator<Item = (Moment, &Record)> {
        self.lines.iter().filter_map(|line| match &line.what {
            What::Record(record) => Some((line.time, record)),
            What::Sample(_) => None,
        })
    }

    /// Samples of a probe, in the order in which they were due.
    pub fn samples(&self, probe: &str) -> Vec<&Sample> {
        let mut samples: Vec<&Sample> = self
            .lines
            .iter()
            .filter_map(|line| match &line.what {
                What::Sample(sample) if sample.probe == probe => Some(sample),
                _ => None,
            })
            .collect();
        samples.sort_by_key(|s| (s.due, s.number));
        samples
    }

    /// The plan that was carried out; None when the history begins after it.
    pub fn plan(&self) -> Option<&DrillPlan> {
        self.records().find_map(|(_, record)| match record {
            Record::Started { plan, .. } => Some(plan.as_ref()),
            _ => None,
        })
    }

    /// Phases with their times, in order; the last one is open when the history ends in it.
    pub fn phases(&self) -> Vec<PhaseSpan> {
        span::phases(self.records())
    }

    /// Faults that were really injected, with the bounds of both ends.
    pub fn faults(&self) -> Vec<FaultSpan> {
        span::faults(self.records())
    }

    /// Why the run ended before its time, if it did: of several causes the one that says most of the evidence.
    pub fn abort(&self) -> Option<&AbortCause> {
        self.aborts()
            .reduce(|kept, cause| match cause.outweighs(Some(kept)) {
                true => cause,
                false => kept,
            })
    }

    /// Every cause that is on record, in order.
    pub fn aborts(&self) -> impl Iterator<Item = &AbortCause> {
        self.records().filter_map(|(_, record)| match record {
            Record::Aborting { cause } => Some(cause),
            _ => None,
        })
    }
}

impl Line {
    /// The line as it is written, with its end.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_told_and_the_rest_is_kept() {
        let sample = Sample {
            probe: "p".into(),
            number: 3,
            due: Moment(10),
            sent: Some(Moment(11)),
            done: Moment(20),
            answer: Answer::Good,
            detail: String::new(),
            values: Default::default(),
        };
        let line = Line {
            time: Moment(20),
            what: What::Sample(sample.clone()),
        };
        let text = String::from_utf8(line.to_json()).expect("text");
        let torn = format!("{text}{}", &text[..text.len() / 2]);
        let history = History::read(&torn);
        assert_eq!(history.damaged, vec![2]);
        assert_eq!(history.samples("p"), vec![&sample]);
    }
}
