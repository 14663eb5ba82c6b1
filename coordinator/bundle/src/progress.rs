//! What the builder tells its caller while it works.

use std::time::Duration;

use crate::artefact::ArtefactId;

/// What is being done for an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Another builder holds the cache's lock.
    Waiting,
    /// Recorded and verified: nothing to do.
    Kept,
    /// A compiler, a package manager or a container runtime works; reported again every second.
    Building,
    /// Done and recorded.
    Done,
    /// Cannot be made from this project, and nothing that is there needs it.
    Skipped,
}

/// One report. `Building` comes repeatedly for the same artefact.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What it is about; none while the lock is awaited.
    pub artefact: Option<ArtefactId>,
    /// What is being done.
    pub phase: Phase,
    /// Number of this artefact, from 1.
    pub index: usize,
    /// How many artefacts the profile has.
    pub total: usize,
    /// Since this artefact was begun.
    pub elapsed: Duration,
    /// What it takes on two cores with empty caches.
    pub expected: Duration,
}
