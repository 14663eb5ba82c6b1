//! The books of each sequence canary: what it served, what the receiver has, when the backlog was there, what is missing.
//!
//! Each number goes two ways: as a sample of the canary's series to the metrics receiver, and as a line of its log to the log
//! store. Both have books of their own against the one list of what was served.
//!
//! A canary's shards are series of their own, so that the sender's parallel queues each carry one. What is newer than the
//! newest number that arrived is still under way and in no hole; whether that is allowed is for the contract to say.

use super::scrapes;
use super::watch::{Watch, Window};
use crate::drill::arrival::Arrival;
use crate::drill::history::{History, Sample};
use crate::drill::measure::interval::Edge;
use crate::drill::measure::ledger::{Emitted, Ledger};
use crate::drill::measure::loss_cause::Evidence;
use crate::drill::report::model::Loss;
use crate::drill::scenario::Look;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeMap;

/// Shard under which the lines of a canary's log are kept.
pub const LOG: &str = "log";

/// Name under which the last look of a `canary_stored` or `log_canary_stored` probe is kept: every number that the receiver has,
/// `SHARD/NUMBER`, and how often.
pub fn last_look(probe: &str) -> String {
    format!("{probe}.numbers")
}

/// Name under which every scrape of the canary that the receiver has is kept, from the last look of a `canary_stored` probe:
/// milliseconds since 1970, and the scrape's `up`.
pub fn last_scrapes(probe: &str) -> String {
    format!("{probe}.scrapes")
}

/// By which way a canary's numbers leave its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// As samples of its series, one per shard.
    Metrics,
    /// As lines of its log.
    Logs,
}

impl Way {
    /// As in the ids of figures.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// What is counted.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Metrics => "samples",
            Self::Logs => "lines",
        }
    }

    /// The way at whose end the probe looks.
    pub fn of(look: &Look) -> Option<Self> {
        match look {
            Look::CanaryStored { .. } => Some(Self::Metrics),
            Look::LogCanaryStored { .. } => Some(Self::Logs),
            _ => None,
        }
    }
}

/// The books of one cluster's canary, by one way.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    /// Whose canary.
    pub cluster: ClusterName,
    /// By which way.
    pub way: Way,
    /// Everything that was served, in order.
    pub emitted: Vec<Emitted>,
    /// One ledger per shard; empty when the receiver could not be asked at the end.
    pub shards: BTreeMap<String, Ledger>,
    /// Numbers that were served after the newest one of the shard that is furthest behind: not lost, not there either.
    pub under_way: u64,
    /// Since when the receiver answers again; None when it never stopped answering, or never came back.
    pub back: Option<Edge>,
    /// When everything that was served before it answered again had arrived.
    pub complete: Option<Edge>,
    /// Times in which the sender asked the canary and had no answer in time: a number may have been served and never taken.
    pub not_scraped: Vec<(Moment, Moment)>,
}

impl Books {
    /// Numbers that are missing, over all shards.
    pub fn lost(&self) -> u64 {
        self.shards.values().map(Ledger::lost).sum()
    }

    /// Numbers that were served, over all shards.
    pub fn served(&self) -> u64 {
        self.shards.values().map(|ledger| ledger.emitted).sum()
    }

    /// Numbers that arrived more than once, over all shards.
    pub fn duplicated(&self) -> u64 {
        self.shards.values().map(|ledger| ledger.duplicates).sum()
    }

    /// What the report calls one of its series, or its log.
    pub fn series(&self, shard: &str) -> String {
        match self.way {
            Way::Metrics => format!("{}/canary{{shard=\"{shard}\"}}", self.cluster),
            Way::Logs => format!("{}/canary log", self.cluster),
        }
    }

    /// Every hole with its cause.
    pub fn losses(&self, evidence: &Evidence) -> Vec<Loss> {
        let lines = self.way == Way::Logs;
        let of_shard = |(shard, ledger): (&String, &Ledger)| {
            let losses = ledger.losses(&self.series(shard), evidence);
            losses.into_iter().map(move |loss| Loss { lines, ..loss })
        };
        self.shards.iter().flat_map(of_shard).collect()
    }
}

