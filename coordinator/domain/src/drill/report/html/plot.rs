//! Inline SVG: time runs from left to right over the whole run in every drawing, so that they can be read one below another.

use super::escape::escape;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::signed_seconds;
use crate::drill::measure::stamp::Stamp;
use crate::drill::report::figure::{figure, seconds};
use crate::drill::report::model::Report;
use crate::drill::report::parts::{Point, ProbeReport, Slice};
use std::fmt::Write as _;

/// Left and right end of the time axis, in pixels of the drawing; names stand left of it.
pub(super) const LEFT: i64 = 190;
pub(super) const RIGHT: i64 = 1050;
/// Height of a row of the timeline and of a plot.
const ROW: i64 = 24;
const PLOT: i64 = 150;

/// `value` of `from..to` on `low..high`, clamped; whole pixels.
pub(super) fn scale(value: i64, from: i64, to: i64, low: i64, high: i64) -> i64 {
    let width = i128::from(to.saturating_sub(from)).max(1);
    let offset = i128::from(value.clamp(from, to.max(from))) - i128::from(from);
    let pixel = i128::from(low) + offset * (i128::from(high) - i128::from(low)) / width;
    i64::try_from(pixel).unwrap_or(low)
}

pub(super) fn x(report: &Report, at: Stamp) -> i64 {
    scale(at.micros(), report.from.micros(), report.to.micros(), LEFT, RIGHT)
}

/// Phases, faults and probes, one row each.
pub(super) fn timeline(report: &Report) -> String {
    let rows = i64::try_from(report.faults.len() + report.probes.len()).unwrap_or(0) + 1;
    let height = rows * ROW + 40;
    let mut body = bands(report, height - 28);
    for phase in &report.phases {
        let (from, to) = (x(report, phase.from), x(report, phase.to));
        let name = escape(&phase.name);
        let _ = write!(
            body,
            "<rect class=\"phase\" x=\"{from}\" y=\"2\" width=\"{}\" height=\"18\"><title>{name}</title></rect>",
            (to - from - 1).max(1)
        );
        if to - from > 44 {
            let _ = write!(body, "<text x=\"{}\" y=\"15\">{name}</text>", from + 4);
        }
    }
    let mut y = ROW;
    for fault in &report.faults {
        let (from, to) = (x(report, fault.from), x(report, fault.to));
        let title = escape(&format!(
            "{} of {}: {} to {}, {}",
            fault.kind, fault.target, fault.from, fault.to, fault.end
        ));
        let _ = write!(
            body,
            "{}<rect class=\"bad\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"14\"><title>{title}</title></rect>",
            name(&format!("{} {}", fault.kind, fault.target), y),
            y + 4,
            (to - from).max(2)
        );
        y += ROW;
    }
    for probe in &report.probes {
        let _ = write!(body, "{}", name(&format!("{} ({})", probe.id, probe.vantage), y));
        body.push_str(&slices(report, probe, y));
        y += ROW;
    }
    drawing(
        "Phases, faults and probes against time",
        height,
        &(body + &axis(report, height - 28)),
    )
}

fn name(text: &str, y: i64) -> String {
    let short: String = text.chars().take(28).collect();
    format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 8,
        y + 15,
        escape(&short)
    )
}

/// One rectangle per run of slices of the same colour.
fn slices(report: &Report, probe: &ProbeReport, y: i64) -> String {
    let colour = |slice: &Slice| match slice.good {
        good if good >= slice.due => "good",
        0 => "bad",
        _ => "part",
    };
    let mut out = String::new();
    let mut rest = probe.slices.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|s| colour(s) == colour(first)).count();
        let (run, after) = rest.split_at(same);
        let from = x(report, first.at);
        let to = x(report, after.first().map_or(report.to, |s| s.at));
        let (due, good) = run.iter().fold((0_u64, 0_u64), |(d, g), s| {
            (d.saturating_add(s.due), g.saturating_add(s.good))
        });
        let _ = write!(
            out,
            "<rect class=\"{}\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"12\"><title>{good} of {due} good from {}</title></rect>",
            colour(first),
            y + 5,
            (to - from).max(1),
            first.at.clock()
        );
        rest = after;
    }
    out
}

