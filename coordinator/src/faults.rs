//! Faults as leases, for drills and operators: one port over nodes and host.
//!
//! ```text
//! inject ─► LeaseTaken durable ─► node: InjectFault step on its faults lane ─► LeaseInjected
//!                                 host: guard process, then the launcher
//! release, renew, expiry, lost coordinator: whoever undoes it, the place says so, and the lease leaves the book
//! ```
//!
//! Nothing here keeps a fault alive: a lease ends by itself. A coordinator that starts releases what it did not take.

mod capability;
mod desk;
mod host;
mod keeper;
mod meeting;
mod news;
mod node;
mod over;
mod planned;
mod survey;

pub use capability::{Capability, capabilities};
pub use desk::Faults;
pub(crate) use host::handle;
pub use news::News;
pub use planned::{PlannedError, lease_of, planned};
pub use survey::{PlaceSurvey, WholeSurvey, local};

use model::fault::Fault;
use model::ids::LeaseId;
use model::lease::{LeaseState, LeaseStatus, Span, UndoCause};
use model::moment::{ClockOffset, Moment};
use serde::{Deserialize, Serialize};

/// A lease with what is known of when things took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Id.
    pub lease: LeaseId,
    /// What, and where.
    pub fault: Fault,
    /// The lease by the clock of its place; None where the place never heard of it.
    pub status: Option<LeaseStatus>,
    /// When the call that just returned took effect, for an injection or a release.
    pub timing: Option<Timing>,
    /// Its end, where its place ended it before it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// The end of a lease that its place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub by: UndoCause,
    /// When, by the coordinator's clock.
    pub at: Span,
}

impl Ended {
    /// What its place said of the end; `injected` knows how far the place's clock is ahead. One that could not be injected whole was
    /// undone with that, and not ended.
    fn of(by: UndoCause, undone: Span, injected: Timing) -> Option<Self> {
        let at = injected.of_place(undone);
        (by != UndoCause::InjectFailed).then_some(Self { by, at })
    }
}

/// When a call took effect, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The coordinator's clock, read before the order left and after its outcome came.
    pub called: Span,
    /// The place's clock, read before and after the change.
    pub at: Span,
    /// Least that the place's clock is ahead of the coordinator's, microseconds.
    pub offset_low_us: i64,
    /// Most that the place's clock is ahead, microseconds.
    pub offset_high_us: i64,
}

impl Timing {
    /// The place read its clock within the call, so the call bounds how far the two clocks are apart.
    pub fn new(called: Span, at: Span) -> Self {
        Self {
            called,
            at,
            offset_low_us: at.to.0.saturating_sub(called.to.0),
            offset_high_us: at.from.0.saturating_sub(called.from.0),
        }
    }

    /// With an offset that is known closer than the call bounds it, as for a call that had something to prepare. One that
    /// contradicts the call is of before a clock was set, and is not used.
    #[must_use]
    pub fn knowing(self, offset: ClockOffset) -> Self {
        let bound = i64::try_from(offset.bound_micros).unwrap_or(i64::MAX);
        let least = offset.offset_micros.saturating_sub(bound);
        let most = offset.offset_micros.saturating_add(bound);
        let (low, high) = (self.offset_low_us.max(least), self.offset_high_us.min(most));
        if low > high {
            return self;
        }
        Self {
            offset_low_us: low,
            offset_high_us: high,
            ..self
        }
    }

    /// When the change took place by the coordinator's clock: within the call, and within the place's own reading once the
    /// offset is taken off. The narrower bound wins on each side.
    pub fn by_coordinator(&self) -> Span {
        let Span { from, to } = self.of_place(self.at);
        Span {
            from: from.max(self.called.from),
            to: to.min(self.called.to),
        }
    }

    /// Any time of the place's clock, by the coordinator's: wider by what is not known of the offset.
    pub fn of_place(&self, at: Span) -> Span {
        Span {
            from: Moment(at.from.0.saturating_sub(self.offset_high_us)),
            to: Moment(at.to.0.saturating_sub(self.offset_low_us)),
        }
    }
}

