//! What became of the drill's own ExternalSecrets: each thing that was done to them, and the look that first saw it come true.

use super::watch::{Watch, Window};
use crate::drill::deed::Deed;
use crate::drill::history::{History, Sample};
use crate::drill::measure::interval::Edge;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::staleness;
use crate::drill::record::Record;
use crate::drill::report::model::{Measurement, Worse};
use crate::drill::report::parts::Bounds;
use crate::drill::report::secret_canary::{SecretCanary, SecretTrial};
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::{Look, Probe};
use model::moment::Moment;

/// The ExternalSecret that is left alone but for its value.
pub const KEPT: &str = "kept";
/// The one whose Secret is deleted in the outage.
pub const DELETED: &str = "deleted";
/// The one that is made in the outage.
pub const NEW: &str = "new";

/// Figures of a `secret_canary` sample, each behind `NAME.`: the number that the Secret holds, 0 where there is no Secret.
pub const NUMBER: &str = "number";
/// `status.refreshTime`, seconds since 1970.
pub const REFRESHED: &str = "refreshed";
/// Whether the store says that its source can be used; without a name before it.
pub const STORE_READY: &str = "store.ready";

/// What is planted, and what is written after the outage.
pub const NUMBERS: (u64, u64) = (1, 2);

/// What a refresh may take that is due, seconds: a login and a read, behind the others of one worker.
const FETCH: Span = Span::from_secs(2);

/// One entry per cluster in which they were planted.
pub(super) fn all(history: &History, watches: &[Watch<'_>], window: &Window) -> Vec<SecretCanary> {
    let of_one = |watch: &Watch<'_>| match watch.probe.look {
        Look::SecretCanary {
            refresh_seconds,
            deleted_counts,
            ..
        } => Some(one(
            &Case {
                history,
                watch,
                window,
                interval: Span::from_secs(refresh_seconds),
            },
            deleted_counts,
        )),
        _ => None,
    };
    watches.iter().filter_map(of_one).collect()
}

struct Case<'a> {
    history: &'a History,
    watch: &'a Watch<'a>,
    window: &'a Window,
    interval: Span,
}

fn one(case: &Case<'_>, deleted_counts: bool) -> SecretCanary {
    let in_outage = case
        .samples()
        .filter(|s| case.window.in_outage(s.due) && case.window.in_outage(s.done));
    let looks: Vec<f64> = in_outage.filter_map(|s| value(s, KEPT, NUMBER)).collect();
    let planted = whole(NUMBERS.0);
    let readable = looks.iter().filter(|n| **n == planted).count();
    let changed = case.trial("changed_value", KEPT, Deed::Write);
    let mut deleted = case.trial("deleted_secret", DELETED, Deed::Delete);
    if deleted_counts && deleted.waited_in_outage.is_some_and(|b| b.high > Quantity::ZERO) {
        deleted.verdict = Verdict::Fail;
    }
    SecretCanary {
        cluster: case.watch.probe.cluster.to_string(),
        refresh_interval: case.interval.seconds(),
        looks: count(looks.len()),
        readable: count(readable),
        verdict: match readable {
            _ if looks.is_empty() => Verdict::Inconclusive,
            all if all == looks.len() => Verdict::Pass,
            _ => Verdict::Fail,
        },
        trials: vec![
            changed,
            deleted,
            case.trial("new_external_secret", NEW, Deed::Create),
        ],
    }
}

