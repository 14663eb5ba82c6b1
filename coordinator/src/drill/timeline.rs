//! The clock of a run: wall time at its beginning, carried on by the monotonic clock, so that no adjustment of the wall clock
//! can move a measurement.

use crate::clock;
use model::moment::Moment;
use std::time::Duration;
use tokio::time::Instant;

/// One origin for all times of a run.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    wall: Moment,
    origin: Instant,
}

impl Timeline {
    /// Begins now.
    pub fn begin() -> Self {
        Self {
            wall: clock::now(),
            origin: Instant::now(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        self.at(Instant::now())
    }

    /// The moment of an instant of the monotonic clock.
    pub fn at(&self, instant: Instant) -> Moment {
        let since = instant.saturating_duration_since(self.origin);
        Moment(
            self.wall
                .0
                .saturating_add(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The present moment in seconds since 1970, good to a microsecond.
    pub fn unix_seconds(&self) -> f64 {
        let now = u64::try_from(self.now().0).unwrap_or(0);
        Duration::from_micros(now).as_secs_f64()
    }

    /// How long it runs.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How long ago `moment` was; zero when it is ahead.
    pub fn since(&self, moment: Moment) -> Duration {
        Duration::from_micros(u64::try_from(self.now().0.saturating_sub(moment.0)).unwrap_or(0))
    }
}
