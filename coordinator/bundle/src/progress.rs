//! What a build tells while it runs: typed, so that a terminal, a log and an event stream show it each in their way.

use std::time::Duration;

use crate::graph::Kind;
use crate::plan::Why;

/// One report. Reports come at each change of phase and about once a second in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The artefact's name, unique within its kind.
    pub name: String,
    /// What kind of artefact it is.
    pub kind: Kind,
    /// Why it is made.
    pub why: Why,
    /// Where it stands.
    pub phase: Phase,
    /// Its place among the steps to run, from 1.
    pub index: usize,
    /// How many steps there are to run.
    pub total: usize,
    /// Time spent on this step so far.
    pub elapsed: Duration,
    /// How long this step usually takes on two cores.
    pub expected: Duration,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Started,
    /// It is still running.
    Running,
    /// Its artefact stands, is recorded, and is durable.
    Done,
}
