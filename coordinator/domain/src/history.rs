//! A checker for recorded histories: reads the records of a real run and tells every promise that they break.
//!
//! It shares no code with the machine: what the machine gets wrong must not be overlooked here for the same reason.

mod runs;
mod steps;
mod streams;

use crate::record::Record;
use model::ids::Revision;
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// One line of a recorded history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Position in the log.
    pub revision: Revision,
    /// When it became durable.
    pub time: Moment,
    /// What.
    pub record: Record,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {revision}: {what}")]
pub struct Violation {
    /// Where.
    pub revision: Revision,
    /// What.
    pub what: String,
}

/// Figures of a history that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// Records.
    pub records: u64,
    /// Starts of the coordinator.
    pub epochs: u64,
    /// Runs.
    pub runs: u64,
    /// Attempts that were handed out.
    pub attempts: u64,
    /// Clusters that were claimed for initialisation.
    pub claims: u64,
    /// Whether the last run ended, in whatever way.
    pub finished: bool,
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not a record")]
pub struct ParseError {
    /// Line number, from 1.
    pub line: usize,
    /// What the parser found.
    #[source]
    source: serde_json::Error,
}

/// Reads JSON lines of [`Line`].
pub fn parse(text: &str) -> Result<Vec<Line>, ParseError> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| serde_json::from_str(line).map_err(|source| ParseError { line: i + 1, source }))
        .collect()
}

/// Checks a history from its first record on.
pub fn check(lines: &[Line]) -> Result<Summary, Vec<Violation>> {
    let mut checker = Checker::default();
    for line in lines {
        checker.read(line);
    }
    if checker.violations.is_empty() {
        Ok(checker.summary())
    } else {
        Err(checker.violations)
    }
}

#[derive(Default)]
struct Checker {
    at: Revision,
    figures: Summary,
    violations: Vec<Violation>,
    runs: runs::Runs,
    steps: steps::Steps,
    streams: streams::Streams,
}

impl Checker {
    fn read(&mut self, line: &Line) {
        if line.revision != self.at.next() && self.at != Revision(0) {
            self.violations.push(Violation {
                revision: line.revision,
                what: format!("follows revision {}", self.at),
            });
        }
        self.at = line.revision;
        self.figures.records += 1;
        let mut broken = Vec::new();
        self.runs.read(&line.record, &self.steps, &mut broken);
        self.streams.read(&line.record, &mut broken);
        self.steps
            .read(&line.record, self.runs.epoch, &self.streams, &mut broken);
        let revision = line.revision;
        self.violations
            .extend(broken.into_iter().map(|what| Violation { revision, what }));
    }

    fn summary(&self) -> Summary {
        Summary {
            epochs: self.runs.epochs,
            runs: self.runs.count,
            attempts: self.steps.attempts,
            claims: self.steps.claim_count(),
            finished: self.runs.active.is_none(),
            ..self.figures.clone()
        }
    }
}
