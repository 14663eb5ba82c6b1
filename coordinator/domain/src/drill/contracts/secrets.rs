//! C3: every Secret was there, unchanged, and its age was known, as long as its source was away. What the contract does not promise
//! is told as it was measured: a Secret that is deleted meanwhile comes back only with its source, and a new one waits for it.

use super::{Case, evidence};
use crate::drill::assemble::is_canary;
use crate::drill::history::Sample;
use crate::drill::report::figure::{interval, maybe_interval};
use crate::drill::report::model::Evidence;
use crate::drill::report::secret_canary::{SecretCanary, SecretTrial};
use crate::drill::report::verdict::Verdict;
use std::collections::BTreeSet;

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for watch in case.watches.iter().filter(|w| !is_canary(w.probe)) {
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
    found.extend(case.secret_canaries.iter().flat_map(canary));
    found
}

/// What the drill's own ExternalSecrets showed.
fn canary(canary: &SecretCanary) -> Vec<Evidence> {
    let cluster = &canary.cluster;
    let text = format!(
        "{cluster}: the Secret that was left alone was there with its last value in {} of {} looks in the outage (a canary of the \
         drill's own, refreshed every {} s)",
        canary.readable, canary.looks, canary.refresh_interval
    );
    let mut found = vec![evidence("canary_readable", canary.verdict, text)];
    found.extend(canary.trials.iter().map(|trial| {
        let text = format!("{cluster}: {}", told(trial));
        evidence(&trial.what, trial.verdict, text)
    }));
    found
}

fn told(trial: &SecretTrial) -> String {
    let Some(waited) = trial.waited else {
        return format!(
            "{}: it could not be done, so nothing is known of it",
            trial.subject()
        );
    };
    let whole = interval(waited, "seconds");
    let outage = maybe_interval(trial.waited_in_outage, "seconds");
    let after = match (trial.measured, trial.predicted) {
        (Some(measured), Some(predicted)) => format!(
            "; {} after a new value was written, predicted {}{}",
            interval(measured, "seconds"),
            interval(predicted, "seconds"),
            if measured.low > predicted.high {
                ": later than predicted"
            } else {
                ""
            }
        ),
        _ => String::new(),
    };
    let shown = trial.shown.is_some();
    match (trial.what.as_str(), shown) {
        ("changed_value", true) => format!("a value that was written after the outage showed{after}"),
        ("deleted_secret", true) => {
            format!(
                "a Secret that was deleted in the outage was missing for {outage} of it, and for {whole} in all{after}"
            )
        }
        (_, true) => {
            format!(
                "an ExternalSecret that was made in the outage waited for {outage} of it, and for {whole} in all{after}"
            )
        }
        (_, false) => format!(
            "{}: not shown within {whole}, to the end of the run; predicted {} after a new value was written",
            trial.subject(),
            maybe_interval(trial.predicted, "seconds")
        ),
    }
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
