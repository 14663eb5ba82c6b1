//! How old every synced Secret became, and when it was fresh again after its source came back.

use super::watch::{Watch, Window};
use crate::drill::history::Sample;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::staleness;
use crate::drill::report::model::{Measurement, Worse};
use crate::drill::report::parts::{Bounds, Point, SecretStaleness};
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::Look;
use model::moment::Moment;
use std::collections::BTreeSet;

/// Figures of a `secret_age` sample, each behind `NAMESPACE/NAME.`
pub(crate) const AGE: &str = "age_seconds";
/// Whether the Secret is there.
pub(super) const PRESENT: &str = "present";
/// Whether its value is another one than at the begin.
pub(super) const CHANGED: &str = "changed";
/// Seconds between refreshes; 0 means once.
pub(crate) const INTERVAL: &str = "interval_seconds";

/// One entry per Secret that was seen.
pub(super) fn all(watches: &[Watch<'_>], window: &Window) -> Vec<SecretStaleness> {
    let looking = watches
        .iter()
        .filter(|w| matches!(w.probe.look, Look::SecretAge {}));
    looking.flat_map(|watch| of_cluster(watch, window)).collect()
}

fn of_cluster(watch: &Watch<'_>, window: &Window) -> Vec<SecretStaleness> {
    let secrets = names(watch).into_iter();
    secrets.map(|secret| one(watch, window, secret)).collect()
}

/// `NAMESPACE/NAME` of every ExternalSecret that was seen.
pub(super) fn names<'a>(watch: &Watch<'a>) -> BTreeSet<&'a str> {
    let keys = watch.samples.iter().copied().flat_map(|s| s.values.keys());
    keys.filter_map(|key| key.strip_suffix(PRESENT)?.strip_suffix('.'))
        .collect()
}

fn one(watch: &Watch<'_>, window: &Window, secret: &str) -> SecretStaleness {
    let value = |s: &Sample, what: &str| s.values.get(&format!("{secret}.{what}")).copied();
    // The age is told at the moment of the look's end; `refreshTime` is that much earlier.
    let looks: Vec<(Moment, Moment)> = watch
        .samples
        .iter()
        .filter_map(|s| Some((s.done, span(value(s, AGE)?)?.before(s.done))))
        .collect();
    let mattering = looks.iter().filter(|(looked, _)| window.matters(*looked));
    let ages = mattering.map(|(looked, refreshed)| staleness::age(*looked, *refreshed, Span::ZERO));
    let nothing = Bounds {
        low: Quantity::ZERO,
        high: Quantity::ZERO,
    };
    let interval = watch.samples.iter().find_map(|s| span(value(s, INTERVAL)?));
    let back = window.undone.map(|edge| edge.after);
    let before = |at: &Moment| back.is_some_and(|back| *at <= back);
    let refreshed_last = looks
        .iter()
        .rfind(|(looked, _)| before(looked))
        .map(|(_, at)| *at);
    // The store's own state is not in these looks, and a Secret that was not due stays ready while the store pauses already. So the
    // store may have failed since the fault, as `drill plan` takes it; that bounds the wait from above.
    let failing = window.fault.map(|edge| edge.after);
    let due = refreshed_last
        .zip(interval)
        .and_then(|(at, interval)| staleness::due(at, interval));
    let served = |s: &&Sample| value(s, PRESENT) == Some(1.0) && value(s, CHANGED) == Some(0.0);
    // A later look that succeeds and does not name it says that it is gone.
    let first = watch.samples.iter().find(|s| value(s, PRESENT).is_some());
    let known: Vec<&Sample> = watch
        .that_matter(window)
        .filter(|s| !s.values.is_empty() && first.is_some_and(|first| s.due >= first.due))
        .collect();
    SecretStaleness {
        secret: format!("{}/{secret}", watch.probe.cluster),
        refresh_interval: interval.unwrap_or(Span::ZERO).seconds(),
        highest_age: ages.max_by_key(|age| age.high).unwrap_or(nothing),
        served: match known.iter().all(served) {
            _ if known.is_empty() => Verdict::Inconclusive,
            true => Verdict::Pass,
            false => Verdict::Fail,
        },
        predicted_convergence: due
            .zip(back)
            .map(|(due, back)| staleness::convergence(due, failing, back)),
        measured_convergence: back.and_then(|back| staleness::converged(&looks, back, Span::ZERO)),
        curve: looks
            .iter()
            .map(|(looked, refreshed)| Point {
                at: (*looked).into(),
                value: Span::between(*refreshed, *looked).seconds(),
            })
            .collect(),
    }
}

/// The figures that comparisons show. None is worse one way: both depend on where in its refresh interval the outage met the Secret.
pub(super) fn figures(secrets: &[SecretStaleness]) -> Vec<Measurement> {
    let mut all = Vec::new();
    for secret in secrets {
        let name = secret.secret.replace(['/', '-', '.'], "_");
        let highest = "highest age of the value while its source was away and until it was fresh again";
        let fresh = "from the undoing of the fault to the first refresh after it";
        all.push(super::figures::figure(
            format!("staleness.{name}.highest_age"),
            "seconds",
            secret.highest_age,
            Worse::Neither,
            highest,
        ));
        if let Some(measured) = secret.measured_convergence {
            let id = format!("staleness.{name}.convergence");
            all.push(super::figures::figure(
                id,
                "seconds",
                measured,
                Worse::Neither,
                fresh,
            ));
        }
    }
    all
}

