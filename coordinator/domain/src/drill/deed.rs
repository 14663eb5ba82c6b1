//! What the drill itself does to its own ExternalSecrets, and when: a `secret_canary` probe is asked, and between its looks things
//! are done whose effect it then sees.
//!
//! | deed | phase | what |
//! |---|---|---|
//! | plant | steady | first value into the source; two ExternalSecrets in a namespace of the drill's own |
//! | delete | observe | the target Secret of one of them is deleted |
//! | create | observe | a third ExternalSecret is made |
//! | write | verify | a new value into the source, tried until it takes it |
//! | clear | verdict | all of it is taken away |
//!
//! What failed is tried again. Whatever was planted is cleared before a run is judged; what cannot be cleared in
//! [`CLEAR_LIMIT_MS`] is left to `drill doctor`.

use super::record::Phase;
use model::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Time from a failed deed to the next try, milliseconds.
pub const RETRY_MS: u64 = 500;

/// How long clearing is tried, milliseconds. A namespace with finalizers takes some seconds.
pub const CLEAR_LIMIT_MS: u64 = 60_000;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The first value and two ExternalSecrets.
    Plant,
    /// A target Secret is deleted.
    Delete,
    /// One more ExternalSecret.
    Create,
    /// A new value.
    Write,
    /// All of it is taken away.
    Clear,
}

impl Deed {
    /// In words, for the event log.
    pub fn text(self) -> &'static str {
        match self {
            Self::Plant => "planting the drill's own ExternalSecrets",
            Self::Delete => "deleting the Secret of one of them",
            Self::Create => "making a new one",
            Self::Write => "writing a new value into their source",
            Self::Clear => "taking them away",
        }
    }
}

/// How far a deed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeedStatus {
    /// It was ordered and is not answered.
    Ordered,
    /// It is done.
    Done,
    /// It failed at that moment.
    Failed(Moment),
}

/// The deeds of one probe that were ever ordered.
pub type Deeds = BTreeMap<Deed, DeedStatus>;

/// When deeds are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// The run's phase.
    pub phase: Phase,
    /// Since when.
    pub since: Moment,
    /// Now.
    pub now: Moment,
    /// When in the outage something is done, milliseconds after it began.
    pub act_after_ms: u64,
}

/// What is to be ordered now.
pub fn due(deeds: &Deeds, at: Situation) -> Vec<Deed> {
    let planted = is_done(deeds, Deed::Plant);
    let wanted: &[Deed] = match at.phase {
        Phase::Steady => &[Deed::Plant],
        Phase::Observe if planted && at.now.millis_since(at.since) >= at.act_after_ms => {
            &[Deed::Delete, Deed::Create]
        }
        Phase::Verify if planted => &[Deed::Write],
        Phase::Verdict if !is_clear(deeds, at.since) => &[Deed::Clear],
        _ => &[],
    };
    let ready = |deed: &Deed| match deeds.get(deed) {
        None => true,
        Some(DeedStatus::Failed(failed)) => at.now >= failed.plus_millis(RETRY_MS),
        Some(DeedStatus::Ordered | DeedStatus::Done) => false,
    };
    wanted.iter().copied().filter(ready).collect()
}

/// Whether it is done.
pub fn is_done(deeds: &Deeds, deed: Deed) -> bool {
    deeds.get(&deed) == Some(&DeedStatus::Done)
}

/// Whether nothing is left to be taken away, or is left to others; `since` is the begin of the last phase.
pub fn is_clear(deeds: &Deeds, since: Moment) -> bool {
    match deeds.get(&Deed::Clear) {
        _ if !deeds.contains_key(&Deed::Plant) => true,
        Some(DeedStatus::Done) => true,
        Some(DeedStatus::Failed(at)) => at.millis_since(since) > CLEAR_LIMIT_MS,
        Some(DeedStatus::Ordered) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::DeedStatus::{Done, Failed, Ordered};
    use super::*;

    #[test]
    fn each_phase_has_its_deeds_and_none_is_ordered_twice() {
        use Deed::{Clear, Create, Delete, Plant, Write};
        let at = |ms: i64| Moment(ms * 1000);
        let planted = [(Plant, Done)];
        type Case<'a> = (Phase, i64, &'a [(Deed, DeedStatus)], &'a [Deed]);
        let table: [Case<'_>; 16] = [
            (Phase::Guard, 0, &[], &[]),
            (Phase::Steady, 0, &[], &[Plant]),
            (Phase::Steady, 0, &[(Plant, Ordered)], &[]),
            (Phase::Steady, 400, &[(Plant, Failed(at(0)))], &[]),
            (Phase::Steady, 500, &[(Plant, Failed(at(0)))], &[Plant]),
            (Phase::Steady, 9000, &planted, &[]),
            (Phase::Observe, 4999, &planted, &[]),
            (Phase::Observe, 5000, &planted, &[Delete, Create]),
            (Phase::Observe, 5000, &[(Plant, Done), (Delete, Done)], &[Create]),
            // Nothing to delete where nothing was planted.
            (Phase::Observe, 5000, &[(Plant, Failed(at(0)))], &[]),
            (Phase::Revert, 5000, &planted, &[]),
            (Phase::Verify, 0, &planted, &[Write]),
            (Phase::Verdict, 0, &[], &[]),
            // Also what may have been planted only in part is cleared.
            (Phase::Verdict, 0, &[(Plant, Ordered)], &[Clear]),
            (
                Phase::Verdict,
                61_000,
                &[(Plant, Done), (Clear, Failed(at(60_000)))],
                &[Clear],
            ),
            (
                Phase::Verdict,
                90_000,
                &[(Plant, Done), (Clear, Failed(at(60_001)))],
                &[],
            ),
        ];
        for (phase, now, deeds, expected) in table {
            let deeds: Deeds = deeds.iter().copied().collect();
            let situation = Situation {
                phase,
                since: at(0),
                now: at(now),
                act_after_ms: 5000,
            };
            assert_eq!(due(&deeds, situation), expected, "{phase:?} {now} {deeds:?}");
        }
    }
}
