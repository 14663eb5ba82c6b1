//! Reads the forecast's inputs off a running agent: its metrics page and the listing of its folder.

use super::deadline::Reader;
use super::listing::Listing;
use super::rule::Segment;
use super::timeline::{Live, Pace, PaceError};
use crate::drill::measure::exposition::Exposition;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// What a metrics page tells of one remote-write queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The segment that the writer is at.
    pub writer: Segment,
    /// The segment that the reader is at.
    pub reader: Segment,
    /// When the process started, to a second: the kernel's boot time has no more.
    pub started: Moment,
    /// Samples written to the log since.
    pub appended: u64,
    /// Samples that the queue may hold before the reader stops, at least and at most.
    pub room: (u64, u64),
}

/// A series that the page does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metrics page has no `{metric}`; is it the page of a Prometheus in agent mode with remote_write?"
)]
pub struct Missing {
    /// Its name.
    pub metric: &'static str,
}

impl Sender {
    /// From a page; `queue` is the queue's `remote_name`.
    pub fn read(page: &Exposition, queue: &str) -> Result<Self, Missing> {
        let count = |metric, labels: &[(&str, &str)]| page.count(metric, labels).ok_or(Missing { metric });
        let name = [("remote_name", queue)];
        let started = "process_start_time_seconds";
        let shards = count("prometheus_remote_storage_shards", &name)?;
        let capacity = count("prometheus_remote_storage_shard_capacity", &name)?;
        let per_send = count("prometheus_remote_storage_max_samples_per_send", &name)?;
        Ok(Self {
            writer: Segment(count("prometheus_tsdb_wal_segment_current", &[])?),
            reader: Segment(count(
                "prometheus_wal_watcher_current_segment",
                &[("consumer", queue)],
            )?),
            started: page
                .quantity(started, &[])
                .map(|q| Moment(q.micros()))
                .ok_or(Missing { metric: started })?,
            appended: count("prometheus_agent_samples_appended_total", &[])?,
            room: room(shards, capacity, per_send),
        })
    }
}

/// How many samples fit into a queue whose endpoint is gone.
///
/// A shard buffers whole batches, at least one, then fills one more, and its sender holds one batch in its hands that may
/// be a small one. One full shard stops the reader, so with several shards the least is what one of them takes.
pub fn room(shards: u64, capacity: u64, per_send: u64) -> (u64, u64) {
    let buffered = (capacity / per_send.max(1)).max(1).saturating_mul(per_send);
    let most = buffered.saturating_add(per_send.saturating_mul(2));
    (buffered, most.saturating_mul(shards.max(1)))
}

/// When the reader stops, if the endpoint went away at `gone`: the middle, and how far it may be off.
///
/// None when nothing is appended: such a queue never fills.
pub fn stops(gone: Moment, sender: &Sender, samples_per_second: Quantity) -> Option<(Reader, Span)> {
    let rate = u128::try_from(samples_per_second.micros())
        .ok()
        .filter(|r| *r > 0)?;
    let time = |samples: u64| {
        let micros = u128::from(samples) * 1_000_000_000_000 / rate;
        Span::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    };
    let (least, most) = (time(sender.room.0), time(sender.room.1));
    let middle = Span::from_micros(least.micros() / 2 + most.micros() / 2);
    let reader = Reader::Following {
        until: middle.after(gone),
    };
    Some((reader, most.minus(middle)))
}

/// The state for the forecast. `last_tick` comes from the listing ([`Listing::last_tick`]) or from seeing one; without
/// one, ticks are counted from the process' start, which is good to a second plus its start-up.
pub fn live(at: Moment, listing: &Listing, pace: Pace, started: Moment, last_tick: Option<Moment>) -> Live {
    Live {
        at,
        first: listing.first(),
        current: listing.current(),
        filled: listing.filled(),
        next_tick: next_tick(at, pace, started, last_tick),
    }
}

/// When the next tick comes, seen at `at`; `last_tick` and `started` as in [`live`].
pub fn next_tick(at: Moment, pace: Pace, started: Moment, last_tick: Option<Moment>) -> Moment {
    let counted = || {
        let ticks = (Span::between(started, at).micros() / pace.period().micros().max(1)).saturating_add(1);
        pace.period().times(ticks).after(started)
    };
    // Every tick cuts a segment, so one that is not in the listing has not happened: it is late, not over.
    last_tick.map_or_else(counted, |tick| pace.period().after(tick).max(at))
}

/// The pace between two listings that are `apart`; None when the log was replaced or no time passed.
pub fn pace(
    earlier: &Listing,
    later: &Listing,
    apart: Span,
    period: Span,
    segment: u64,
) -> Option<Result<Pace, PaceError>> {
    let written = u128::from(later.written_since(earlier)?) * 1_000_000;
    let rate = written.checked_div(u128::from(apart.micros()))?;
    Some(Pace::new(
        period,
        segment,
        u64::try_from(rate).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
