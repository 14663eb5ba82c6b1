//! A drill whose driller is killed in its middle: when that happens, and what may be left afterwards, which is nothing.
//!
//! The moment comes from a seed, so that a run that left something can be made again. What is judged is what every place says
//! of itself afterwards and what the run's history says; the driller that died is asked nothing.

use super::phases::GIVE_UP_MS;
use super::plan::DrillPlan;
use super::record::Phase;
use super::report::verdict::Verdict;
use super::scenario::Phases;
use model::lease::LeaseStatus;
use sha2::{Digest as _, Sha256};

/// What no fault may outlive the deadline of its lease by, milliseconds.
pub const BOUND_MS: i64 = 2_000;

/// What breaking and undoing are each counted with, milliseconds: no scenario plans how long they take. The longest on a lab, both
/// nodes of a cluster without power, takes a second.
const CHANGE_MS: u64 = 5_000;

/// What the end of a recovered run may take beyond its last lease, milliseconds: nodes boot, and the drill's own objects are taken
/// away when their source answers again.
const AFTERWARDS_MS: u64 = 300_000;

/// How long steady, inject, observe and revert take as they are planned, milliseconds.
pub fn planned_ms(phases: &Phases) -> u64 {
    let seconds = phases.steady_seconds.saturating_add(phases.observe_seconds);
    seconds.saturating_mul(1000).saturating_add(2 * CHANGE_MS)
}

/// When the driller dies, milliseconds after the run began: below `planned_ms`, each as likely as any other, and always the same
/// for the same seed, whatever release draws it.
pub fn moment_ms(seed: u64, planned_ms: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"drillyard/kill-driller/v1");
    hash.update(seed.to_be_bytes());
    let drawn = hash
        .finalize()
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let scaled = (u128::from(drawn) * u128::from(planned_ms)) >> 64;
    u64::try_from(scaled).unwrap_or(0)
}

/// How long the end of the run is waited for after its driller died, milliseconds.
pub fn end_limit_ms(plan: &DrillPlan) -> u64 {
    let longest = plan.faults.iter().map(|fault| fault.lease_ms).max().unwrap_or(0);
    longest.saturating_add(GIVE_UP_MS).saturating_add(AFTERWARDS_MS)
}

/// What is found when the next coordinator had its time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aftermath {
    /// The phase in which the driller died; None when the run was over before it did.
    pub killed_in: Option<Phase>,
    /// What the run was last seen doing, where its end is not on record.
    pub unfinished: Option<String>,
    /// Faults that the run's own end names as not undone.
    pub given_up: Vec<String>,
    /// Whether the history can be judged again.
    pub judged: bool,
    /// Leases of the run as their places tell them.
    pub leases: Vec<LeaseStatus>,
    /// Leases whose fault took hold, and of whose end nobody told.
    pub untold: usize,
    /// Leases that are outstanding anywhere.
    pub outstanding: usize,
    /// What is left without a lease, each with its place.
    pub residue: Vec<String>,
    /// Places that could not be asked, each with the reason.
    pub unreached: Vec<String>,
}

/// What that comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Pass: nothing is left, nothing was late, and the run can be judged.
    pub verdict: Verdict,
    /// How long after its deadline the latest fault went, milliseconds; negative for one that went before it. None without any.
    pub overdue_ms: Option<i64>,
    /// Why it is no pass; empty for one.
    pub reasons: Vec<String>,
}

impl Aftermath {
    /// Judges it. A fault that is left convicts, whatever else is not known.
    pub fn judge(&self) -> Judgement {
        let late: Vec<i64> = self.leases.iter().filter_map(overdue_micros).collect();
        let mut wrong = Vec::new();
        if self.outstanding > 0 {
            wrong.push(format!("{} leases are outstanding", self.outstanding));
        }
        wrong.extend(
            self.residue
                .iter()
                .map(|left| format!("left without a lease: {left}")),
        );
        let overdue = late.iter().filter(|micros| **micros > BOUND_MS * 1000).count();
        if overdue > 0 {
            wrong.push(format!(
                "{overdue} faults outlived the deadline of their lease by more than {BOUND_MS} ms"
            ));
        }
        wrong.extend(
            self.given_up
                .iter()
                .map(|fault| format!("the run ended without undoing {fault}")),
        );
        wrong.extend(
            self.unfinished
                .iter()
                .map(|status| format!("the run has no end on record: {status}")),
        );
        if !self.judged {
            wrong.push("the run's history cannot be judged".into());
        }
        let mut unknown = Vec::new();
        if self.killed_in.is_none() {
            unknown.push("the run was over before its driller died".to_owned());
        }
        if self.untold > 0 {
            unknown.push(format!("of the end of {} leases nobody told", self.untold));
        }
        unknown.extend(self.unreached.iter().map(|place| format!("not reached: {place}")));
        Judgement {
            verdict: match (wrong.is_empty(), unknown.is_empty()) {
                (false, _) => Verdict::Fail,
                (true, false) => Verdict::Inconclusive,
                (true, true) => Verdict::Pass,
            },
            overdue_ms: late.into_iter().max().map(|micros| micros / 1000),
            reasons: wrong.into_iter().chain(unknown).collect(),
        }
    }
}

