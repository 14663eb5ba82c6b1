//! What the looks at an agent come to: pace, windows, and the deadline of an outage.

use super::reading::Reading;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::wal::deadline::{Deadline, Doubt, Reader, deadline_between};
use crate::drill::measure::wal::limits::{Forecast, disk_window, forecast, receiver_window};
use crate::drill::measure::wal::observe;
use crate::drill::measure::wal::start::{WorstStart, worst_start};
use crate::drill::measure::wal::timeline::{Live, Pace};
use crate::drill::measure::wal::window::{Window, window};
use model::moment::Moment;

/// Looks that are closer together say less of the volume than the whole life of the process or of the newest segment.
const BASELINE: Span = Span::from_secs(10);

/// The longest scrape interval that is expected: how much of it falls into a time is not known.
pub(crate) const SCRAPE: Span = Span::from_secs(15);

/// How much a tick may be off that was told from a file: its time has whole seconds, and a busy host is late.
const TICK_SEEN: Span = Span::from_millis(2500);

/// How much one may be off that was counted from the process' begin: that has whole seconds, and starting takes a while.
const TICK_COUNTED: Span = Span::from_secs(5);

/// Everything that the forecast needs, at the moment of the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// The last look.
    pub reading: Reading,
    /// How fast the log grows and how often it is truncated.
    pub pace: Pace,
    /// Its state.
    pub live: Live,
    /// Samples per second.
    pub per_second: Quantity,
    /// The windows: from the moment that the reader stops to the tick that kills the backlog.
    pub window: Window,
    /// What is not known exactly.
    pub doubt: Doubt,
}

impl Outlook {
    /// From the first and the last look at the same process; None when the numbers overflow.
    pub fn of(first: Reading, last: Reading) -> Option<Self> {
        let apart = Span::between(first.at, last.at);
        let life = Span::between(last.started, last.at);
        let (samples, over) = if apart >= BASELINE {
            (last.appended.checked_sub(first.appended)?, apart)
        } else {
            (last.appended, life)
        };
        let per_second = per_second(samples, over)?;
        let (bytes, over) = if apart >= BASELINE {
            (last.written.checked_sub(first.written)?, apart)
        } else {
            let begun = last.begun.unwrap_or(last.started);
            (last.filled, Span::between(begun, last.at))
        };
        let bytes_per_second = per_second_whole(bytes, over)?;
        let period = last.frequency.plus(last.truncation).plus(Span::from_millis(1));
        let pace = Pace::new(period, last.segment, bytes_per_second).ok()?;
        let live = Live {
            at: last.at,
            first: last.first,
            current: last.current,
            filled: last.filled,
            next_tick: observe::next_tick(last.at, pace, last.started, last.last_tick),
        };
        let off = u128::from(SCRAPE.micros()) * 100 / u128::from(over.micros().max(1));
        let doubt = Doubt {
            volume_percent: u64::try_from(off).unwrap_or(50).saturating_add(3).min(50),
            tick: if last.last_tick.is_some() {
                TICK_SEEN
            } else {
                TICK_COUNTED
            },
            stop: Span::ZERO,
        };
        Some(Self {
            reading: last,
            pace,
            live,
            per_second,
            window: doubtful(pace, doubt.volume_percent)?,
            doubt,
        })
    }

    /// The earliest and the latest tick at which the backlog dies of an outage that began, or begins, at `gone`.
    pub fn deadline(&self, gone: Moment) -> Option<(Deadline, Deadline)> {
        let (least, most) = self.memory();
        let (until, latest) = (least.after(gone), most.after(gone));
        let mut doubt = self.doubt;
        let reader = if self.live.at > latest || self.reading.reader < self.reading.current {
            Reader::Held(self.reading.reader)
        } else {
            let middle = Span::from_micros(least.micros() / 2 + most.micros() / 2);
            doubt.stop = Span::between(until, latest).plus(SCRAPE);
            doubt.stop = Span::from_micros(doubt.stop.micros() / 2).plus(doubt.tick);
            Reader::Following {
                until: middle.after(gone),
            }
        };
        deadline_between(self.pace, self.live, reader, doubt)
    }