/// The books of every canary that was watched at both ends, by each way.
pub(super) fn close(history: &History, watches: &[Watch<'_>], window: &Window) -> Vec<Books> {
    let stored = watches.iter().filter_map(|w| Some((Way::of(&w.probe.look)?, w)));
    let of_cluster = |(way, stored): (Way, &Watch<'_>)| {
        let served = watches.iter().find(|w| {
            w.probe.cluster == stored.probe.cluster && matches!(w.probe.look, Look::CanaryServed { .. })
        })?;
        let mut emitted = served_numbers(&served.samples);
        // The last look goes back further than a short run is long, and the receiver is not asked for what was before it.
        emitted.retain(|one| one.at >= window.from);
        let arrived = stored_numbers(&history.samples(&last_look(&stored.probe.name)));
        let arrival = arrival(stored, window);
        let mut shards = BTreeMap::new();
        let mut under_way = 0;
        let missing = missing(&stored.probe.look, &arrived);
        let furthest_behind = arrived.values().filter_map(|n| n.iter().max().copied()).min();
        let arrived = arrived.into_iter().map(|(shard, numbers)| {
            let newest = numbers.iter().max().copied();
            (shard, numbers, newest)
        });
        // What the others have came out of the same scrapes, so a shard that never came is due as far as all of them are.
        let missing = missing.into_iter().map(|shard| (shard, vec![], furthest_behind));
        for (shard, numbers, newest) in arrived.chain(missing) {
            let (ledger, later) = one_shard(&emitted, &numbers, newest.unwrap_or(0));
            under_way = under_way.max(later);
            shards.insert(shard, ledger);
        }
        Some(Books {
            cluster: stored.probe.cluster.clone(),
            way,
            emitted,
            shards,
            under_way,
            back: arrival.back,
            complete: arrival.complete,
            not_scraped: scrapes::failed(&history.samples(&last_scrapes(&stored.probe.name))),
        })
    };
    stored.filter_map(of_cluster).collect()
}

/// Shards that the canary serves and of which nothing arrived; none when the receiver has nothing at all, which is no proof that it
/// was asked.
fn missing(look: &Look, arrived: &BTreeMap<String, Vec<u64>>) -> Vec<String> {
    match look {
        Look::CanaryStored {
            shards: Some(shards), ..
        } if !arrived.is_empty() => {
            let named = (0..*shards).map(|shard| shard.to_string());
            named.filter(|shard| !arrived.contains_key(shard)).collect()
        }
        _ => Vec::new(),
    }
}

/// A shard's ledger over what was served up to the newest number that is due, and how many were served later.
fn one_shard(emitted: &[Emitted], arrived: &[u64], newest: u64) -> (Ledger, u64) {
    let first = emitted.iter().map(|e| e.number).min().unwrap_or(u64::MAX);
    let (due, later): (Vec<Emitted>, Vec<Emitted>) = emitted.iter().partition(|e| e.number <= newest);
    // Older ones were served before anybody wrote down what was.
    let of_run = arrived.iter().copied().filter(|number| *number >= first);
    let later = u64::try_from(later.len()).unwrap_or(u64::MAX);
    (Ledger::close(&due, of_run), later)
}

/// Numbers in a canary's log; looks overlap, so each may be there more than once.
fn served_numbers(samples: &[&Sample]) -> Vec<Emitted> {
    let all: BTreeMap<u64, Moment> = samples
        .iter()
        .flat_map(|sample| &sample.values)
        .filter_map(|(number, micros)| {
            // Whole microseconds since 1970 are far below the 2^53 that a float holds exactly.
            let at = Moment(format!("{micros:.0}").parse().ok()?);
            Some((number.parse().ok()?, at))
        })
        .collect();
    let one = |(number, at)| Emitted { number, at };
    all.into_iter().map(one).collect()
}

fn stored_numbers(samples: &[&Sample]) -> BTreeMap<String, Vec<u64>> {
    let mut shards: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, times) in samples.iter().flat_map(|sample| &sample.values) {
        let Some((shard, number)) = key.split_once('/') else {
            continue;
        };
        // A number that is there twice is a duplicate, no second number. No receiver has one thousands of times.
        let times = format!("{times:.0}").parse().unwrap_or(1).clamp(1, 10_000);
        if let Ok(number) = number.parse::<u64>() {
            let all = shards.entry(shard.to_owned()).or_default();
            all.extend(std::iter::repeat_n(number, times));
        }
    }
    shards
}

/// What the probe's samples say of the receiver's return.
fn arrival(stored: &Watch<'_>, window: &Window) -> Arrival {
    let mut arrival = Arrival::new(stored.consecutive);
    stored.that_matter(window).for_each(|sample| arrival.see(sample));
    arrival
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