/// A curve with the faults behind it, and a dashed line at a moment that matters.
pub(super) fn plot(
    report: &Report,
    caption: &str,
    unit: &str,
    points: &[Point],
    mark: Option<(Stamp, &str)>,
) -> String {
    if points.is_empty() {
        return String::new();
    }
    let top = points
        .iter()
        .map(|p| p.value)
        .max()
        .unwrap_or_default()
        .max(Quantity::from_micros(1));
    let low = points
        .iter()
        .map(|p| p.value)
        .min()
        .unwrap_or_default()
        .min(Quantity::ZERO);
    let y = |value: Quantity| scale(value.micros(), low.micros(), top.micros(), PLOT, 14);
    let line: Vec<String> = points
        .iter()
        .map(|p| format!("{},{}", x(report, p.at), y(p.value)))
        .collect();
    let mut body = bands(report, PLOT);
    for value in [
        low,
        Quantity::from_micros(low.micros() / 2 + top.micros() / 2),
        top,
    ] {
        let _ = write!(
            body,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{0}\" y2=\"{0}\"/><text x=\"{1}\" y=\"{2}\" text-anchor=\"end\">{3}</text>",
            y(value),
            LEFT - 8,
            y(value) + 4,
            escape(&figure(value, unit))
        );
    }
    let _ = write!(body, "<polyline class=\"curve\" points=\"{}\"/>", line.join(" "));
    if let Some((at, text)) = mark.filter(|(at, _)| *at >= report.from && *at <= report.to) {
        let _ = write!(
            body,
            "<line class=\"mark\" x1=\"{0}\" x2=\"{0}\" y1=\"8\" y2=\"{PLOT}\"/><text x=\"{1}\" y=\"12\">{2}</text>",
            x(report, at),
            x(report, at) + 5,
            escape(text)
        );
    }
    drawing(caption, PLOT + 28, &(body + &axis(report, PLOT)))
}

pub(super) fn bands(report: &Report, height: i64) -> String {
    let band = |fault: &crate::drill::report::parts::FaultBand| {
        let (from, to) = (x(report, fault.from), x(report, fault.to));
        format!(
            "<rect class=\"band\" x=\"{from}\" y=\"0\" width=\"{}\" height=\"{height}\"/>",
            (to - from).max(1)
        )
    };
    report.faults.iter().map(band).collect()
}

/// Ticks in time since the first fault, or since the begin without one.
pub(super) fn axis(report: &Report, y: i64) -> String {
    let zero = report.faults.first().map_or(report.from, |f| f.from);
    let length = report.to.micros().saturating_sub(report.from.micros()).max(1);
    let steps = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400, 604_800];
    let step = steps
        .into_iter()
        .map(|s: i64| s * 1_000_000)
        .find(|s| length / s <= 8)
        .unwrap_or(length);
    let first = report
        .from
        .micros()
        .saturating_sub(zero.micros())
        .div_euclid(step);
    let mut out = format!("<line class=\"axis\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y}\" y2=\"{y}\"/>");
    for nth in 0..=10 {
        let at = Stamp::from_micros(zero.micros().saturating_add((first + nth).saturating_mul(step)));
        if at >= report.from && at <= report.to {
            let _ = write!(
                out,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(report, at),
                y + 18,
                seconds(signed_seconds(zero.0, at.0))
            );
        }
    }
    out
}

pub(super) fn drawing(caption: &str, height: i64, body: &str) -> String {
    let caption = escape(caption);
    format!(
        "<figure><figcaption>{caption}</figcaption><svg viewBox=\"0 0 1080 {height}\" role=\"img\" aria-label=\"{caption}\">{body}</svg></figure>\n"
    )
}
