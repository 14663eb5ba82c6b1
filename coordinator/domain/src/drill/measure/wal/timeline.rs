//! Plays the log forward: cuts by size, ticks by time.

use super::rule::{Segment, deletion_bound};
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// More cuts in one period than this are not computed: 10,000 segments of 128 MiB are 1.3 TB.
const MOST_CUTS: u64 = 10_000;

/// How fast the log grows and how often it is truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    period: Span,
    segment: u64,
    bytes_per_second: u64,
}

/// Why a pace is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaceError {
    /// The period is zero.
    #[error("the truncate period is zero; give the agent's wal-truncate-frequency")]
    Period,
    /// The segment size is zero.
    #[error("the segment size is zero; give the agent's wal-segment-size, 128 MiB unless set")]
    Segment,
    /// The volume is beyond sense.
    #[error("{bytes_per_second} bytes per second cut more than {MOST_CUTS} segments per period")]
    Volume {
        /// As given.
        bytes_per_second: u64,
    },
}

impl Pace {
    /// `period` is from one tick to the next: the truncate frequency plus what a truncation takes, since the agent's
    /// timer starts anew after each. `segment` is bytes of a full segment.
    pub fn new(period: Span, segment: u64, bytes_per_second: u64) -> Result<Self, PaceError> {
        if period == Span::ZERO {
            return Err(PaceError::Period);
        }
        if segment == 0 {
            return Err(PaceError::Segment);
        }
        let pace = Self {
            period,
            segment,
            bytes_per_second,
        };
        if pace.written(period) / u128::from(segment) > u128::from(MOST_CUTS) {
            return Err(PaceError::Volume { bytes_per_second });
        }
        Ok(pace)
    }

    /// From one tick to the next.
    pub const fn period(self) -> Span {
        self.period
    }

    /// Bytes of a full segment.
    pub const fn segment(self) -> u64 {
        self.segment
    }

    /// Bytes written per second.
    pub const fn bytes_per_second(self) -> u64 {
        self.bytes_per_second
    }

    /// The same at `percent` of the volume.
    pub fn at_percent(self, percent: u64) -> Result<Self, PaceError> {
        let scaled = u128::from(self.bytes_per_second) * u128::from(percent) / 100;
        let rate = u64::try_from(scaled).unwrap_or(u64::MAX);
        Self::new(self.period, self.segment, rate)
    }

    /// Cuts that volume alone makes between two ticks.
    pub fn cuts_per_period(self) -> u64 {
        let written = self.written(self.period);
        // A segment that is exactly full is not cut until one more byte is written.
        u64::try_from(written.saturating_sub(1) / u128::from(self.segment)).unwrap_or(u64::MAX)
    }

    /// How long it takes to fill a segment of which `filled` bytes are written; None when nothing is written.
    pub fn time_to_cut(self, filled: u64) -> Option<Span> {
        let left = u128::from(self.segment.saturating_sub(filled));
        let micros = (left * 1_000_000).checked_div(u128::from(self.bytes_per_second))?;
        Some(Span::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    fn written(self, time: Span) -> u128 {
        u128::from(self.bytes_per_second) * u128::from(time.micros()) / 1_000_000
    }
}

/// What the log looks like at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// When.
    pub at: Moment,
    /// The oldest segment file.
    pub first: Segment,
    /// The one being written.
    pub current: Segment,
    /// Bytes in it.
    pub filled: u64,
    /// When the next tick comes.
    pub next_tick: Moment,
}

/// One thing that happens to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// The segment that is written from now on.
    pub current: Segment,
    /// Up to which segment files were deleted just now.
    pub deleted: Option<Segment>,
    /// Whether it is a tick; otherwise the segment was full.
    pub tick: bool,
}

/// An endless sequence of happenings.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    pace: Pace,
    live: Live,
}

impl Timeline {
    /// From a state on; a next tick that lies in the past is moved on by whole periods.
    pub fn new(pace: Pace, mut live: Live) -> Self {
        let late = Span::between(live.next_tick, live.at).micros();
        let missed = late.div_ceil(pace.period.micros().max(1));
        live.next_tick = pace.period.times(missed).after(live.next_tick);
        Self { pace, live }
    }

    /// As far as it was played.
    pub const fn live(&self) -> Live {
        self.live
    }
}

impl Iterator for Timeline {
    type Item = Happening;

    fn next(&mut self) -> Option<Happening> {
        let live = self.live;
        let to_tick = Span::between(live.at, live.next_tick);
        let full = self.pace.time_to_cut(live.filled).filter(|time| *time < to_tick);
        let at = full.unwrap_or(to_tick).after(live.at);
        let mut deleted = None;
        if full.is_none() {
            deleted = deletion_bound(live.first, live.current);
            self.live.next_tick = self.pace.period.after(live.next_tick);
        }
        self.live.at = at;
        self.live.first = deleted.map_or(live.first, Segment::next);
        self.live.current = live.current.next();
        self.live.filled = 0;
        Some(Happening {
            at,
            current: self.live.current,
            deleted,
            tick: full.is_none(),
        })
    }
}
