//! C3: every Secret was there, unchanged, and its age was known, as long as its source was away.

use super::{Case, evidence};
use crate::drill::history::Sample;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;
use std::collections::BTreeSet;

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for watch in &case.watches {
        let name = &watch.probe.name;
        let in_outage: Vec<&Sample> = watch
            .samples
            .iter()
            .copied()
            .filter(|s| case.window.in_outage(s.due) && !s.values.is_empty())
            .collect();
        let secrets: BTreeSet<&str> = in_outage
            .iter()
            .flat_map(|s| s.values.keys())
            .filter_map(|key| key.strip_suffix(".present"))
            .collect();
        if secrets.is_empty() {
            let text = format!("{name}: no look at the Secrets succeeded in the outage");
            found.push(evidence("served", Verdict::Inconclusive, text));
        }
        for secret in secrets {
            found.push(served(secret, &in_outage));
            found.push(age_known(secret, &in_outage));
        }
    }
    found
}

fn served(secret: &str, samples: &[&Sample]) -> Evidence {
    let value = |s: &Sample, what: &str| s.values.get(&format!("{secret}.{what}")).copied();
    let gone = samples.iter().find(|s| value(s, "present") == Some(0.0));
    let changed = samples.iter().find(|s| value(s, "changed") == Some(1.0));
    match (gone, changed) {
        (Some(s), _) => evidence("served", Verdict::Fail, format!("{secret}: gone at {}", s.due)),
        (None, Some(s)) => evidence(
            "served",
            Verdict::Fail,
            format!("{secret}: another value at {}", s.due),
        ),
        (None, None) => {
            let text = format!(
                "{secret}: there and unchanged in {} looks in the outage",
                samples.len()
            );
            evidence("served", Verdict::Pass, text)
        }
    }
}

fn age_known(secret: &str, samples: &[&Sample]) -> Evidence {
    let age = |s: &&Sample| s.values.get(&format!("{secret}.age_seconds")).copied();
    let highest = samples
        .iter()
        .filter_map(age)
        .fold(None, |max: Option<f64>, age| {
            Some(max.map_or(age, |m| m.max(age)))
        });
    match highest {
        Some(highest) => evidence(
            "age_known",
            Verdict::Pass,
            format!("{secret}: at most {highest:.1} s old in the outage"),
        ),
        None => evidence(
            "age_known",
            Verdict::Fail,
            format!("{secret}: its age could not be told"),
        ),
    }
}