    /// The worst moment to begin an outage, of those that come next: the reader then stops before the writer leaves a segment, by what
    /// is not known of when it stops and when the tick comes.
    pub fn worst_start(&self) -> Option<WorstStart> {
        let (least, most) = self.memory();
        let half = Span::from_micros(most.minus(least).micros() / 2);
        worst_start(self.pace, self.live, least.plus(half), half.plus(self.doubt.tick))
    }

    /// How long the queue in memory takes samples after the endpoint is gone, at least and at most; without any samples it
    /// never fills, which counts as a day.
    pub fn memory(&self) -> (Span, Span) {
        let day = Span::from_secs(86_400);
        let time = |samples: u64| {
            let micros = u128::from(samples) * 1_000_000_000_000;
            let rate = u128::try_from(self.per_second.micros()).unwrap_or(0);
            let micros = micros.checked_div(rate).and_then(|m| u64::try_from(m).ok());
            micros.map_or(day, Span::from_micros).min(day)
        };
        (time(self.reading.room.0), time(self.reading.room.1))
    }

    /// What ends the backlog first, seen at `now`, of an outage that began at `gone` and whose deadline is `tick`.
    pub fn first_harm(&self, gone: Moment, now: Moment, tick: Moment) -> Forecast {
        forecast(now, gone, tick, self.disk(gone), self.receiver())
    }

    /// The longest outage, begun at `gone`, whose log fits on the disk; None: any, or not known.
    ///
    /// What was written since and is not in the log's files any more is in a checkpoint: the outage needed it, and has it.
    pub fn disk(&self, gone: Moment) -> Option<Span> {
        let since = Span::between(gone, self.live.at).min(self.reading.max_time);
        let written = u128::from(self.pace.bytes_per_second()) * u128::from(since.micros()) / 1_000_000;
        let held = self.reading.bytes.max(u64::try_from(written).unwrap_or(u64::MAX));
        let available = self.reading.free?.saturating_add(held);
        disk_window(self.pace, available, self.reading.max_time)
    }

    /// How far back the receiver takes what was held back; None: any age, or not known.
    pub fn receiver(&self) -> Option<Span> {
        let (out_of_order, fresh) = self.reading.receiver?;
        receiver_window(out_of_order, fresh)
    }

    /// Bytes of the log per sample.
    pub fn bytes_per_sample(&self) -> Quantity {
        let rate = i128::from(self.per_second.micros());
        let micros = (i128::from(self.pace.bytes_per_second()) * 1_000_000_000_000).checked_div(rate);
        micros
            .and_then(|m| i64::try_from(m).ok())
            .map_or(Quantity::ZERO, Quantity::from_micros)
    }
}

/// The windows that hold over the whole range of volumes that the doubt leaves possible, to its very ends: where one more segment
/// fills in a period, the window falls to a third.
fn doubtful(pace: Pace, percent: u64) -> Option<Window> {
    let mut whole = window(pace)?;
    for percent in 100 - percent..=100 + percent {
        let one = window(pace.at_percent(percent).ok()?)?;
        whole.guaranteed = whole.guaranteed.min(one.guaranteed);
        whole.best = whole.best.max(one.best);
    }
    Some(whole)
}

/// How many per second; None of no time.
fn per_second(count: u64, over: Span) -> Option<Quantity> {
    let micros = (u128::from(count) * 1_000_000_000_000).checked_div(u128::from(over.micros()))?;
    i64::try_from(micros).ok().map(Quantity::from_micros)
}

/// As [`per_second`], rounded up.
fn per_second_whole(count: u64, over: Span) -> Option<u64> {
    let over = u128::from(over.micros());
    let rate = (u128::from(count) * 1_000_000)
        .checked_add(over.checked_sub(1)?)?
        .checked_div(over)?;
    u64::try_from(rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_the_worst_of_all_that_is_possible() {
        // 0.90 segments a period; 12 % more are 1.008.
        let (period, segment) = (Span::from_secs(7200), 128 << 20);
        let pace = Pace::new(period, segment, segment * 90 / 100 / 7200).expect("a pace");
        assert!(doubtful(pace, 10).expect("windows").guaranteed > period.times(2));
        assert!(doubtful(pace, 12).expect("windows").guaranteed < period.times(2));
    }
}
