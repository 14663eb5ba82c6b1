//! Evidence around a step that waits, and the last words of one that failed, become probable causes.

use super::draft::Draft;
use crate::diagnosis::{self, Cause, with_likeliest};
use crate::record::{Record, Source};
use crate::state::StepPhase;
use model::evidence::Evidence;
use model::ids::{Attempt, StepId};

/// Codes of failures that say only how long was waited: the cause belongs into their message.
const WAITED: [&str; 2] = ["DY-0216", "DY-0503"];

impl Draft<'_> {
    /// Ranks evidence; told only when it says something new of an attempt that is under way.
    pub(super) fn diagnosed(
        &mut self,
        step: StepId,
        attempt: Attempt,
        evidence: &[Evidence],
        source: Option<Source>,
    ) {
        if self.in_phase(step, attempt, StepPhase::in_flight) {
            self.causes(step, attempt, diagnosis::rank(evidence), source);
        }
    }

    /// The message of a failure. What its own words speak for is told first; a failure that only says how long was waited
    /// names the likeliest cause.
    pub(super) fn explained(
        &mut self,
        step: StepId,
        attempt: Attempt,
        (code, message, output): (&str, &str, &str),
    ) -> String {
        let waited = WAITED.contains(&code);
        if !waited {
            self.causes(step, attempt, diagnosis::of_output(message, output), None);
        }
        let message = message.to_owned();
        match self.known(step).filter(|_| waited) {
            Some(known) => with_likeliest(message, &known.causes),
            None => message,
        }
    }

    fn causes(&mut self, step: StepId, attempt: Attempt, causes: Vec<Cause>, source: Option<Source>) {
        let Some(known) = self.known(step) else { return };
        // Confidence and further pieces change from look to look; the cause and what speaks for it first are the news.
        let news = |a: &Cause, b: &Cause| a.code != b.code || a.evidence.first() != b.evidence.first();
        let told = match (known.causes.first(), causes.first()) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(old), Some(new)) => !news(old, new),
        };
        if !told {
            self.record(Record::StepDiagnosed {
                step,
                attempt,
                causes,
                source,
            });
        }
    }
}