impl Lease {
    /// When the fault came or went, by the coordinator's clock; None where its place does not say.
    pub fn changed(&self) -> Option<Span> {
        let ended = self.ended.map(|ended| ended.at);
        ended.or_else(|| Some(self.timing?.by_coordinator()))
    }

    /// Whether its place said that the fault is gone.
    pub fn is_undone(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|s| s.state == LeaseState::Undone)
    }
}

/// Why a call did not do what it should. The fault may be there in part; its undo is armed or done.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// No provider of this lab can do that.
    #[error("{kind} is not covered here: {reason}")]
    NotCovered {
        /// What.
        kind: model::fault::FaultKind,
        /// Why not.
        reason: String,
    },
    /// The lab has no such node.
    #[error("the lab has no node {0}")]
    NoNode(String),
    /// The node's agent is not connected.
    #[error("the agent of {0} is not connected")]
    NotConnected(String),
    /// The node refused or failed.
    #[error("{node}: {message} ({code})")]
    Failed {
        /// Which node.
        node: String,
        /// Stable code.
        code: String,
        /// Cause first.
        message: String,
    },
    /// Nobody knows in time; the lease is being released.
    #[error("{node} did not say in {seconds} s how it went; the fault is being undone")]
    Unknown {
        /// Which node.
        node: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The host's part failed.
    #[error("the host's part failed")]
    Host(#[from] launcher::LaunchError),
    /// No such lease is outstanding.
    #[error("lease {0} is not outstanding")]
    NoLease(LeaseId),
    /// The coordinator is ending.
    #[error("the coordinator is ending")]
    Ending,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_by_its_place_is_told_by_our_clock_with_its_cause() {
        let span = |from, to| Span {
            from: Moment(from),
            to: Moment(to),
        };
        let injected = Timing::new(span(0, 100), span(1_040, 1_060));
        let undone = span(6_000, 6_010);
        let ended = Ended::of(UndoCause::AgentStart, undone, injected).expect("told");
        assert_eq!(ended.by, UndoCause::AgentStart);
        // The node is 1000 ahead, give or take what the injection's call leaves open.
        assert!(ended.at.from.0 <= 5_000 && 5_010 <= ended.at.to.0, "{ended:?}");
        assert!(ended.at.from.0 >= 4_960 && ended.at.to.0 <= 5_050, "{ended:?}");
        let lease = |ended| Lease {
            lease: LeaseId([1; 16]),
            fault: Fault::Host {
                inject: model::fault::HostFault::Freeze {
                    node: model::ids::NodeName::new("mgmt-worker").expect("valid"),
                },
            },
            status: None,
            timing: None,
            ended,
        };
        assert_eq!(lease(Some(ended)).changed(), Some(ended.at));
        assert_eq!(lease(None).changed(), None);
        assert_eq!(Ended::of(UndoCause::InjectFailed, undone, injected), None);
    }

    #[test]
    fn the_offset_of_a_clock_that_is_ahead_is_bounded_and_taken_off() {
        let span = |from, to| Span {
            from: Moment(from),
            to: Moment(to),
        };
        // The node is 1000 ahead; the change took from 40 to 60 of a call from 0 to 100.
        let timing = Timing::new(span(0, 100), span(1_040, 1_060));
        assert!(timing.offset_low_us <= 1_000 && 1_000 <= timing.offset_high_us);
        let by_us = timing.by_coordinator();
        assert!(by_us.from.0 <= 40 && 60 <= by_us.to.0, "{by_us:?}");
        assert!(by_us.from.0 >= 0 && by_us.to.0 <= 100);
        let offset = |offset_micros, bound_micros| ClockOffset {
            offset_micros,
            bound_micros,
        };
        let closer = timing.knowing(offset(1_002, 3)).by_coordinator();
        assert_eq!((closer.from.0, closer.to.0), (35, 61));
        assert_eq!(
            timing.knowing(offset(5_000, 3)),
            timing,
            "of before the clock was set"
        );
    }
}
