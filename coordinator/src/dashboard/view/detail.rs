//! One node, one wait or event, and the keys.

use super::super::known::{Model, NodeFile, clean, list, text};
use super::super::ui::Ui;
use super::{lists, style};
use crate::readiness;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Table, Wrap};
use serde_json::Value;

pub(super) fn node(frame: &mut Frame<'_>, area: Rect, model: &Model, ui: &Ui, name: &str) {
    let found = model
        .nodes()
        .into_iter()
        .find(|(_, node)| text(&node["name"]) == name);
    let mut lines = Vec::new();
    if let Some((cluster, node)) = found {
        let agent = &node["agent"];
        lines.push(pair("cluster", clean(text(&cluster["name"]))));
        lines.push(pair("role", clean(text(&node["role"]))));
        lines.push(stated("kubernetes", readiness::word(cluster, node)));
        lines.push(stated("agent", text(&agent["state"])));
        lines.push(pair("version", clean(text(&agent["version"]))));
        let seen = agent["last_seen_ms"].as_u64();
        lines.push(pair(
            "last seen",
            seen.map_or("never".into(), |ms| format!("{} ago", lists::seconds(ms))),
        ));
        for wait in model
            .waits()
            .into_iter()
            .filter(|wait| text(&wait["node"]) == name)
        {
            lines.push(pair(
                "waits",
                clean(&format!("{}: {}", text(&wait["name"]), text(&wait["summary"]))),
            ));
        }
        let silence = readiness::silence(cluster).into_iter();
        for condition in silence.chain(list(&node["conditions"])) {
            let good = lists::is_good(condition);
            lines.push(Line::from(vec![
                Span::styled(
                    format!(" {:<22}", clean(text(&condition["type"]))),
                    style::state(if good { "true" } else { "error" }),
                ),
                Span::raw(format!("{:<8}", clean(text(&condition["status"])))),
                Span::raw(clean(&format!(
                    "{} since {}: {}",
                    text(&condition["reason"]),
                    text(&condition["since"]).get(..19).unwrap_or_default(),
                    text(&condition["message"])
                ))),
            ]));
        }
    } else {
        lines.push(Line::from(" this node is not in the status document".dim()));
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let [upper, lower] = Layout::vertical([
        Constraint::Length(height.min(area.height / 2 + 4)),
        Constraint::Fill(1),
    ])
    .areas(area);
    let paragraph = Paragraph::new(lines).block(lists::block(&format!(" node {name} "), true));
    frame.render_widget(paragraph, upper);
    if let Some(log) = ui
        .log
        .checked_sub(1)
        .and_then(|at| model.logs_of(name).get(at).copied())
    {
        frame.render_widget(log_lines(log, lower, ui), lower);
        return;
    }
    let rows = model
        .events
        .iter()
        .rev()
        .filter(|event| text(&event["node"]) == name && ui.shows(event))
        .skip(usize::from(ui.scroll))
        .take(usize::from(lower.height))
        .map(lists::event_row);
    let title = if model.logs_of(name).is_empty() {
        " its events, newest first "
    } else {
        " its events, newest first; o: its logs "
    };
    let table = Table::new(rows, lists::event_widths()).block(lists::block(title, false));
    frame.render_widget(table, lower);
}

/// The newest lines first, as in the list of events.
fn log_lines(log: &NodeFile, area: Rect, ui: &Ui) -> Paragraph<'static> {
    let shown = log.text.lines().rev().skip(usize::from(ui.scroll));
    let lines: Vec<Line<'_>> = shown
        .take(usize::from(area.height))
        .map(|line| Line::from(format!(" {}", clean(line))))
        .collect();
    let title = format!(" {}, newest first; o: the next ", log.log.name());
    Paragraph::new(lines).block(lists::block(&title, false))
}

/// A wait or an event with all its fields, long texts wrapped.
pub(super) fn item(frame: &mut Frame<'_>, area: Rect, ui: &Ui, item: &Value) {
    let is_wait = item["blocker"].is_string();
    let mut lines = Vec::new();
    for (key, value) in item.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => {
                let mut parts = text.lines();
                lines.push(pair(key, clean(parts.next().unwrap_or_default())));
                lines.extend(parts.map(|part| Line::from(format!("{:18}{}", "", clean(part)))));
            }
            Value::Number(number) if matches!(key.as_str(), "since" | "deadline" | "until") => {
                let moment = model::moment::Moment(number.as_i64().unwrap_or_default());
                lines.push(pair(key, moment.to_string()));
            }
            Value::Object(_) | Value::Array(_) => {
                let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
                lines.push(pair(key, String::new()));
                lines.extend(
                    pretty
                        .lines()
                        .map(|part| Line::from(format!("   {}", clean(part)))),
                );
            }
            other => lines.push(pair(key, other.to_string())),
        }
    }
    if let Some(entry) = domain::catalogue::find(text(&item["code"])).filter(|_| !is_wait) {
        lines.push(Line::default());
        lines.push(pair("what it is", entry.title.to_owned()));
        lines.push(pair("remedy", entry.remedy.to_owned()));
        lines.push(pair("next", entry.next.to_owned()));
    }
    let title = if is_wait {
        " step ".to_owned()
    } else {
        format!(" event {} ", item["revision"])
    };
    let paragraph = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .scroll((ui.scroll, 0))
        .block(lists::block(&title, true));
    frame.render_widget(paragraph, area);
}

pub(super) fn help(frame: &mut Frame<'_>, area: Rect) {
    let keys = [
        ("tab, ← →", "next or previous list"),
        ("↑ ↓, j k", "select; in a detail, scroll"),
        ("page up, down", "ten at once"),
        ("home, end, g G", "first, last"),
        ("enter", "open what is selected: a node, a step, an event"),
        ("o", "in a node of a support bundle: the next of its logs"),
        ("esc", "back; in the overview, drop the filter"),
        (
            "/",
            "filter events by words, or node: cluster: kind: sev: step: run: msg: code:",
        ),
        ("e", "warnings and errors only, or everything"),
        (
            "s",
            "show or hide the health samples that agents send every few seconds",
        ),
        ("q, ctrl-c", "quit; nothing that runs is touched"),
    ];
    let lines: Vec<Line<'_>> = keys
        .iter()
        .map(|(key, what)| Line::from(vec![Span::raw(format!(" {key:<18}")).bold(), Span::raw(*what)]))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(lists::block(" keys ", true)), area);
}

fn pair(key: &str, value: String) -> Line<'static> {
    Line::from(vec![
        Span::raw(format!(" {:<17}", clean(key))).dim(),
        Span::raw(value),
    ])
}

fn stated(key: &str, state: &str) -> Line<'static> {
    Line::from(vec![
        Span::raw(format!(" {key:<17}")).dim(),
        Span::styled(clean(state), style::state(state)),
    ])
}
