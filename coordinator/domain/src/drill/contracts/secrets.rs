//! C3: every Secret was there, unchanged, and its age was known, as long as its source was away. What the contract does not promise
//! is told as it was measured: a Secret that is deleted meanwhile comes back only with its source, and a new one waits for it.

use super::{Case, evidence};
use crate::drill::assemble::{Watch, is_canary};
use crate::drill::history::Sample;
use crate::drill::report::figure::{interval, maybe_interval};
use crate::drill::report::model::Evidence;
use crate::drill::report::secret_canary::{SecretCanary, SecretTrial};
use crate::drill::report::verdict::Verdict;
use std::collections::BTreeMap;

/// Figure of a `secret_age` sample: how many ExternalSecrets there are. A look that finds none is told by it from one that failed.
pub const EXTERNAL_SECRETS: &str = "external_secrets";

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for watch in case.watches.iter().filter(|w| !is_canary(w.probe)) {
        let secrets = looked_for(case, watch);
        if secrets.is_empty() {
            let name = &watch.probe.name;
            let text = format!("{name}: no look at the Secrets succeeded in the outage");
            found.push(evidence("served", Verdict::Inconclusive, text));
        }
        for (secret, looks) in secrets {
            found.push(served(secret, &looks));
            found.push(age_known(secret, &looks));
        }
    }
    found.extend(case.secret_canaries.iter().flat_map(canary));
    found
}

/// Every Secret that was seen by the end of the outage, with the looks in the outage that succeeded since it was first seen. One
/// that such a look does not name any more has gone together with its ExternalSecret.
fn looked_for<'a>(case: &Case<'_>, watch: &Watch<'a>) -> BTreeMap<&'a str, Vec<&'a Sample>> {
    let mut secrets: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for look in watch.samples.iter().copied().filter(|s| !s.values.is_empty()) {
        for secret in look.values.keys().filter_map(|key| key.strip_suffix(".present")) {
            secrets.entry(secret).or_default();
        }
        if case.window.in_outage(look.due) {
            secrets.values_mut().for_each(|looks| looks.push(look));
        }
    }
    secrets.retain(|_, looks| !looks.is_empty());
    secrets
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

fn figure(secret: &str, sample: &Sample, what: &str) -> Option<f64> {
    sample.values.get(&format!("{secret}.{what}")).copied()
}

fn is_there(secret: &str, sample: &Sample) -> bool {
    figure(secret, sample, "present") == Some(1.0)
}

fn served(secret: &str, looks: &[&Sample]) -> Evidence {
    let gone = looks.iter().find(|s| !is_there(secret, s));
    let changed = looks.iter().find(|s| figure(secret, s, "changed") == Some(1.0));
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
                looks.len()
            );
            evidence("served", Verdict::Pass, text)
        }
    }
}

/// The age of what is gone is nobody's question; of what is there it must be told at every look.
fn age_known(secret: &str, looks: &[&Sample]) -> Evidence {
    let age = |s: &&Sample| figure(secret, s, "age_seconds");
    let there = || looks.iter().copied().filter(|s| is_there(secret, s));
    let unknown = there().find(|s| age(s).is_none());
    match (unknown, there().filter_map(|s| age(&s)).reduce(f64::max)) {
        (Some(s), _) => {
            let text = format!("{secret}: its age could not be told at {}", s.due);
            evidence("age_known", Verdict::Fail, text)
        }
        (None, Some(highest)) => evidence(
            "age_known",
            Verdict::Pass,
            format!("{secret}: at most {highest:.1} s old in the outage"),
        ),
        (None, None) => evidence(
            "age_known",
            Verdict::Fail,
            format!("{secret}: its age could not be told"),
        ),
    }
}
