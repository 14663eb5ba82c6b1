//! The loss ledger: what a sequence canary emitted against what the far end answers, to the sample.
//!
//! A canary serves one series per shard whose value counts up with every scrape, and logs what it served; a log canary
//! writes numbered lines. Whatever number was emitted and is not found at the far end is lost, whoever lost it.

use super::loss_cause::{Evidence, classify};
use crate::drill::report::model::Loss;
use model::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// What was emitted: number and moment. Numbers rise, also over restarts of the emitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emitted {
    /// Number of the sample or line.
    pub number: u64,
    /// When it was served or written.
    pub at: Moment,
}

/// Numbers in a row of which none arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The first one.
    pub first: Emitted,
    /// The last one.
    pub last: Emitted,
    /// How many.
    pub lost: u64,
}

/// The books of one series or stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// How many were emitted.
    pub emitted: u64,
    /// How many different ones of them arrived.
    pub arrived: u64,
    /// How often a number arrived once more; resent after a restart or an unacknowledged batch.
    pub duplicates: u64,
    /// Numbers that arrived and were never emitted: the two sides do not speak of the same thing. Empty in sound books.
    pub strangers: Vec<u64>,
    /// What is missing, in order.
    pub holes: Vec<Hole>,
}

impl Ledger {
    /// Closes the books. `emitted` in any order; `arrived` are the numbers at the far end, each as often as it is there.
    pub fn close(emitted: &[Emitted], arrived: impl IntoIterator<Item = u64>) -> Self {
        let by_number: BTreeMap<u64, Moment> = emitted.iter().map(|e| (e.number, e.at)).collect();
        let mut found = BTreeSet::new();
        let mut strangers = BTreeSet::new();
        let mut duplicates = 0_u64;
        for number in arrived {
            if !by_number.contains_key(&number) {
                strangers.insert(number);
            } else if !found.insert(number) {
                duplicates += 1;
            }
        }
        let mut holes: Vec<Hole> = Vec::new();
        let mut open = false;
        for (&number, &at) in &by_number {
            let one = Emitted { number, at };
            match holes.last_mut().filter(|_| open) {
                _ if found.contains(&number) => open = false,
                Some(hole) => {
                    hole.last = one;
                    hole.lost += 1;
                }
                None => {
                    holes.push(Hole {
                        first: one,
                        last: one,
                        lost: 1,
                    });
                    open = true;
                }
            }
        }
        Self {
            emitted: count(by_number.len()),
            arrived: count(found.len()),
            duplicates,
            strangers: strangers.into_iter().collect(),
            holes,
        }
    }

    /// How many are missing.
    pub fn lost(&self) -> u64 {
        self.holes.iter().map(|h| h.lost).sum()
    }

    /// The report's entries, each with its cause.
    pub fn losses(&self, series: &str, evidence: &Evidence) -> Vec<Loss> {
        let loss = |hole: &Hole| Loss {
            series: series.to_owned(),
            lines: false,
            lost: hole.lost,
            from: hole.first.at.into(),
            to: hole.last.at.into(),
            cause: classify(hole, evidence),
        };
        self.holes.iter().map(loss).collect()
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The sender's own counters, as differences within one life of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// `samples_in_total`: appended.
    pub appended: u64,
    /// `samples_total`: sent, each try counted.
    pub sent: u64,
    /// `samples_retried_total`
    pub retried: u64,
    /// `samples_pending`, a gauge at the end.
    pub pending: u64,
    /// `samples_dropped_total`
    pub dropped: u64,
    /// `samples_failed_total`
    pub failed: u64,
}

impl Counters {
    /// Samples that are gone, at least and at most, whether the sender owns up to them or not: appended, and neither delivered
    /// nor waiting. The cliff shows nowhere else. Those of a request that failed for good count as sent when it was tried, and
    /// not when it was given up before; both are among the failed. The upper bound is below the lower one when the figures
    /// contradict each other, as they do over a restart.
    pub fn gone(self) -> (i64, i64) {
        let left = signed(self.appended)
            .saturating_add(signed(self.retried))
            .saturating_sub(signed(self.sent))
            .saturating_sub(signed(self.pending));
        let owned = signed(self.owned());
        (left.max(owned), left.saturating_add(signed(self.failed)))
    }

    /// Samples that the sender itself says it gave up.
    pub fn owned(self) -> u64 {
        self.dropped.saturating_add(self.failed)
    }
}

/// Whether counters and ledger tell the same: every lost scrape cost `per_scrape` samples, and so many can be [gone](Counters::gone).
/// One scrape may be under way when the counters are read at either end, hence the tolerance of two.
pub fn agree((low, high): (i64, i64), lost_scrapes: u64, per_scrape: u64) -> bool {
    let lost = signed(lost_scrapes.saturating_mul(per_scrape));
    let doubt = signed(per_scrape.saturating_mul(2));
    let possible = low.saturating_sub(doubt)..=high.saturating_add(doubt);
    low <= high && possible.contains(&lost)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