impl<'a> Case<'a> {
    fn samples(&self) -> impl Iterator<Item = &'a Sample> {
        let until = self.window.watched_until;
        let all = self.watch.samples.iter().copied();
        all.filter(move |s| s.done <= until && s.sent.is_some() && !s.values.is_empty())
    }

    /// When a deed of this probe was done.
    fn done(&self, wanted: Deed) -> Option<Edge> {
        self.history.records().find_map(|(_, record)| match record {
            Record::DeedDone {
                probe,
                deed,
                from,
                to,
            } if *deed == wanted && *probe == self.watch.probe.name => Some(Edge {
                after: *from,
                by: *to,
            }),
            _ => None,
        })
    }

    fn trial(&self, what: &str, name: &str, deed: Deed) -> SecretTrial {
        let (done, written) = (self.done(deed), self.done(Deed::Write));
        let wanted = whole(if deed == Deed::Write { NUMBERS.1 } else { NUMBERS.0 });
        let (shown, last) = self.shown(name, done, wanted);
        let outage_ends = self.window.undone.map(|undone| undone.after);
        let in_outage = shown.is_some_and(|edge| self.window.in_outage(edge.by));
        let seen_missing = |done: Edge| Bounds {
            low: Span::between(done.by, last.unwrap_or(done.by)).seconds(),
            high: Span::between(done.after, last.unwrap_or(done.by)).seconds(),
        };
        // Until it was shown or the fault was undone, whichever came first.
        let within = |done: Edge| {
            let end = outage_ends.map(|end| Edge { after: end, by: end });
            let until = [shown, end].into_iter().flatten().reduce(Edge::either)?;
            (done.by <= until.by).then(|| until.since(done))
        };
        let predicted = done
            .zip(written)
            .and_then(|(done, written)| self.predicted(name, deed, done, written));
        let measured = shown.zip(written).map(|(shown, written)| shown.since(written));
        SecretTrial {
            what: what.to_owned(),
            done: done.map(Edge::between),
            shown: shown.map(Edge::between),
            shown_in_outage: in_outage,
            waited: done.map(|done| shown.map_or_else(|| seen_missing(done), |shown| shown.since(done))),
            waited_in_outage: done.filter(|_| deed != Deed::Write).and_then(within),
            since_undo: shown
                .zip(self.window.undone)
                .map(|(shown, undone)| shown.since(undone)),
            verdict: match (done, shown) {
                (None, _) => Verdict::Inconclusive,
                // A source that was away cannot have given it.
                (Some(_), Some(_)) if in_outage => Verdict::Inconclusive,
                (Some(_), Some(_)) => Verdict::Pass,
                (Some(_), None) => overdue(last, written, predicted),
            },
            predicted,
            measured,
        }
    }

    /// Between which looks the Secret was there again with the number, or a later one, and when it was last seen without.
    fn shown(&self, name: &str, done: Option<Edge>, wanted: f64) -> (Option<Edge>, Option<Moment>) {
        let Some(done) = done else { return (None, None) };
        let mut last = None;
        let after = |s: &&Sample| s.sent.is_some_and(|sent| sent >= done.by);
        for sample in self.samples().filter(after) {
            let sent = sample.sent.unwrap_or(sample.due);
            if value(sample, name, NUMBER).is_some_and(|number| number >= wanted) {
                let after = last.unwrap_or(done.after);
                return (
                    Some(Edge {
                        after,
                        by: sample.done,
                    }),
                    last,
                );
            }
            last = last.max(Some(sent));
        }
        (None, last)
    }

    /// From the new value's writing to its arrival, as interval and backoff give it. A refresh that was due in the outage, a
    /// missing Secret and a new ExternalSecret are tried again after pauses that grow; what is not due waits for its turn.
    fn predicted(&self, name: &str, deed: Deed, done: Edge, written: Edge) -> Option<Bounds> {
        let before = |s: &&Sample| s.done <= written.after;
        let looks: Vec<&Sample> = self.samples().filter(before).collect();
        let at = |seconds: f64| Quantity::from_float(seconds).map(|q| Moment(q.micros()));
        let refreshed = looks.iter().rev().find_map(|s| value(s, name, REFRESHED));
        let due = match deed {
            Deed::Write => staleness::due(refreshed.and_then(at)?, self.interval)?,
            _ => done.by,
        };
        let store_failing = looks
            .iter()
            .rev()
            .take_while(|s| s.values.get(STORE_READY) == Some(&0.0))
            .last()
            .and_then(|s| s.sent);
        let waits = staleness::convergence(due, store_failing, written.by);
        let fetch = FETCH.seconds();
        Some(Bounds {
            low: waits.low,
            high: waits.high.plus(fetch),
        })
    }
}

/// It was not shown: a failure only when looks went on for longer than it may take. The end of the run says nothing of that: of
/// one whose coordinator died it is when the next one began.
fn overdue(last: Option<Moment>, written: Option<Edge>, predicted: Option<Bounds>) -> Verdict {
    let watched = last
        .zip(written)
        .map(|(last, w)| Span::between(w.by, last).seconds());
    match (watched, predicted) {
        (Some(watched), Some(predicted)) if watched > predicted.high => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// The figures that comparisons show. None is worse one way: they depend on where in interval and backoff the return met the operator,
/// and one that is later than that explains is a failure of its own.
pub(super) fn figures(canaries: &[SecretCanary]) -> Vec<Measurement> {
    let mut all = Vec::new();
    for canary in canaries {
        let cluster = canary.cluster.replace('-', "_");
        for trial in &canary.trials {
            let every = canary.refresh_interval;
            let mut add = |what: &str, bounds: Option<Bounds>, method: &str| {
                if let Some(bounds) = bounds {
                    let id = format!("secret_canary.{cluster}.{}.{what}", trial.what);
                    let method =
                        format!("{method}; the drill's own ExternalSecret, refreshed every {every} s");
                    all.push(super::figures::figure(
                        id,
                        "seconds",
                        bounds,
                        Worse::Neither,
                        &method,
                    ));
                }
            };
            add(
                "shown",
                trial.measured,
                "from the writing of a new value, when the source answered, until the Secret showed it",
            );
            add(
                "shown_predicted",
                trial.predicted,
                "the same as computed from interval and backoff",
            );
            if trial.what != "changed_value" {
                add(
                    "waited",
                    trial.waited,
                    "from what the drill did in the outage until the Secret was there",
                );
            }
        }
    }
    all
}

/// Whether a probe watches ExternalSecrets of the drill's own.
pub(crate) fn is_canary(probe: &Probe) -> bool {
    matches!(probe.look, Look::SecretCanary { .. })
}

fn value(sample: &Sample, name: &str, what: &str) -> Option<f64> {
    sample.values.get(&format!("{name}.{what}")).copied()
}

fn whole(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

fn count(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "secret_canary_tests.rs"]
mod tests;
