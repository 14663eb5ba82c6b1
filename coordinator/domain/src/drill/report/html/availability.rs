//! How many requests were answered well, against time: one panel per HTTP probe, all on the time axis of the other drawings.

use super::escape::escape;
use super::plot::{LEFT, RIGHT, axis, bands, drawing, scale, x};
use crate::drill::measure::stamp::Stamp;
use crate::drill::report::figure::{figure, interval};
use crate::drill::report::model::Report;
use crate::drill::report::parts::{ProbeReport, Slice};
use std::fmt::Write as _;

/// The look of scenario files that is drawn.
const HTTP: &str = "http";

/// Height of one panel's plot, what its heading takes above it, and the gap below.
const PANEL: i64 = 60;
const HEADING: i64 = 22;
const GAP: i64 = 12;

/// Every HTTP probe that saw something; empty when there is none.
pub(super) fn plots(report: &Report) -> String {
    let shown = |p: &&ProbeReport| p.look == HTTP && !p.slices.is_empty();
    let (mut body, mut y) = (String::new(), 0);
    for probe in report.probes.iter().filter(shown) {
        body.push_str(&panel(report, probe, y + HEADING));
        y += HEADING + PANEL + GAP;
    }
    if body.is_empty() {
        return body;
    }
    let base = y - GAP;
    let under = bands(report, base);
    drawing(
        "Answered well and in time, share of the requests due at each moment; shaded: faults in force",
        base + 28,
        &(under + &body + &axis(report, base)),
    )
}

/// One probe between `top` and [`PANEL`] below it.
fn panel(report: &Report, probe: &ProbeReport, top: i64) -> String {
    let bottom = top + PANEL;
    let mut out = format!(
        "<text class=\"name\" x=\"{LEFT}\" y=\"{0}\">{1}</text><text x=\"{RIGHT}\" y=\"{0}\" text-anchor=\"end\">{2}</text>",
        top - 7,
        escape(&format!("{} · from {}", probe.id, probe.vantage)),
        escape(&summary(probe))
    );
    for (percent, at) in [("100 %", top), ("50 %", top + PANEL / 2), ("0 %", bottom)] {
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at}\" y2=\"{at}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{percent}</text>",
            LEFT - 8,
            at + 4
        );
    }
    let steps = steps(report, probe, top, bottom);
    for step in steps.iter().filter(|step| step.y > top) {
        let _ = write!(
            out,
            "<rect class=\"lost\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\"><title>{} of {} good from {}</title></rect>",
            step.from,
            (step.to - step.from).max(1),
            step.y - top,
            step.good,
            step.due,
            step.at
        );
    }
    // Each step's own height from its begin to its end: nothing lies between two of them that was measured.
    let points: Vec<String> = steps
        .iter()
        .map(|s| format!("{},{} {},{}", s.from, s.y, s.to, s.y))
        .collect();
    let _ = write!(out, "<polyline class=\"share\" points=\"{}\"/>", points.join(" "));
    out
}

/// Availability over the whole run, and the longest time without a good answer.
fn summary(probe: &ProbeReport) -> String {
    let share = probe
        .availability
        .map_or_else(|| "not measured".to_owned(), |share| figure(share, "ratio"));
    let longest = probe.outages.iter().map(|o| o.length).max_by_key(|l| l.high);
    match longest {
        Some(length) => format!("{share}, longest outage {}", interval(length, "seconds")),
        None => format!("{share}, no outage"),
    }
}

/// Slices of one share, side by side.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    from: i64,
    to: i64,
    y: i64,
    due: u64,
    good: u64,
    /// Time of day of its begin.
    at: String,
}

/// An answer stands until the next request is due, so a slice does until the next one begins; the last one as long as the shortest.
fn steps(report: &Report, probe: &ProbeReport, top: i64, bottom: i64) -> Vec<Step> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    // Rounded down to whole pixels, so that one bad answer of many is seen.
    let height = |s: &Slice| scale(signed(s.good.min(s.due)), 0, signed(s.due), bottom, top);
    let slices: Vec<&Slice> = probe.slices.iter().filter(|s| s.due > 0).collect();
    let begins = || slices.iter().map(|s| s.at.micros());
    let shortest = begins().zip(begins().skip(1)).map(|(one, next)| next - one).min();
    let last = |slice: &Slice| {
        let end = shortest.map(|width| Stamp::from_micros(slice.at.micros().saturating_add(width)));
        end.map_or(report.to, |end| end.min(report.to))
    };
    let mut steps: Vec<Step> = Vec::new();
    for (i, slice) in slices.iter().enumerate() {
        let to = x(
            report,
            slices.get(i + 1).map_or_else(|| last(slice), |next| next.at),
        );
        let y = height(slice);
        match steps.last_mut().filter(|step| step.y == y) {
            Some(step) => {
                step.to = to;
                step.due = step.due.saturating_add(slice.due);
                step.good = step.good.saturating_add(slice.good);
            }
            None => steps.push(Step {
                from: x(report, slice.at),
                to,
                y,
                due: slice.due,
                good: slice.good,
                at: slice.at.clock(),
            }),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::sample;

    /// The sample with the slices of one probe: so many of a hundred good in each second.
    fn drawn(good: &[u64]) -> (Report, Vec<Step>) {
        let mut report = sample::report();
        let from = report.from.micros();
        let slice = |(second, good): (i64, &u64)| Slice {
            at: Stamp::from_micros(from + second * 1_000_000),
            due: 100,
            good: *good,
        };
        report.probes.truncate(1);
        report.probes[0].slices = (0..).zip(good).map(slice).collect();
        let steps = steps(&report, &report.probes[0], 0, PANEL);
        (report, steps)
    }

    #[test]
    fn little_and_much_that_was_bad_look_different() {
        let (_, steps) = drawn(&[100, 100, 98, 2, 0, 100]);
        let heights: Vec<i64> = steps.iter().map(|s| s.y).collect();
        assert_eq!(heights, [0, 2, 59, 60, 0]);
        assert_eq!((steps[0].due, steps[0].good), (200, 200));
        // One bad answer of very many is seen too.
        assert_eq!(drawn(&[99]).1[0].y, 1);
        for pair in steps.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
        }
        let width = steps[1].to - steps[1].from;
        let last = steps.last().expect("a step");
        assert!((last.to - last.from - width).abs() <= 1, "{steps:?}");
    }

    #[test]
    fn only_http_probes_that_saw_something_are_drawn() {
        let (mut report, _) = drawn(&[100, 50]);
        let page = plots(&report);
        assert!(page.contains("app1-http · from host") && page.contains("50 of 100 good"));
        assert_eq!(page.matches("<rect class=\"band\"").count(), report.faults.len());
        report.probes[0].look = "api_ready".into();
        assert_eq!(plots(&report), "");
        report.probes[0].look = HTTP.into();
        report.probes[0].slices.clear();
        assert_eq!(plots(&report), "");
    }
}
