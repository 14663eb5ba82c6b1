//! Foretold against seen, row by row.

use super::watch::Window;
use crate::drill::backlog::{Foretold, Reading};
use crate::drill::measure::interval::Edge;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::Span;
use crate::drill::measure::stamp::Stamp;
use crate::drill::report::verdict::Verdict;
use crate::drill::report::wal::Foreseen;
use model::moment::Moment;

/// How much a truncation may be off its time: what the forecast itself allows, and the looks' own time.
const TICK: Span = Span::from_secs(5);

/// What is compared.
pub(super) struct Seen<'a> {
    pub(super) forecast: &'a Foretold,
    pub(super) readings: &'a [Reading],
    pub(super) window: &'a Window,
    pub(super) back: Option<Edge>,
    pub(super) predicted_loss: Option<bool>,
    pub(super) lost: Option<u64>,
}

/// All rows.
pub(super) fn all(seen: &Seen<'_>) -> Vec<Foreseen> {
    let rows = [backlog(seen), tick(seen), reader(seen)];
    let mut rows: Vec<Foreseen> = rows.into_iter().flatten().collect();
    rows.extend(volume(seen));
    rows
}

fn row(what: &str, foretold: String, seen: String, agree: Option<bool>) -> Foreseen {
    Foreseen {
        what: what.to_owned(),
        foretold,
        seen,
        agree: match agree {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Fail,
            None => Verdict::Inconclusive,
        },
    }
}

fn backlog(seen: &Seen<'_>) -> Option<Foreseen> {
    let back = seen.back?;
    let foretold = match seen.predicted_loss {
        Some(true) => "lost",
        Some(false) => "kept",
        None => "too close to tell",
    };
    let deadline = seen.forecast.deadline;
    let told = format!(
        "{foretold}: it dies at {} to {}, the receiver answered at {}",
        deadline.after,
        deadline.by,
        Stamp::from(back.by)
    );
    let (found, agree) = match seen.lost {
        Some(0) => ("kept: no sample is missing".to_owned(), Some(false)),
        Some(n) => (format!("{n} samples are missing"), Some(true)),
        None => ("the ledger could not be closed".to_owned(), None),
    };
    let agree = agree
        .zip(seen.predicted_loss)
        .map(|(lost, foretold)| lost == foretold);
    Some(row("backlog", told, found, agree))
}

/// The next truncation after the forecast, as long as the agent was watched.
fn tick(seen: &Seen<'_>) -> Option<Foreseen> {
    let next: Moment = seen.forecast.next_tick.into();
    let gone: Moment = seen.forecast.gone.into();
    let cut = seen.readings.windows(2).find(|pair| {
        let same = pair[1].started == pair[0].started;
        same && pair[1].at > gone && pair[1].current > pair[0].current
    });
    let until = seen.readings.last()?.at;
    let told = format!("at {}", seen.forecast.next_tick);
    let (found, agree) = match cut {
        Some([before, after]) => {
            let stamp = crate::drill::measure::stamp::Stamp::from;
            let text = format!("a new segment within {} to {}", stamp(before.at), stamp(after.at));
            let fits = TICK.before(before.at) <= next && next <= TICK.after(after.at);
            // A segment that was full is cut between two truncations.
            let full = before.filled.saturating_mul(100) >= before.segment.saturating_mul(90);
            (text, if full && !fits { None } else { Some(fits) })
        }
        _ => {
            let stamp = Stamp::from(until);
            (
                format!("none until {stamp}"),
                Some(next > TICK.before(until)).filter(|_| until > gone),
            )
        }
    };
    Some(row("next truncation", told, found, agree))
}

/// What the reader held at the last look of the outage.
fn reader(seen: &Seen<'_>) -> Option<Foreseen> {
    let last = seen.readings.iter().rfind(|r| seen.window.in_outage(r.at))?;
    let outage = Span::between(seen.forecast.gone.into(), last.at).seconds();
    let (least, most) = seen.forecast.memory;
    let (told, agree) = if outage < least {
        let told = format!("follows the writer: memory takes {least} to {most} s");
        (told, Some(last.reader == last.current))
    } else if outage > most {
        let (held, most) = (seen.forecast.held, seen.forecast.held_most);
        let told = if most > held {
            format!("holds segment {held} to {most}")
        } else {
            format!("holds segment {held}")
        };
        (told, Some(seen.forecast.holds(last.reader.0)))
    } else {
        (format!("memory is full after {least} to {most} s"), None)
    };
    let found = format!(
        "at segment {} of {}, {outage} s after the forecast",
        last.reader, last.current
    );
    Some(row("reader", told, found, agree))
}

/// Growth in the outage; within a third is as good as a short look can tell.
fn volume(seen: &Seen<'_>) -> Vec<Foreseen> {
    let inside: Vec<&Reading> = seen
        .readings
        .iter()
        .filter(|r| seen.window.in_outage(r.at))
        .collect();
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
        return Vec::new();
    };
    let over = Span::between(first.at, last.at);
    let rate = |grown: Option<u64>| {
        let micros = u128::from(grown?) * 1_000_000_000_000;
        let micros = micros.checked_div(u128::from(over.micros()))?;
        i64::try_from(micros).ok().map(Quantity::from_micros)
    };
    let close = |told: Quantity, found: Quantity| {
        let off = (told.micros() - found.micros()).abs();
        off.saturating_mul(3) <= told.micros().max(found.micros())
    };
    let samples = rate(last.appended.checked_sub(first.appended));
    let bytes = rate(last.written.checked_sub(first.written));
    let told_bytes = seen.forecast.promise.bytes_per_sample.micros();
    let told_samples = seen.forecast.promise.samples_per_second;
    let product = i128::from(told_bytes) * i128::from(told_samples.micros()) / 1_000_000;
    let told_bytes = Quantity::from_micros(i64::try_from(product).unwrap_or(i64::MAX));
    [
        ("samples a second", told_samples, samples),
        ("bytes a second", told_bytes, bytes),
    ]
    .into_iter()
    .filter_map(|(what, told, found)| {
        let found = found?;
        Some(row(
            what,
            told.to_string(),
            found.to_string(),
            Some(close(told, found)),
        ))
    })
    .collect()
}