/// By the clock of its place, which is the one that its deadline is of.
fn overdue_micros(lease: &LeaseStatus) -> Option<i64> {
    Some(lease.undone?.to.0.saturating_sub(lease.deadline.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::LeaseId;
    use model::lease::{LeaseState, Span, UndoCause};
    use model::moment::Moment;

    fn undone(after_deadline_ms: i64) -> LeaseStatus {
        let end = Moment(60_000_000 + after_deadline_ms * 1000);
        LeaseStatus {
            lease: LeaseId([1; 16]),
            state: LeaseState::Undone,
            armed: Moment(0),
            deadline: Moment(60_000_000),
            injected: None,
            undone: Some(Span { from: end, to: end }),
            cause: Some(UndoCause::AgentStart),
            trouble: None,
        }
    }

    fn whole() -> Aftermath {
        Aftermath {
            killed_in: Some(Phase::Observe),
            judged: true,
            leases: vec![undone(-40_000), undone(1_999)],
            ..Aftermath::default()
        }
    }

    #[test]
    fn a_seed_is_a_moment_and_all_of_them_are_spread_over_the_plan() {
        let phases = Phases {
            steady_seconds: 20,
            observe_seconds: 90,
            verify_seconds: 420,
            consecutive_good: 5,
            worst_start_seconds: 0,
        };
        let planned = planned_ms(&phases);
        assert_eq!(planned, 120_000);
        assert_eq!(moment_ms(7, planned), moment_ms(7, planned));
        let mut tenths = [0_u32; 10];
        for seed in 0..10_000 {
            let moment = moment_ms(seed, planned);
            assert!(moment < planned, "{seed}: {moment}");
            tenths[usize::try_from(moment * 10 / planned).expect("small")] += 1;
        }
        // A thousand each; five times the deviation that chance has there is 150.
        assert!(
            tenths.iter().all(|count| (850..1150).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn nothing_left_and_nothing_late_passes() {
        let judgement = whole().judge();
        assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
        assert_eq!(judgement.overdue_ms, Some(1_999));
        let before_any_fault = Aftermath {
            leases: Vec::new(),
            ..whole()
        };
        let judgement = before_any_fault.judge();
        assert_eq!((judgement.verdict, judgement.overdue_ms), (Verdict::Pass, None));
    }

    #[test]
    fn whatever_is_left_convicts() {
        let leases = vec![undone(2_001)];
        for (left, told) in [
            (Aftermath { leases, ..whole() }, "by more than 2000 ms"),
            (
                Aftermath {
                    outstanding: 1,
                    ..whole()
                },
                "1 leases are outstanding",
            ),
            (
                Aftermath {
                    residue: vec!["host: a table".into()],
                    ..whole()
                },
                "host: a table",
            ),
            (
                Aftermath {
                    given_up: vec!["away".into()],
                    ..whole()
                },
                "without undoing away",
            ),
            (
                Aftermath {
                    unfinished: Some("revert".into()),
                    ..whole()
                },
                "no end on record: revert",
            ),
            (
                Aftermath {
                    judged: false,
                    ..whole()
                },
                "cannot be judged",
            ),
            // Doubt acquits nobody.
            (
                Aftermath {
                    outstanding: 1,
                    killed_in: None,
                    untold: 3,
                    ..whole()
                },
                "1 leases",
            ),
        ] {
            let judgement = left.judge();
            assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:?}");
            assert!(
                judgement.reasons.iter().any(|r| r.contains(told)),
                "{judgement:?}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_no_pass() {
        for unknown in [
            Aftermath {
                killed_in: None,
                ..whole()
            },
            Aftermath { untold: 1, ..whole() },
            Aftermath {
                unreached: vec!["app1-cp: not connected".into()],
                ..whole()
            },
        ] {
            let judgement = unknown.judge();
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
            assert_eq!(judgement.reasons.len(), 1);
        }
    }
}
