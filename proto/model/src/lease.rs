//! Leases: every fault is one. Its undo is recorded and armed before it is injected, and fires by itself.

use crate::Invalid;
use crate::fault::Fault;
use crate::ids::LeaseId;
use crate::moment::Moment;
use serde::{Deserialize, Serialize};

/// For how long a fault may last. All in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawTerms", into = "RawTerms")]
pub struct Terms {
    ttl: u64,
    grace: u64,
    max: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerms {
    ttl_ms: u64,
    grace_ms: u64,
    max_ms: u64,
}

impl Terms {
    /// Shortest time to live: below it arming takes a good part of the fault.
    pub const MIN_TTL_MS: u64 = 500;
    /// Longest time that any fault may last, renewals included: one day.
    pub const MAX_MS: u64 = 86_400_000;
    /// Shortest silence that may count as a lost coordinator: four heartbeats.
    pub const MIN_GRACE_MS: u64 = 2_000;

    /// `ttl_ms` until the undo fires unless renewed, `grace_ms` of a silent coordinator until it fires early, `max_ms`
    /// from arming beyond which nothing renews it.
    pub fn new(ttl_ms: u64, grace_ms: u64, max_ms: u64) -> Result<Self, Invalid> {
        let within = |field: &str, value: u64, low: u64| {
            if (low..=Self::MAX_MS).contains(&value) {
                return Ok(());
            }
            let rule = format!("is not between {low} and {}", Self::MAX_MS);
            Err(Invalid::new(field, value.to_string(), rule))
        };
        within("ttl_ms", ttl_ms, Self::MIN_TTL_MS)?;
        within("grace_ms", grace_ms, Self::MIN_GRACE_MS)?;
        within("max_ms", max_ms, ttl_ms)?;
        Ok(Self {
            ttl: ttl_ms,
            grace: grace_ms,
            max: max_ms,
        })
    }

    /// Until the undo fires, from arming or the last renewal.
    pub fn ttl_ms(self) -> u64 {
        self.ttl
    }

    /// Silence of the coordinator after which the undo fires early.
    pub fn grace_ms(self) -> u64 {
        self.grace
    }

    /// From arming; no renewal goes beyond.
    pub fn max_ms(self) -> u64 {
        self.max
    }
}

impl TryFrom<RawTerms> for Terms {
    type Error = Invalid;
    fn try_from(raw: RawTerms) -> Result<Self, Invalid> {
        Self::new(raw.ttl_ms, raw.grace_ms, raw.max_ms)
    }
}

impl From<Terms> for RawTerms {
    fn from(terms: Terms) -> RawTerms {
        RawTerms {
            ttl_ms: terms.ttl,
            grace_ms: terms.grace,
            max_ms: terms.max,
        }
    }
}

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// The undo is recorded and armed; the fault may be there in part, or not at all.
    Armed,
    /// The fault is there.
    Injected,
    /// The fault is gone for good: nothing injects it again under this lease.
    Undone,
}

/// Why a fault was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoCause {
    /// Its time was over.
    Expired,
    /// Whoever injected it asked.
    Released,
    /// The coordinator was silent for longer than the lease allows.
    CoordinatorLost,
    /// The agent's root helper, or the coordinator for its host, began a new life.
    AgentStart,
    /// The node booted.
    Boot,
    /// `drill doctor --fix`.
    Healed,
    /// It could not be injected whole.
    InjectFailed,
}

impl UndoCause {
    /// All causes.
    pub const ALL: [UndoCause; 7] = [
        UndoCause::Expired,
        UndoCause::Released,
        UndoCause::CoordinatorLost,
        UndoCause::AgentStart,
        UndoCause::Boot,
        UndoCause::Healed,
        UndoCause::InjectFailed,
    ];

    /// The snake-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            UndoCause::Expired => "expired",
            UndoCause::Released => "released",
            UndoCause::CoordinatorLost => "coordinator_lost",
            UndoCause::AgentStart => "agent_start",
            UndoCause::Boot => "boot",
            UndoCause::Healed => "healed",
            UndoCause::InjectFailed => "inject_failed",
        }
    }

    /// Reads the snake-case name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|cause| cause.as_str() == text)
            .ok_or_else(|| Invalid::new("cause", text, "is no cause of an undo"))
    }
}

impl std::fmt::Display for UndoCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When something took place: it began at or after `from` and was over at or before `to`, by one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Read before it began.
    pub from: Moment,
    /// Read after it was over.
    pub to: Moment,
}

/// A lease as its place knows it. Moments are by the clock of that place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The lease.
    pub lease: LeaseId,
    /// How far it is.
    pub state: LeaseState,
    /// When the undo was armed.
    pub armed: Moment,
    /// When the undo fires unless renewed.
    pub deadline: Moment,
    /// When the fault took hold: what follows its first effect completes it, and is not in here.
    #[serde(default)]
    pub injected: Option<Span>,
    /// When it was undone.
    #[serde(default)]
    pub undone: Option<Span>,
    /// Why it was undone.
    #[serde(default)]
    pub cause: Option<UndoCause>,
    /// What kept the last try to undo it from its end; the next try is on its way.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// All that a place knows of faults: its leases, and what looks like a fault of ours without a lease.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// Every lease whose record is there; undone ones stay until they were told.
    pub leases: Vec<HeldLease>,
    /// One line per thing that carries our name, stands still or is off, and belongs to no outstanding lease.
    pub residue: Vec<String>,
}

/// A lease with what it broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLease {
    /// What was broken, and where.
    pub fault: Fault,
    /// The lease.
    pub status: LeaseStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_refuse_what_would_outlive_its_bound() {
        assert!(Terms::new(10_000, 5_000, 60_000).is_ok());
        assert!(Terms::new(10_000, 5_000, 9_999).is_err());
        assert!(Terms::new(1, 5_000, 60_000).is_err());
        assert!(Terms::new(10_000, 100, 60_000).is_err());
        assert!(Terms::new(10_000, 5_000, u64::MAX).is_err());
        assert!(serde_json::from_str::<Terms>(r#"{"ttl_ms":1,"grace_ms":5000,"max_ms":60000}"#).is_err());
    }

    #[test]
    fn causes_are_read_back() {
        for cause in UndoCause::ALL {
            assert_eq!(UndoCause::parse(cause.as_str()), Ok(cause));
        }
        assert!(UndoCause::parse("sh").is_err());
    }
}
