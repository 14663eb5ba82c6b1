//! What a sender's own counters say is gone, against the ledger at the receiver.
//!
//! Within one life of its process a sender counts every sample that it appends, sends, sends again, holds, drops and fails to
//! send; what is in none of these is gone, and a cliff shows nowhere else. The counters are read at two looks: the last one
//! before the fault, and the last one of the run. Over a restart they begin at 0, and say nothing.
//!
//! No look is at a moment at which nothing moves. A request under way counts as sent and as waiting, so what waits at either look
//! is doubt. So is what was on its way from the log to the queue, and how much of a scrape that comes seldom falls into a hole.

use super::canary::Books;
use super::evidence::{FAILED, began, growth};
use super::watch::{Watch, Window};
use crate::drill::backlog::SCRAPE;
use crate::drill::history::Sample;
use crate::drill::measure::ledger::Counters;
use crate::drill::measure::quantity::{Quantity, whole};
use crate::drill::measure::span::Span;
use crate::drill::report::figure::interval;
use crate::drill::report::ledger::CounterCheck;
use crate::drill::report::model::{Loss, LossCause};
use crate::drill::report::parts::Bounds;
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::Look;
use model::moment::Moment;

/// Samples appended; the second where a release does not have the first any more.
const APPENDED: [&str; 2] = [
    "prometheus_remote_storage_samples_in_total",
    "prometheus_agent_samples_appended_total",
];
const SENT: &str = "prometheus_remote_storage_samples_total";
const RETRIED: &str = "prometheus_remote_storage_samples_retried_total";
const PENDING: &str = "prometheus_remote_storage_samples_pending";
const DROPPED: &str = "prometheus_remote_storage_samples_dropped_total";
/// Time of the newest sample that was sent, seconds since 1970.
const NEWEST: &str = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds";

/// How far the newest sample may be behind a look of a sender that has caught up, and what may be on its way: a request waits up to
/// 5 s to be full, and a target may be asked as seldom as this.
const SLACK: Span = SCRAPE;

/// One row per cluster whose sender's counters are watched, whether they could be compared or not.
pub(super) fn rows(
    books: &[Books],
    losses: &[Loss],
    watches: &[Watch<'_>],
    window: &Window,
) -> Vec<CounterCheck> {
    let counts = |look: &Look| match look {
        Look::Metrics { keep, .. } => keep.iter().any(|name| name == SENT),
        _ => false,
    };
    let row = |watch: &Watch<'_>| {
        let book = books.iter().find(|b| b.cluster == watch.probe.cluster);
        compared(watch, book, losses, window).unwrap_or_else(|why| CounterCheck {
            cluster: watch.probe.cluster.to_string(),
            from: None,
            to: None,
            appended: None,
            owned: None,
            gone: None,
            ledger: None,
            slack: None,
            agree: Verdict::Inconclusive,
            text: why,
        })
    };
    watches
        .iter()
        .filter(|w| counts(&w.probe.look))
        .map(row)
        .collect()
}

/// Sentences for the report's notes: who contradicts whom.
pub(super) fn notes(rows: &[CounterCheck]) -> Vec<String> {
    let apart = rows.iter().filter(|row| row.agree == Verdict::Fail);
    apart
        .map(|row| {
            format!(
                "The counters of the sender in {} contradict the ledger: {}.",
                row.cluster, row.text
            )
        })
        .collect()
}

/// The row, or why there is nothing to compare.
fn compared(
    watch: &Watch<'_>,
    book: Option<&Books>,
    losses: &[Loss],
    window: &Window,
) -> Result<CounterCheck, String> {
    let (before, after) = looks(watch, window)?;
    let book = book
        .filter(|b| !b.shards.is_empty())
        .ok_or("the canary's numbers could not be read at both ends")?;
    let served = book
        .emitted
        .iter()
        .filter(|e| (before.done..=after.done).contains(&e.at));
    let served = count(served.count()).saturating_mul(count(book.shards.len()));
    let grown = appended(before, after).ok_or("the sender does not tell how much it appended")?;
    let (waited, waits) = (value(before, PENDING), value(after, PENDING));
    let counters = Counters {
        appended: grown.saturating_add(waited),
        sent: grew(before, after, SENT),
        retried: grew(before, after, RETRIED),
        pending: waits,
        dropped: grew(before, after, DROPPED),
        failed: grew(before, after, FAILED),
    };
    let slack = part(
        grown,
        SLACK.micros(),
        Span::between(before.done, after.done).micros(),
    )
    .ok_or("there is no time between the looks at the sender")?;
    let (low, high) = counters.gone();
    let (low, high) = (
        low.saturating_sub(signed(waited)),
        high.saturating_add(signed(waits)),
    );
    if high.saturating_add(signed(slack)) < low {
        return Err("the sender's counters contradict each other".to_owned());
    }
    // What the ledger's numbers come to: as many samples as the sender appended for each number that was served.
    let lost = lost(book, losses, (before.done, after.done));
    let samples = |numbers| part(grown, numbers, served).ok_or("the canary served nothing between the looks");
    let ledger = (samples(lost.0)?, samples(lost.1)?);
    let row = CounterCheck {
        cluster: book.cluster.to_string(),
        from: Some(before.done.into()),
        to: Some(after.done.into()),
        appended: Some(grown),
        owned: Some(counters.owned()),
        gone: Some(bounds(low, high)),
        ledger: Some(bounds(signed(ledger.0), signed(ledger.1))),
        slack: Some(slack),
        agree: Verdict::Inconclusive,
        text: String::new(),
    };
    let reach = (
        low.saturating_sub(signed(slack)),
        high.saturating_add(signed(slack)),
    );
    let (agree, text) = judged(reach, (lost, ledger), slack);
    Ok(CounterCheck { agree, text, ..row })
}

