//! Parts of the report on metrics buffering.

use super::parts::{Bounds, Point};
use super::verdict::Verdict;
use crate::drill::backlog::{Input, Promise};
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::stamp::Stamp;
use serde::{Deserialize, Serialize};

/// The WAL of one cluster's agent, its windows and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalReport {
    /// Cluster.
    pub cluster: String,
    /// Version of the sender, by the run's plan; empty where that names none.
    pub version: String,
    /// Seconds between truncations.
    pub truncate_period: Quantity,
    /// What the log promised before the outage.
    #[serde(flatten)]
    pub promise: Promise,
    /// Seconds that the queue in memory takes samples before the reader stops.
    #[serde(default)]
    pub memory: Option<Bounds>,
    /// The tick at which this outage's backlog dies, as forecast when it began; None: beyond what was computed.
    pub deadline: Option<Stamp>,
    /// Not later than this; `deadline` is the earliest.
    #[serde(default)]
    pub deadline_by: Option<Stamp>,
    /// Whether the forecast said that samples would be lost.
    pub predicted_loss: Option<bool>,
    /// Whether samples were lost.
    pub observed_loss: Option<bool>,
    /// When the backlog died, if it did; seen by the first tick after which the next segment was gone.
    pub died: Option<Stamp>,
    /// How long catching up took, seconds.
    pub catch_up: Option<Bounds>,
    /// What was foretold beside what was seen.
    #[serde(default)]
    pub foreseen: Vec<Foreseen>,
    /// What the forecast was computed from.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Segments between writer and reader, against time.
    #[serde(default)]
    pub backlog_segments: Vec<Point>,
    /// Bytes on disk, against time.
    #[serde(default)]
    pub backlog_bytes: Vec<Point>,
    /// Seconds left to the deadline, against time, as computed live.
    #[serde(default)]
    pub headroom: Vec<Point>,
}

/// One thing that was foretold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// `backlog`, `next truncation`, `reader`, `samples a second`, `bytes a second`
    pub what: String,
    /// Before the outage.
    pub foretold: String,
    /// In it and after it.
    pub seen: String,
    /// `pass` when both agree; `inconclusive` when one of them could not be told.
    pub agree: Verdict,
}