/// A length of time out of a sample; less than none is none.
pub(super) fn span(seconds: f64) -> Option<Span> {
    let micros = Quantity::from_float(seconds.max(0.0))?.micros();
    Some(Span::from_micros(u64::try_from(micros).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::history::Answer;
    use crate::drill::measure::interval::Edge;
    use crate::drill::scenario::{Expectation, Probe};
    use model::ids::ClusterName;

    fn at(seconds: i64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    /// A look at `looked` that finds the value `age` old.
    fn sample(looked: i64, age: i32, ready: f64) -> Sample {
        let figures = [
            (AGE, f64::from(age)),
            ("ready", ready),
            (PRESENT, 1.0),
            (CHANGED, 0.0),
            (INTERVAL, 20.0),
        ];
        Sample {
            probe: "secrets".into(),
            number: 0,
            due: at(looked),
            sent: Some(at(looked)),
            done: at(looked),
            answer: Answer::Good,
            detail: String::new(),
            values: figures
                .into_iter()
                .map(|(name, value)| (format!("demo/demo.{name}"), value))
                .collect(),
        }
    }

    /// Of a fault from 100 to 200.
    fn found(samples: &[Sample]) -> SecretStaleness {
        let probe = Probe {
            name: "secrets".into(),
            cluster: ClusterName::new("app1").expect("a name"),
            contract: None,
            expect: Expectation::StaysGood,
            needs: None,
            look: Look::SecretAge {},
            period_ms: 1000,
            timeout_ms: 900,
            consecutive_good: None,
        };
        let edge = |seconds| Edge {
            after: at(seconds),
            by: at(seconds),
        };
        let window = Window {
            fault: Some(edge(100)),
            undone: Some(edge(200)),
            from: at(0),
            to: at(300),
            watched_until: at(300),
        };
        let watch = Watch {
            probe: &probe,
            samples: samples.iter().collect(),
            consecutive: 1,
            stretches: Vec::new(),
            held: None,
        };
        let mut found = all(&[watch], &window);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn ages_and_convergence_follow_the_refresh_time() {
        let secret = found(&[
            sample(99, 4, 1.0),
            sample(150, 55, 0.0),
            sample(199, 104, 0.0),
            sample(205, 110, 0.0),
            sample(215, 3, 1.0),
        ]);
        assert_eq!(secret.secret, "app1/demo/demo");
        assert_eq!(secret.served, Verdict::Pass);
        assert_eq!(secret.highest_age.high, Quantity::whole(110));
        assert_eq!(secret.highest_age.low, Quantity::whole(109));
        // Refreshed at 212, which is rounded down, 12 to 13 s after the return.
        let measured = secret.measured_convergence.expect("fresh again");
        assert_eq!(
            (measured.low, measured.high),
            (Quantity::whole(12), Quantity::whole(13))
        );
        assert!(
            secret
                .predicted_convergence
                .is_some_and(|p| p.high >= measured.low)
        );
        assert_eq!(secret.curve.len(), 5);
    }

    #[test]
    fn a_secret_that_was_not_due_in_the_outage_waits_for_its_store_all_the_same() {
        // Refreshed at 95 and due at 202, 2 s after the return. The store may have failed for the 100 s of the outage, and pause
        // for 64 s more: then the Secret fails for up to 62 s, and is tried again 32 s after that.
        let look = |looked, age| {
            let mut look = sample(looked, age, 1.0);
            look.values.insert(format!("demo/demo.{INTERVAL}"), 107.0);
            look
        };
        let secret = found(&[look(99, 4), look(199, 104)]);
        let predicted = secret.predicted_convergence.expect("an interval");
        assert_eq!(
            (predicted.low, predicted.high),
            (Quantity::whole(2), Quantity::whole(2 + 62 + 32))
        );
    }

    #[test]
    fn where_in_its_interval_the_outage_meets_a_secret_makes_no_run_worse() {
        let figures = figures(&[found(&[sample(99, 4, 1.0), sample(215, 3, 1.0)])]);
        assert_eq!(figures.len(), 2, "{figures:?}");
        assert!(figures.iter().all(|f| f.worse == Worse::Neither), "{figures:?}");
    }

    #[test]
    fn a_look_that_does_not_name_it_any_more_says_that_it_is_gone() {
        let seen = |values: &[(&str, f64)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value));
            Sample {
                values: values.collect(),
                ..sample(150, 0, 0.0)
            }
        };
        for (look, expected) in [
            (sample(150, 55, 0.0), Verdict::Pass),
            (seen(&[("external_secrets", 0.0)]), Verdict::Fail),
            // The API did not answer.
            (seen(&[]), Verdict::Inconclusive),
        ] {
            let secret = found(&[sample(99, 4, 1.0), look]);
            assert_eq!(secret.served, expected);
        }
    }
}
