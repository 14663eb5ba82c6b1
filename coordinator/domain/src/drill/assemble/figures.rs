//! Every figure of the report by a stable id.

use super::watch::{Watch, Window};
use crate::drill::history::{History, Sample};
use crate::drill::measure::interval::Edge;
use crate::drill::measure::quantity::Quantity;
use crate::drill::report::model::{Measurement, Worse};
use crate::drill::report::parts::{Bounds, Recovery};
use crate::drill::scenario::{Expectation, Look};

/// All figures, in a stable order.
pub(super) fn all(
    watches: &[Watch<'_>],
    window: &Window,
    recoveries: &[Recovery],
    history: &History,
) -> Vec<Measurement> {
    let mut all = Vec::new();
    for recovery in recoveries {
        let what = recovery.key();
        let id = match recovery.counted_from.as_str() {
            "fault" => format!("rto.{what}.service_good"),
            "outage" => format!("outage.{what}.service_good"),
            _ => format!("recovery.{what}.service_good"),
        };
        if let Some(bounds) = recovery.service_good {
            let method = format!(
                "from the {} to the first of several good answers",
                recovery.counted_from
            );
            all.push(figure(id, "seconds", bounds, Worse::Higher, &method));
        }
    }
    for fault in history.faults() {
        let edge = |(after, by)| Edge { after, by };
        if let Some(ended) = fault.ended {
            let length = edge(ended).since(edge(fault.began));
            let id = format!("fault.{}.length", fault.name.replace('-', "_"));
            all.push(figure(
                id,
                "seconds",
                length,
                Worse::Neither,
                "from its injection to its undoing",
            ));
        }
    }
    for watch in watches
        .iter()
        .filter(|w| w.probe.expect == Expectation::StaysGood)
    {
        let name = watch.probe.name.replace('-', "_");
        if let Some(bounds) = watch.share(window).bounds() {
            let method = "share of time with good answers, from the fault to the end of probing; what is between two of them is not seen";
            all.push(figure(
                format!("availability.{name}"),
                "ratio",
                bounds,
                Worse::Lower,
                method,
            ));
        }
        let longest = watch
            .stretches
            .iter()
            .filter(|s| window.concerns(s))
            .map(|s| s.outage().length)
            .max_by_key(|length| length.high)
            .unwrap_or(Bounds {
                low: Quantity::ZERO,
                high: Quantity::ZERO,
            });
        let method = "longest stretch without good answers since the fault";
        all.push(figure(
            format!("longest_outage.{name}"),
            "seconds",
            longest,
            Worse::Higher,
            method,
        ));
    }
    if let Some(late) = lateness(watches) {
        let bounds = Bounds {
            low: late,
            high: late,
        };
        let method = "99th percentile of how much later than due requests were sent: the prober's own error";
        // A point, and of the prober and not of the lab: the bounds of every other figure have it already.
        all.push(figure(
            "prober.lateness_p99".into(),
            "seconds",
            bounds,
            Worse::Neither,
            method,
        ));
    }
    all
}

pub(super) fn figure(id: String, unit: &str, bounds: Bounds, worse: Worse, method: &str) -> Measurement {
    Measurement {
        id,
        unit: unit.to_owned(),
        value: if worse == Worse::Lower {
            bounds.low
        } else {
            bounds.high
        },
        low: bounds.low,
        high: bounds.high,
        worse,
        method: method.to_owned(),
    }
}

/// How long users were not served since the fault: the worst of the probes that stand for users.
pub(super) fn down(watches: &[Watch<'_>], window: &Window) -> Option<Bounds> {
    let of_one = |watch: &Watch<'_>| {
        let lengths = watch
            .stretches
            .iter()
            .filter(|s| window.concerns(s))
            .map(|s| s.outage().length);
        lengths.fold(
            Bounds {
                low: Quantity::ZERO,
                high: Quantity::ZERO,
            },
            |sum, one| Bounds {
                low: sum.low.plus(one.low),
                high: sum.high.plus(one.high),
            },
        )
    };
    window.fault?;
    users(watches).map(of_one).max_by_key(|b| (b.high, b.low))
}

/// Fewer requests than this decide nothing.
pub(super) const FEWEST: u64 = 20;

/// The worst share of good answers of the probes that stand for users, as it is judged; between 0 and 1 when one asked too rarely to
/// say.
pub(super) fn answers(watches: &[Watch<'_>], window: &Window) -> Option<Bounds> {
    window.fault?;
    let of_one = |watch: &Watch<'_>| {
        watch.judged_share(window).unwrap_or(Bounds {
            low: Quantity::ZERO,
            high: Quantity::whole(1),
        })
    };
    users(watches).map(of_one).reduce(Bounds::lower)
}

/// Probes that stand for users: requests that must be answered all the time.
fn users<'a, 'b>(watches: &'b [Watch<'a>]) -> impl Iterator<Item = &'b Watch<'a>> {
    watches.iter().filter(|w| {
        w.probe.expect == Expectation::StaysGood
            && matches!(w.probe.look, Look::Http { .. } | Look::ApiReady {})
    })
}

fn lateness(watches: &[Watch<'_>]) -> Option<Quantity> {
    let samples = watches.iter().flat_map(|w| w.samples.iter());
    let mut late: Vec<i64> = samples.filter_map(|s: &&Sample| s.lateness_micros()).collect();
    late.sort_unstable();
    let index = late.len().checked_sub(1)? * 99 / 100;
    late.get(index).copied().map(Quantity::from_micros)
}
