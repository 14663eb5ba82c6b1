//! The forecast as it is written down before anything is broken.

use super::input::InputKind;
use super::outlook::Outlook;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::stamp::Stamp;
use crate::drill::report::parts::Between;
use model::ids::ClusterName;
use model::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One input of a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name, as in the history's samples.
    pub name: String,
    /// Its value; times are seconds since 1970.
    pub value: Quantity,
    /// Of the value.
    pub unit: String,
    /// Where it was read.
    pub source: String,
}

impl Input {
    pub(super) fn of(kind: &InputKind, values: &BTreeMap<String, f64>) -> Option<Self> {
        Some(Self {
            name: kind.name.to_owned(),
            value: Quantity::from_float(*values.get(kind.name)?)?,
            unit: kind.unit.to_owned(),
            source: kind.source.to_owned(),
        })
    }
}

/// How long a log keeps what is unsent, and by what volume; the same in the forecast and in the report. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Bytes of a full segment.
    pub segment_bytes: u64,
    /// Samples per second, measured.
    pub samples_per_second: Quantity,
    /// Bytes of the log per sample, measured.
    pub bytes_per_sample: Quantity,
    /// Segments that volume alone fills in one period.
    pub segments_per_period: Quantity,
    /// How long the backlog lives when the reader stops at the worst moment; what memory takes comes on top.
    pub guaranteed: Quantity,
    /// The mean over all moments.
    pub expected: Quantity,
    /// At the best moment.
    pub best: Quantity,
    /// Until the disk is full; None: it never is, or that is not known.
    pub disk_window: Option<Quantity>,
    /// As far back as the receiver takes samples; None: any age, or not known.
    pub receiver_window: Option<Quantity>,
    /// What ends the backlog first: `count_rule`, `disk`, `receiver`
    pub governed_by: String,
}

impl Promise {
    /// A time until harm, or less where disk or receiver end it before.
    pub fn shortest(&self, window: Quantity) -> Quantity {
        let others = [self.disk_window, self.receiver_window];
        others.into_iter().flatten().fold(window, Ord::min)
    }
}

/// What becomes of one cluster's backlog, foretold for an outage that begins at `gone`. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foretold {
    /// Cluster of the agent.
    pub cluster: ClusterName,
    /// When the outage is taken to begin.
    pub gone: Stamp,
    /// Seconds between truncations, with what a truncation takes.
    pub period: Quantity,
    /// What the log promises.
    #[serde(flatten)]
    pub promise: Promise,
    /// How long the queue in memory takes samples before the reader stops, at least and at most.
    pub memory: (Quantity, Quantity),
    /// The segment that the reader will hold, at least.
    pub held: u64,
    /// And at most: it may reach the next one while memory still takes samples. 0 in records of older releases, which told one.
    #[serde(default)]
    pub held_most: u64,
    /// When the next truncation comes.
    pub next_tick: Stamp,
    /// The tick that kills the backlog: not before, not after.
    pub deadline: Between,
    /// What it was computed from.
    pub inputs: Vec<Input>,
}

impl Foretold {
    pub(super) fn of(
        cluster: &ClusterName,
        outlook: &Outlook,
        gone: Moment,
        inputs: Vec<Input>,
    ) -> Option<Self> {
        let (low, high) = outlook.deadline(gone)?;
        let (least, most) = outlook.memory();
        let pace = outlook.pace;
        let per_period = u128::from(pace.bytes_per_second()) * u128::from(pace.period().micros());
        let segments = per_period.checked_div(u128::from(pace.segment()))?;
        Some(Self {
            cluster: cluster.clone(),
            gone: gone.into(),
            period: pace.period().seconds(),
            promise: Promise {
                segment_bytes: pace.segment(),
                samples_per_second: outlook.per_second,
                bytes_per_sample: outlook.bytes_per_sample(),
                segments_per_period: Quantity::from_micros(i64::try_from(segments).ok()?),
                guaranteed: outlook.window.guaranteed.seconds(),
                expected: outlook.window.expected.seconds(),
                best: outlook.window.best.seconds(),
                disk_window: outlook.disk(gone).map(|span| span.seconds()),
                receiver_window: outlook.receiver().map(|span| span.seconds()),
                governed_by: outlook
                    .first_harm(gone, gone, low.tick)
                    .governed_by
                    .as_str()
                    .into(),
            },
            memory: (least.seconds(), most.seconds()),
            held: low.held.0,
            held_most: high.held.0,
            next_tick: outlook.live.next_tick.into(),
            deadline: Between {
                after: low.tick.into(),
                by: high.tick.into(),
            },
            inputs,
        })
    }

    /// Seconds from the outage's begin to the first harm: the earliest deadline, a full disk, or a receiver that refuses.
    pub fn first_harm(&self) -> Quantity {
        let deadline = Span::between(self.gone.into(), self.deadline.after.into());
        self.promise.shortest(deadline.seconds())
    }

    /// Whether the reader may hold this segment.
    pub fn holds(&self, segment: u64) -> bool {
        (self.held..=self.held_most.max(self.held)).contains(&segment)
    }

    /// In one line.
    pub fn message(&self) -> String {
        format!(
            "{}: the log keeps unsent metrics at least {} s, {} s on the mean; in an outage from now on until {}, and first harm \
             comes after {} s ({})",
            self.cluster,
            self.promise.guaranteed,
            self.promise.expected,
            self.deadline.after,
            self.first_harm(),
            self.promise.governed_by
        )
    }
}
