//! One run against another: figures by intervals, verdicts by what they are worth.

use super::expected::Expected;
use super::markdown;
use super::model::{ContractVerdict, Identity, Measurement, Report, Worse};
use super::parts::{Bounds, Change, Direction, Objective, Outcome, Recovery};
use super::tables::{self, Cell, Table, table};
use super::verdict::Verdict;
use crate::drill::measure::slo::{self, Tolerance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Id of the earlier run.
    pub old: String,
    /// Id of the later run.
    pub new: String,
    /// What makes the two hard to compare; empty when they were made alike. Then only is a change the lab's own.
    pub differences: Vec<String>,
    /// What was judged in words and differs.
    pub verdicts: Vec<Turn>,
    /// Every figure of either, those of the later run first.
    pub changes: Vec<Change>,
}

/// A judgement in words that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `run`, `contract C4`, `objective rto`, `mgmt api came back`
    pub subject: String,
    /// Then.
    pub old: String,
    /// Now.
    pub new: String,
    /// What can be said.
    pub change: Direction,
}

impl Comparison {
    /// Inconclusive for runs that were not made alike: whatever differs may come of that. Else fail when anything is worse.
    pub fn verdict(&self) -> Verdict {
        let turns = self.verdicts.iter().map(|turn| turn.change);
        let mut all = turns.chain(self.changes.iter().map(|change| change.change));
        match (
            self.differences.is_empty(),
            all.any(|change| change == Direction::Worse),
        ) {
            (false, _) => Verdict::Inconclusive,
            (true, true) => Verdict::Fail,
            (true, false) => Verdict::Pass,
        }
    }
}

/// Compares figures by intervals (see [`slo::direction`]), and what was judged in words by what it is worth.
pub fn compare(old: &Report, new: &Report) -> Comparison {
    Comparison {
        old: old.run.clone(),
        new: new.run.clone(),
        differences: differences(old, new),
        verdicts: turns(old, new),
        changes: changes(old, new),
    }
}

fn differences(old: &Report, new: &Report) -> Vec<String> {
    let (then, now) = (&old.identity, &new.identity);
    let pairs = [
        ("drill", old.drill.clone(), new.drill.clone()),
        ("lab", then.lab.clone(), now.lab.clone()),
        ("plan", then.plan_digest.clone(), now.plan_digest.clone()),
        ("scale", then.scale.to_string(), now.scale.to_string()),
        (
            "host",
            then.host_fingerprint.clone(),
            now.host_fingerprint.clone(),
        ),
    ];
    let pairs = pairs.map(|(what, a, b)| (what.to_owned(), a, b));
    let version = |id: &Identity, name: &str| {
        let found = id.versions.iter().find(|v| v.name == name);
        found.map_or_else(|| "absent".to_owned(), |v| v.version.clone())
    };
    let both = then.versions.iter().chain(&now.versions);
    let names: BTreeSet<&str> = both.map(|v| v.name.as_str()).collect();
    let versions = names
        .into_iter()
        .map(|name| (name.to_owned(), version(then, name), version(now, name)));
    pairs
        .into_iter()
        .chain(versions)
        .filter(|(_, a, b)| a != b)
        .map(|(what, a, b)| format!("{what}: {a} then, {b} now"))
        .collect()
}

/// Every figure of the later run, then those that it lacks.
fn changes(old: &Report, new: &Report) -> Vec<Change> {
    let same = |a: &Measurement, b: &Measurement| a.id == b.id && a.unit == b.unit;
    let bounds = |m: &Measurement| Bounds {
        low: m.low,
        high: m.high,
    };
    let there = new.measurements.iter().map(|now| {
        let then = old.measurements.iter().find(|then| same(then, now)).map(bounds);
        Change {
            id: now.id.clone(),
            unit: now.unit.clone(),
            old: then,
            new: Some(bounds(now)),
            change: then.map_or(Direction::Neutral, |then| {
                slo::direction(then, bounds(now), now.worse, tolerance(&now.id))
            }),
        }
    });
    let gone = old
        .measurements
        .iter()
        .filter(|then| !new.measurements.iter().any(|now| same(then, now)));
    let gone = gone.map(|then| Change {
        id: then.id.clone(),
        unit: then.unit.clone(),
        old: Some(bounds(then)),
        new: None,
        change: if then.worse == Worse::Neither || nothing_to_measure(&then.id, new) {
            Direction::Neutral
        } else {
            Direction::Worse
        },
    });
    there.chain(gone).collect()
}

/// Of recovery times, that of runs; any other figure is judged by its bounds alone.
fn tolerance(id: &str) -> Tolerance {
    match id.split_once('.') {
        Some((counted_from, _)) if COUNTED_FROM.contains(&counted_from) => Tolerance::RECOVERY,
        _ => Tolerance::NONE,
    }
}

/// Whether a run lacks this figure because there was nothing to measure: what was never seen down has no time of recovery, and what
/// was back before the fault was undone has none that counts from there. Any other figure that is gone stands for something that
/// did not happen any more, as a recovery of what never came back.
fn nothing_to_measure(id: &str, report: &Report) -> bool {
    let Some((counted_from, rest)) = id.split_once('.') else {
        return false;
    };
    let Some((key, _)) = rest
        .rsplit_once('.')
        .filter(|_| COUNTED_FROM.contains(&counted_from))
    else {
        return false;
    };
    let never_down = |r: &Recovery| r.key() == key && r.outcome == Outcome::NeverSeenDown;
    let since_fault = format!("{}.{rest}", COUNTED_FROM[0]);
    report.recovery.iter().any(never_down)
        || (counted_from != COUNTED_FROM[0] && report.measurements.iter().any(|m| m.id == since_fault))
}

