//! Metrics buffering in the report: what was foretold before the outage beside what was seen in it.

use super::canary::Books;
use super::foreseen;
use super::watch::{Watch, Window};
use crate::drill::backlog::{Foretold, Reading, Tracker};
use crate::drill::history::History;
use crate::drill::measure::interval::Edge;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::stamp::Stamp;
use crate::drill::measure::wal::deadline::{Deadline, Outcome, outcome};
use crate::drill::measure::wal::rule::Segment;
use crate::drill::record::Record;
use crate::drill::report::model::{Loss, LossCause, Measurement, Worse};
use crate::drill::report::parts::{Bounds, Point};
use crate::drill::report::wal::WalReport;
use crate::drill::scenario::Look;
use model::moment::Moment;

/// What the reader needs at most to finish its segment and to open the next once the receiver answers: a retry of the
/// sender and a poll of the blocked reader, 5 s each, and as much again as a busy host may take.
const DRAIN: Span = Span::from_secs(15);

/// The sender among the parts that ran.
const SENDER: &str = "prometheus";

/// One entry per agent whose backlog was foretold.
pub(super) fn all(
    history: &History,
    watches: &[Watch<'_>],
    books: &[Books],
    losses: &[Loss],
    window: &Window,
) -> Vec<WalReport> {
    let foretold = history.records().filter_map(|(_, record)| match record {
        Record::BacklogForetold { forecast } => Some(forecast.as_ref()),
        _ => None,
    });
    foretold
        .map(|forecast| {
            let watch = watches.iter().find(|w| {
                w.probe.cluster == forecast.cluster && matches!(w.probe.look, Look::MetricsLog { .. })
            });
            let book = books.iter().find(|b| b.cluster == forecast.cluster);
            let sender = history.plan().and_then(|plan| plan.version(SENDER));
            WalReport {
                version: sender.unwrap_or_default().to_owned(),
                ..one(forecast, watch, book, losses, window)
            }
        })
        .collect()
}

fn one(
    forecast: &Foretold,
    watch: Option<&Watch<'_>>,
    book: Option<&Books>,
    losses: &[Loss],
    window: &Window,
) -> WalReport {
    let readings = watch.map_or_else(Vec::new, readings);
    let back = book.and_then(|b| b.back);
    let predicted_loss = back.and_then(|back| foretold_loss(forecast, back));
    let lost = book
        .filter(|b| !b.shards.is_empty())
        .map(|b| lost(b.cluster.as_str(), losses));
    let seen = foreseen::Seen {
        forecast,
        readings: &readings,
        window,
        back,
        predicted_loss,
        lost,
    };
    WalReport {
        cluster: forecast.cluster.to_string(),
        version: String::new(),
        truncate_period: forecast.period,
        promise: forecast.promise.clone(),
        memory: Some(Bounds {
            low: forecast.memory.0,
            high: forecast.memory.1,
        }),
        deadline: Some(forecast.deadline.after),
        deadline_by: Some(forecast.deadline.by),
        predicted_loss,
        observed_loss: lost.map(|n| n > 0),
        died: died(&readings, window),
        catch_up: book
            .and_then(|b| Some((b.complete?, b.back?)))
            .map(|(complete, back)| complete.since(back)),
        foreseen: foreseen::all(&seen),
        inputs: forecast.inputs.clone(),
        backlog_segments: points(&readings, |r| r.current.0.saturating_sub(r.reader.0)),
        backlog_bytes: points(&readings, |r| r.bytes),
        headroom: headroom(watch, window),
    }
}

/// Every look of a `metrics_log` probe that could be used, in order.
pub(super) fn readings(watch: &Watch<'_>) -> Vec<Reading> {
    let good = watch.samples.iter().filter(|s| s.is_good());
    good.filter_map(|s| Reading::of(s.done, &s.values).ok()).collect()
}

/// Whether the forecast means that samples are lost when the receiver answers again within `back`; None when it is too close.
fn foretold_loss(forecast: &Foretold, back: Edge) -> Option<bool> {
    let deadline = |tick: Moment| Deadline {
        tick,
        held: Segment(forecast.held),
        held_until: None,
    };
    let between = (
        deadline(forecast.deadline.after.into()),
        deadline(forecast.deadline.by.into()),
    );
    let at = |back| match outcome(between, back, DRAIN) {
        Outcome::Kept => Some(false),
        Outcome::Lost => Some(true),
        Outcome::TooClose => None,
    };
    (at(back.after) == at(back.by)).then(|| at(back.by))?
}

/// Samples that are gone for good and had been scraped.
fn lost(cluster: &str, losses: &[Loss]) -> u64 {
    let own = format!("{cluster}/");
    let counted = |l: &&Loss| l.series.starts_with(&own) && l.cause != LossCause::NotScraped;
    losses.iter().filter(counted).map(|l| l.lost).sum()
}

/// The first look in the outage that found the segment after the reader's gone.
fn died(readings: &[Reading], window: &Window) -> Option<Stamp> {
    let dead = |r: &&Reading| window.in_outage(r.at) && r.first > r.reader.next();
    readings.iter().find(dead).map(|r| r.at.into())
}

fn points(readings: &[Reading], value: impl Fn(&Reading) -> u64) -> Vec<Point> {
    let point = |r: &Reading| Point {
        at: r.at.into(),
        value: Quantity::whole(value(r)),
    };
    readings.iter().map(point).collect()
}

/// Seconds left, as they were computed at each look: the same fold as in the run.
fn headroom(watch: Option<&Watch<'_>>, window: &Window) -> Vec<Point> {
    let mut tracker = Tracker::default();
    let mut points = Vec::new();
    let mut samples: Vec<_> = watch
        .into_iter()
        .flat_map(|w| w.samples.iter().copied())
        .collect();
    samples.sort_by_key(|s| s.done);
    for sample in samples {
        tracker.see(sample);
        let began = window
            .fault
            .map(|edge| edge.after)
            .filter(|at| *at <= sample.done);
        // After the return nothing is left to die.
        let over = window.undone.is_some_and(|edge| sample.done > edge.by);
        if let Some(left) = tracker.left(began, sample.done).filter(|_| !over) {
            points.push(Point {
                at: sample.done.into(),
                value: left.seconds(),
            });
        }
    }
    points
}

/// The figures that comparisons look at.
pub(super) fn figures(reports: &[WalReport]) -> Vec<Measurement> {
    let mut all = Vec::new();
    for w in reports {
        let cluster = w.cluster.replace('-', "_");
        let window = Bounds {
            low: w.promise.guaranteed,
            high: w.promise.best,
        };
        all.push(super::figures::figure(
            format!("backlog.{cluster}.window"),
            "seconds",
            window,
            Worse::Lower,
            "how long unsent samples live, at the worst and at the best moment, from the agent's configuration and log",
        ));
        let Some(least) = w.headroom.iter().map(|p| p.value).min() else {
            continue;
        };
        // A point that depends on how far the next tick was when the outage began.
        all.push(super::figures::figure(
            format!("backlog.{cluster}.least_headroom"),
            "seconds",
            Bounds {
                low: least,
                high: least,
            },
            Worse::Neither,
            "the shortest time left to the backlog's deadline at any look until the fault was undone",
        ));
    }
    all
}
