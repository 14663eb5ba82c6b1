//! The three lists of the overview.

use super::super::known::{Model, clean, list, text};
use super::super::ui::{Focus, Ui, index};
use super::style;
use crate::readiness;
use model::moment::Moment;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::Span;
use ratatui::widgets::{Block, Cell, Row, Table, TableState};
use serde_json::Value;

pub(super) fn nodes(frame: &mut Frame<'_>, area: Rect, model: &Model, ui: &Ui) {
    let mut before = "";
    let mut rows = Vec::new();
    for (cluster, node) in model.nodes() {
        let name = text(&cluster["name"]);
        let first = if name == before { "" } else { name };
        before = name;
        let state = text(&node["agent"]["state"]);
        let ready = readiness::word(cluster, node);
        let bad = list(&node["conditions"]).iter().filter(|c| !is_good(c)).count();
        let trouble = if bad == 0 {
            String::new()
        } else {
            format!("!{bad}")
        };
        rows.push(Row::new([
            Cell::from(clean(first)).style(Style::new().bold()),
            Cell::from(clean(text(&node["name"]))),
            Cell::from(Span::styled(ready, style::state(ready))),
            Cell::from(Span::styled(clean(state), style::state(state))),
            Cell::from(Span::styled(trouble, style::state("error"))),
        ]));
    }
    let widths = [6, 14, 9, 10, 2].map(Constraint::Length);
    table(
        frame,
        area,
        ui,
        Focus::Nodes,
        " clusters and nodes ",
        rows,
        &widths,
    );
}

pub(super) fn waits(frame: &mut Frame<'_>, area: Rect, model: &Model, ui: &Ui) {
    let waits = model.waits();
    let rows = waits.iter().map(|wait| {
        let since = Moment(wait["since"].as_i64().unwrap_or(model.now.0));
        let took = model.now.millis_since(since);
        let usual = wait["expected_ms"].as_u64().unwrap_or(0);
        let late = took > usual.saturating_mul(2).max(5_000);
        let time = format!("{} of {}", seconds(took), seconds(usual));
        let blocker = text(&wait["blocker"]);
        Row::new([
            Cell::from(clean(text(&wait["name"]))),
            Cell::from(Span::styled(
                time,
                style::state(if late { "warning" } else { "" }),
            )),
            Cell::from(Span::styled(
                clean(text(&wait["summary"])),
                style::state(if blocker == "decision" { "error" } else { "active" }),
            )),
        ])
    });
    let title = if waits.is_empty() {
        " steps and waits: none ".to_owned()
    } else {
        format!(" steps and waits: {} (time of usual time) ", waits.len())
    };
    let widths = [
        Constraint::Length(34),
        Constraint::Length(15),
        Constraint::Fill(1),
    ];
    table(frame, area, ui, Focus::Waits, &title, rows.collect(), &widths);
}

pub(super) fn events(frame: &mut Frame<'_>, area: Rect, model: &Model, ui: &Ui) {
    let shown = ui.events(model);
    // Only what can be seen is built: the log may be long.
    let height = usize::from(area.height.saturating_sub(2));
    let first = ui.selected[index(Focus::Events)].saturating_sub(height.saturating_sub(1));
    let rows: Vec<Row<'_>> = shown
        .iter()
        .skip(first)
        .take(height)
        .map(|event| event_row(event))
        .collect();
    let mut title = format!(" events: {} of {}, newest first", shown.len(), model.events.len());
    if !ui.typed.is_empty() {
        title.push_str(&format!(", filter {:?}", ui.typed));
    }
    if ui.bad_only {
        title.push_str(", warnings and errors only");
    }
    let hidden = ui.hidden_samples(model);
    if hidden > 0 {
        title.push_str(&format!(", {hidden} health samples hidden"));
    }
    title.push(' ');
    let widths = event_widths();
    let table = Table::new(rows, widths)
        .block(block(&title, ui.focus == Focus::Events))
        .row_highlight_style(style::selected());
    let mut state = TableState::new();
    if ui.focus == Focus::Events && !shown.is_empty() {
        let at = ui.selected[index(Focus::Events)].min(shown.len() - 1);
        state.select(Some(at - first.min(at)));
    }
    frame.render_stateful_widget(table, area, &mut state);
}

pub(super) fn event_widths() -> [Constraint; 5] {
    [
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Length(19),
        Constraint::Fill(1),
    ]
}

pub(super) fn event_row(event: &Value) -> Row<'static> {
    let place = match (text(&event["node"]), text(&event["cluster"])) {
        ("", "") => "-",
        ("", cluster) => cluster,
        (node, _) => node,
    };
    let severity = text(&event["severity"]);
    let look = match severity {
        "warning" | "error" => style::state(severity),
        _ => Style::new(),
    };
    Row::new([
        Cell::from(event["revision"].to_string()).style(Style::new().dim()),
        Cell::from(text(&event["time"]).get(11..19).unwrap_or_default().to_owned()),
        Cell::from(clean(place)),
        Cell::from(clean(text(&event["kind"]))),
        Cell::from(Span::styled(clean(text(&event["message"])), look)),
    ])
}

fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    ui: &Ui,
    focus: Focus,
    title: &str,
    rows: Vec<Row<'_>>,
    widths: &[Constraint],
) {
    let focused = ui.focus == focus;
    let mut state = TableState::new();
    if focused && !rows.is_empty() {
        state.select(Some(ui.selected[index(focus)].min(rows.len() - 1)));
    }
    let table = Table::new(rows, widths.iter().copied())
        .block(block(title, focused))
        .row_highlight_style(style::selected());
    frame.render_stateful_widget(table, area, &mut state);
}

pub(super) fn block(title: &str, focused: bool) -> Block<'static> {
    Block::bordered()
        .border_style(style::border(focused))
        .title(Span::raw(clean(title)).bold())
}

/// Whether a condition is as one wants it: pressure is good when it is not there, everything else when it is.
pub(super) fn is_good(condition: &Value) -> bool {
    let pressure = text(&condition["type"]).ends_with("Pressure");
    text(&condition["status"]) == if pressure { "false" } else { "true" }
}

/// Milliseconds as people read them.
pub(super) fn seconds(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        s @ 1..=9 => format!("{s}.{} s", ms % 1000 / 100),
        s @ 10..=119 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}
