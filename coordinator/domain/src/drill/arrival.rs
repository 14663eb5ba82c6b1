//! When a receiver of metrics answered again, and when all that had been served until then had arrived.
//!
//! The same rule ends the watching of a run and is judged afterwards: a run that ended when the newest number was young enough,
//! and the backlog not yet there, would convict a sender of what was on its way.

use super::history::Sample;
use super::measure::interval::Edge;
use model::moment::Moment;

/// Figure of a `canary_stored` or `log_canary_stored` sample: seconds since 1970 up to which every shard, or the log, has
/// arrived. Absent when the receiver did not answer.
pub const STORED_UNTIL: &str = "stored_until";

/// What the samples of one `canary_stored` probe come to, taken in the order in which they were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// When it was last asked and did not answer.
    silent: Option<Moment>,
    /// When it was asked last.
    asked: Option<Moment>,
    /// Since when it answers again; None when it never stopped answering, or never came back.
    pub back: Option<Edge>,
    /// When everything that was served before it answered again had arrived.
    pub complete: Option<Edge>,
}

impl Arrival {
    /// Takes in the next sample. What did not leave the prober says nothing of the receiver.
    pub fn see(&mut self, sample: &Sample) {
        let Some(sent) = sample.sent else { return };
        let before = self.asked.replace(sent);
        let Some(until) = sample.values.get(STORED_UNTIL) else {
            self.silent = Some(sent);
            (self.back, self.complete) = (None, None);
            return;
        };
        let Some(silent) = self.silent else { return };
        let back = *self.back.get_or_insert(Edge {
            after: silent,
            by: sample.done,
        });
        if self.complete.is_none() && moment(*until) >= back.by {
            self.complete = Some(Edge {
                after: before.unwrap_or(sample.due),
                by: sample.done,
            });
        }
    }

    /// Whether the receiver was away, and what had to wait for it is not known to have arrived.
    pub fn is_owed(&self) -> bool {
        self.silent.is_some() && self.complete.is_none()
    }
}

/// Seconds since 1970, rounded down to the microsecond; what is no time is before all times.
fn moment(seconds: f64) -> Moment {
    Moment(
        format!("{:.0}", (seconds * 1e6).floor())
            .parse()
            .unwrap_or(i64::MIN),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::Answer;

    /// Milliseconds of the run, on a clock that reads whole seconds.
    fn at(millis: i64) -> Moment {
        Moment(1_700_000_000_000_000 + millis * 1000)
    }

    fn sample(due: i64, until: Option<i64>) -> Sample {
        let seconds =
            |millis: i64| 1_700_000_000.0 + f64::from(i32::try_from(millis).expect("small")) / 1000.0;
        Sample {
            probe: "stored".into(),
            number: 0,
            due: at(due),
            sent: Some(at(due)),
            done: at(due + 20),
            answer: Answer::Bad,
            detail: String::new(),
            values: until
                .map(|until| (STORED_UNTIL.to_owned(), seconds(until)))
                .into_iter()
                .collect(),
        }
    }

    fn seen(samples: &[Sample]) -> (Option<Edge>, Option<Edge>, bool) {
        let mut arrival = Arrival::default();
        samples.iter().for_each(|s| arrival.see(s));
        (arrival.back, arrival.complete, arrival.is_owed())
    }

    #[test]
    fn the_backlog_is_complete_when_what_was_served_before_the_return_is_there() {
        let samples = [
            sample(900, Some(500)),
            sample(1_100, None),
            sample(6_000, None),
            sample(6_100, Some(900)),
            sample(6_200, Some(6_119)),
            sample(6_300, Some(6_120)),
            sample(6_400, Some(6_300)),
        ];
        let edge = |after, by| Edge {
            after: at(after),
            by: at(by),
        };
        let back = Some(edge(6_000, 6_120));
        // It answered again between the last silent request and the end of the first answered one; a number of 6.119 s is
        // older than that answer, one of 6.120 s is not.
        assert_eq!(seen(&samples), (back, Some(edge(6_200, 6_320)), false));
        assert_eq!(seen(&samples[..5]), (back, None, true));
        assert_eq!(seen(&samples[..3]), (None, None, true), "it never came back");
        assert_eq!(seen(&samples[..1]), (None, None, false), "it was never away");
    }

    #[test]
    fn what_did_not_leave_the_prober_is_no_silence() {
        let not_sent = |due| Sample {
            sent: None,
            answer: Answer::NotSent,
            ..sample(due, None)
        };
        let samples = [
            sample(900, Some(500)),
            not_sent(1_000),
            sample(1_100, None),
            sample(6_100, Some(900)),
            not_sent(6_200),
            sample(6_300, Some(6_300)),
            not_sent(6_400),
        ];
        let edge = |after, by| Edge {
            after: at(after),
            by: at(by),
        };
        // The interval is wider by what was not asked.
        let (back, complete) = (edge(1_100, 6_120), edge(6_100, 6_320));
        assert_eq!(seen(&samples), (Some(back), Some(complete), false));
        assert_eq!(seen(&samples[..2]), (None, None, false), "it was never away");
    }
}
