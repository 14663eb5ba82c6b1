//! What has to be made, and why. What only serves an artefact that stands is not made again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::graph::{Id, Kind, Step};
use crate::state::{self, Record};

/// What a build would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps to run, in order.
    pub steps: Vec<PlannedStep>,
    /// Usual time of all of them on two cores.
    pub expected: Duration,
    /// MiB below the cache folder at the worst moment, with what is there already; 0 when nothing is to be done.
    /// Where there is more room, Go's caches are kept until the end and take up to twice as much.
    pub peak_mib: u64,
    /// MiB that must still be free: at most the peak, less what is there already.
    pub need_mib: u64,
    /// MiB of the finished cache.
    pub kept_mib: u64,
    /// Oldest Go that builds every module, such as `1.26.7`.
    pub go: String,
}

/// One step to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Why it has to run.
    pub why: Why,
    /// Its usual time.
    pub expected: Duration,
}

/// Why a step has to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Never finished here.
    Missing,
    /// Something that goes into it changed.
    Changed,
    /// Its file is gone or is not what was written.
    Damaged,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Missing => "not built yet",
            Why::Changed => "its recipe changed",
            Why::Damaged => "its file is gone or damaged",
        })
    }
}

/// Decides for every step whether it has to run. `None` for what stands or is not needed.
pub(crate) fn decide(cache: &Path, steps: &[Step<'_>], recipes: &BTreeMap<Id, String>) -> Vec<Option<Why>> {
    let mut wanted: BTreeSet<&Id> = steps.iter().filter(|s| s.kept).map(|s| &s.id).collect();
    let mut out = vec![None; steps.len()];
    // From the end, so that a step knows whether anything that uses it has to run.
    for (step, slot) in steps.iter().zip(&mut out).rev() {
        if !wanted.contains(&step.id) {
            continue;
        }
        let record = state::load(cache, &step.id);
        *slot = why(record.as_ref(), recipes.get(&step.id), &cache.join(&step.output));
        if slot.is_some() {
            wanted.extend(&step.needs);
        }
    }
    out
}

fn why(record: Option<&Record>, recipe: Option<&String>, output: &Path) -> Option<Why> {
    match record {
        None => Some(Why::Missing),
        Some(record) if Some(&record.recipe) != recipe => Some(Why::Changed),
        Some(record) if !state::stands(record, output) => Some(Why::Damaged),
        Some(_) => None,
    }
}
