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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Good answers in a row that count as recovered. A receiver that came back is gone again when more requests in a row than so
    /// many had no answer: a single one may be lost on its way, and would begin another backlog that there is not.
    consecutive: usize,
    /// Requests in a row that had no answer, up to the last.
    unanswered: usize,
    /// When it was last asked and did not answer.
    silent: Option<Moment>,
    /// When it was last asked, but for requests that had no answer while it was not gone.
    asked: Option<Moment>,
    /// Since when it answers again; None when it never stopped answering, or never came back.
    pub back: Option<Edge>,
    /// When everything that was served before it answered again had arrived.
    pub complete: Option<Edge>,
}

impl Arrival {
    /// Of a receiver of which nothing was seen yet, and as many good answers in a row as count as recovered.
    pub const fn new(consecutive: usize) -> Self {
        Self {
            consecutive,
            unanswered: 0,
            silent: None,
            asked: None,
            back: None,
            complete: None,
        }
    }

    /// As if nothing had been seen yet.
    pub fn forget(&mut self) {
        *self = Self::new(self.consecutive);
    }

    /// Takes in the next sample. What did not leave the prober says nothing of the receiver.
    pub fn see(&mut self, sample: &Sample) {
        let Some(sent) = sample.sent else { return };
        let Some(until) = sample.values.get(STORED_UNTIL) else {
            return self.had_no_answer(sent);
        };
        self.unanswered = 0;
        let before = self.asked.replace(sent);
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

    /// What is no absence is no look at the backlog either.
    fn had_no_answer(&mut self, sent: Moment) {
        self.unanswered += 1;
        if self.back.is_some() && self.unanswered <= self.consecutive {
            return;
        }
        (self.silent, self.asked) = (Some(sent), Some(sent));
        (self.back, self.complete) = (None, None);
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
        let mut arrival = Arrival::new(2);
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
    fn a_receiver_that_came_back_is_not_gone_with_a_request_that_was_lost() {
        let edge = |after, by| Edge {
            after: at(after),
            by: at(by),
        };
        let mut samples = vec![
            sample(900, Some(500)),
            sample(1_100, None),
            sample(6_000, None),
            sample(6_100, Some(900)),
            // Two in a row, before and after everything is there.
            sample(6_200, None),
            sample(6_250, None),
            sample(6_300, Some(6_300)),
            sample(7_000, None),
            sample(7_100, Some(7_050)),
            sample(7_200, None),
            sample(7_250, None),
            sample(7_300, Some(7_300)),
        ];
        let (back, complete) = (edge(6_000, 6_120), edge(6_100, 6_320));
        assert_eq!(seen(&samples), (Some(back), Some(complete), false));
        // Three in a row are an absence of their own, with a backlog of its own.
        samples.extend([8_000, 8_050, 8_100].map(|due| sample(due, None)));
        assert_eq!(seen(&samples), (None, None, true));
        samples.extend([sample(9_000, Some(8_000)), sample(9_100, Some(9_100))]);
        let (back, complete) = (edge(8_100, 9_020), edge(9_000, 9_120));
        assert_eq!(seen(&samples), (Some(back), Some(complete), false));
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