/// Whether the two tell the same. `reach` is what is possible by the counters, `lost` in numbers and `ledger` in samples what is by
/// the ledger.
fn judged(reach: (i64, i64), (lost, ledger): ((u64, u64), (u64, u64)), slack: u64) -> (Verdict, String) {
    if signed(ledger.1) < reach.0 || signed(ledger.0) > reach.1 {
        let numbers = interval(bounds(signed(lost.0), signed(lost.1)), "count");
        let says = interval(bounds(reach.0, reach.1), "count");
        let text = format!("{says} samples are possible by the counters, and {numbers} numbers are missing");
        return (Verdict::Fail, text);
    }
    if lost.1 == 0 {
        return (
            Verdict::Pass,
            format!("neither lacks anything, to {slack} samples"),
        );
    }
    if reach.0 <= 0 {
        let text = format!("so few are within what the counters can tell, {slack} samples");
        return (Verdict::Inconclusive, text);
    }
    (Verdict::Pass, format!("both lack as many, to {slack} samples"))
}

/// The last look before the fault and the last one of the run, of one process that had caught up both times.
fn looks<'a>(watch: &Watch<'a>, window: &Window) -> Result<(&'a Sample, &'a Sample), String> {
    let fault = window.fault.ok_or("nothing was broken")?;
    let usable = |s: &&Sample| s.is_good() && s.values.contains_key(SENT) && s.values.contains_key(PENDING);
    let usable: Vec<&Sample> = watch.samples.iter().copied().filter(usable).collect();
    let before = usable.iter().rfind(|s| s.done <= fault.after);
    let before = *before.ok_or("the sender's counters were not read before the fault")?;
    let after = usable.iter().rfind(|s| s.due >= fault.by);
    let after = *after.ok_or("the sender's counters were not read after the fault")?;
    match (began(before), began(after)) {
        (Some(then), Some(now)) if then == now => {}
        (Some(_), Some(now)) => {
            return Err(format!(
                "the sender restarted at {now} and its counters began at 0: they know nothing of what is gone"
            ));
        }
        _ => return Err("the sender does not tell when it began".to_owned()),
    }
    for look in [before, after] {
        let newest = look.values.get(NEWEST).copied().and_then(Quantity::from_float);
        let newest = newest.ok_or("the sender does not tell what it sent last")?;
        let behind = Span::between(Moment(newest.micros()), look.done);
        if behind > SLACK {
            return Err(format!(
                "at {} the sender was {behind} behind: what it had not read yet and what is gone cannot be told apart",
                look.done
            ));
        }
    }
    Ok((before, after))
}

/// Samples appended between the looks.
fn appended(before: &Sample, after: &Sample) -> Option<u64> {
    let told = |name: &&&str| [before, after].iter().all(|s| s.values.contains_key(**name));
    let name = APPENDED.iter().find(told)?;
    Some(grew(before, after, name))
}

/// Numbers that the ledger lacks of those between the looks, over all shards, at least and at most. What the sender never had is not
/// among what it appended.
fn lost(book: &Books, losses: &[Loss], (from, to): (Moment, Moment)) -> (u64, u64) {
    let own: Vec<String> = book.shards.keys().map(|shard| book.series(shard)).collect();
    let mut lost = (0_u64, 0_u64);
    for loss in losses {
        let (first, last): (Moment, Moment) = (loss.from.into(), loss.to.into());
        if loss.cause == LossCause::NotScraped || !own.contains(&loss.series) || last < from || first > to {
            continue;
        }
        if from <= first && last <= to {
            lost.0 = lost.0.saturating_add(loss.lost);
        }
        lost.1 = lost.1.saturating_add(loss.lost);
    }
    lost
}

fn value(sample: &Sample, name: &str) -> u64 {
    sample.values.get(name).copied().and_then(whole).unwrap_or(0)
}

/// In whole samples.
fn grew(before: &Sample, after: &Sample, name: &str) -> u64 {
    whole(growth(before, after, name)).unwrap_or(0)
}

/// `whole * share / of`; None of nothing.
fn part(whole: u64, share: u64, of: u64) -> Option<u64> {
    let part = (u128::from(whole) * u128::from(share)).checked_div(u128::from(of))?;
    Some(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Samples; none are fewer than none.
fn bounds(low: i64, high: i64) -> Bounds {
    let samples = |n: i64| Quantity::whole(u64::try_from(n).unwrap_or(0));
    Bounds {
        low: samples(low),
        high: samples(high),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