/// What ids of recovery times begin with: counted from the fault, from the first request without an answer, from the undo.
const COUNTED_FROM: [&str; 3] = ["rto", "outage", "recovery"];

/// Run, contracts, objectives, and what became of everything that was hit, as far as they differ.
fn turns(old: &Report, new: &Report) -> Vec<Turn> {
    let run = turn("run", (old.verdict, old.outcome()), (new.verdict, new.outcome()));
    let contracts = new.contracts.iter().filter_map(|now| {
        let then = old.contracts.iter().find(|then| then.id == now.id)?;
        turn(
            &format!("contract {}", now.id),
            (then.verdict, contract_worth(old, then)),
            (now.verdict, contract_worth(new, now)),
        )
    });
    let objectives = judged(new).filter_map(|now| {
        let then = judged(old).find(|then| then.id == now.id)?;
        turn(
            &format!("objective {}", now.id),
            (then.verdict, then.verdict),
            (now.verdict, now.verdict),
        )
    });
    let from_fault = |r: &&Recovery| r.counted_from == "fault";
    let recoveries = new.recovery.iter().filter(from_fault).filter_map(|now| {
        let mut earlier = old.recovery.iter().filter(from_fault);
        let then = earlier.find(|then| then.subject == now.subject)?;
        (then.outcome != now.outcome).then(|| Turn {
            subject: format!("{} came back", now.subject),
            old: then.outcome.word().to_owned(),
            new: now.outcome.word().to_owned(),
            change: match (then.outcome, now.outcome) {
                (_, Outcome::NotRecovered) => Direction::Worse,
                (Outcome::NotRecovered, _) => Direction::Better,
                _ => Direction::Neutral,
            },
        })
    });
    run.into_iter()
        .chain(contracts)
        .chain(objectives)
        .chain(recoveries)
        .collect()
}

/// In a drill that is meant to show a violation it is the violation that is worth a pass.
fn contract_worth(report: &Report, contract: &ContractVerdict) -> Verdict {
    let of = |expected: &Expected| expected.of_contract(&contract.id, contract.verdict);
    report.expected.as_ref().map_or(contract.verdict, of)
}

/// Objectives that were judged. One of which nothing was measured says nothing; that something did not come back is told as such.
fn judged(report: &Report) -> impl Iterator<Item = &Objective> {
    let all = report.slo.iter().flat_map(|slo| &slo.objectives);
    all.filter(move |o| {
        let of = |expected: &Expected| expected.of_objective(&o.id, o.verdict);
        report.expected.as_ref().map_or(o.verdict, of) != Verdict::NotCovered
    })
}

/// Two verdicts as they stand in the reports, each with what it is worth; None when they are the same.
fn turn(subject: &str, old: (Verdict, Verdict), new: (Verdict, Verdict)) -> Option<Turn> {
    // Doubt and silence are worth the same: neither proves anything.
    let worth = |verdict| -> u8 {
        match verdict {
            Verdict::Pass => 2,
            Verdict::Inconclusive | Verdict::NotCovered => 1,
            Verdict::Fail => 0,
        }
    };
    (old != new).then(|| Turn {
        subject: subject.to_owned(),
        old: old.0.to_string(),
        new: new.0.to_string(),
        change: match worth(new.1).cmp(&worth(old.1)) {
            std::cmp::Ordering::Less => Direction::Worse,
            std::cmp::Ordering::Equal => Direction::Same,
            std::cmp::Ordering::Greater => Direction::Better,
        },
    })
}

/// The comparison as Markdown.
pub fn render(comparison: &Comparison, new: &Report) -> String {
    let mut out = format!("# Run {} against {}\n\n", comparison.new, comparison.old);
    out.push_str(match comparison.verdict() {
        Verdict::Fail => {
            "**Worse**: what follows differs beyond the bounds of both runs, or, of recovery times, by more than two runs differ anyway.\n\n"
        }
        Verdict::Pass => {
            "Nothing is worse beyond the bounds of both runs and what the recovery times of two runs differ anyway.\n\n"
        }
        Verdict::Inconclusive | Verdict::NotCovered => {
            "**Not decided**: the runs were not made alike, so whatever differs may come of that.\n\n"
        }
    });
    for difference in &comparison.differences {
        out.push_str(&format!("- not alike: {difference}\n"));
    }
    if !comparison.differences.is_empty() {
        out.push('\n');
    }
    markdown::write(&mut out, &turned(&comparison.verdicts));
    let mut shown = new.clone();
    shown.comparison.clone_from(&comparison.changes);
    markdown::write(&mut out, &tables::changes(&shown));
    out
}

fn turned(turns: &[Turn]) -> Table {
    let rows = turns.iter().map(|turn| {
        [
            (&turn.subject).into(),
            (&turn.old).into(),
            (&turn.new).into(),
            Cell::Change(turn.change),
        ]
    });
    table("Judged otherwise", ["what", "then", "now", "change"], rows)
}
