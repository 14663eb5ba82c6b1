//! One look at an agent, as numbers.

use super::input::names;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::wal::rule::Segment;
use model::moment::Moment;
use std::collections::BTreeMap;

/// What one sample of a `metrics_log` probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When it was taken.
    pub at: Moment,
    /// From the end of one truncation to the begin of the next.
    pub frequency: Span,
    /// What a truncation took so far, on the mean.
    pub truncation: Span,
    /// Until when a checkpoint keeps what could not be sent.
    pub max_time: Span,
    /// Bytes of a full segment.
    pub segment: u64,
    /// Samples that the queue holds before the reader stops, at least and at most.
    pub room: (u64, u64),
    /// Begin of the process.
    pub started: Moment,
    /// Samples written to the log since.
    pub appended: u64,
    /// Segment that the remote-write reader is at.
    pub reader: Segment,
    /// Oldest segment file.
    pub first: Segment,
    /// Newest one.
    pub current: Segment,
    /// Bytes in it.
    pub filled: u64,
    /// When it was begun, if that is known.
    pub begun: Option<Moment>,
    /// Bytes of all segment files.
    pub bytes: u64,
    /// Bytes written since the first look of the same process.
    pub written: u64,
    /// The last truncation of this process, if one was and can be told from the files.
    pub last_tick: Option<Moment>,
    /// Bytes free on the node, if that is known.
    pub free: Option<u64>,
    /// How far back the receiver takes samples out of order, and whether something else feeds it; None: not known.
    pub receiver: Option<(Span, bool)>,
}

impl Reading {
    /// From a sample's values; the error is the name of the first input that is missing.
    pub fn of(at: Moment, values: &BTreeMap<String, f64>) -> Result<Self, &'static str> {
        let quantity = |name: &'static str| values.get(name).copied().and_then(Quantity::from_float);
        let count = |name: &'static str| whole(quantity(name)?);
        let needed = |name: &'static str| count(name).ok_or(name);
        let span = |name: &'static str| {
            let micros = u64::try_from(quantity(name)?.micros()).ok()?;
            Some(Span::from_micros(micros))
        };
        let time = |name: &'static str| quantity(name).map(|q| Moment(q.micros()));
        Ok(Self {
            at,
            frequency: span(names::PERIOD).ok_or(names::PERIOD)?,
            truncation: span(names::TRUNCATION).unwrap_or(Span::ZERO),
            max_time: span(names::MAX_TIME).ok_or(names::MAX_TIME)?,
            segment: needed(names::SEGMENT)?,
            room: crate::drill::measure::wal::observe::room(
                needed(names::SHARDS)?,
                needed(names::CAPACITY)?,
                needed(names::PER_SEND)?,
            ),
            started: time(names::STARTED).ok_or(names::STARTED)?,
            appended: needed(names::APPENDED)?,
            reader: Segment(needed(names::READER)?),
            first: Segment(needed(names::FIRST)?),
            current: Segment(needed(names::CURRENT)?),
            filled: needed(names::FILLED)?,
            begun: time(names::BEGUN),
            bytes: needed(names::BYTES)?,
            written: needed(names::WRITTEN)?,
            last_tick: time(names::LAST_TICK),
            free: count(names::FREE),
            receiver: span(names::OUT_OF_ORDER).zip(count(names::FRESH).map(|n| n > 0)),
        })
    }
}

/// A count; None when negative.
fn whole(quantity: Quantity) -> Option<u64> {
    u64::try_from(quantity.micros() / 1_000_000).ok()
}
