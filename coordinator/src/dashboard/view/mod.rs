//! The screen as a function of what is known and what was chosen.

mod detail;
mod lists;
mod style;

use super::known::{Model, clean, list, text};
use super::ui::{Screen, Ui};
use domain::drill::countdown::DrillNow;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// A backlog that dies this soon is marked, milliseconds: about what undoing an outage takes.
const SOON_MS: u64 = 120_000;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, model: &Model, ui: &Ui) {
    let mut top = vec![title(model), contracts(model)];
    top.extend(drill(model));
    let rows = u16::try_from(top.len()).unwrap_or(u16::MAX);
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(rows),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(top), head);
    match &ui.screen {
        Screen::Overview => overview(frame, body, model, ui),
        Screen::Node(name) => detail::node(frame, body, model, ui, name),
        Screen::Item(item) => detail::item(frame, body, ui, item),
        Screen::Help => detail::help(frame, body),
    }
    frame.render_widget(Paragraph::new(footer(model, ui)), foot);
}

fn overview(frame: &mut Frame<'_>, area: Rect, model: &Model, ui: &Ui) {
    // Clusters with their nodes have a natural height; the events take what is left, and at least a third.
    let rows = u16::try_from(model.nodes().len().max(model.waits().len())).unwrap_or(u16::MAX);
    let top = rows.saturating_add(3).clamp(6, (area.height * 2 / 3).max(6));
    let [upper, events] = Layout::vertical([Constraint::Length(top), Constraint::Fill(1)]).areas(area);
    let [nodes, waits] = if area.width >= 90 {
        Layout::horizontal([Constraint::Length(46), Constraint::Fill(1)]).areas(upper)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(upper)
    };
    lists::nodes(frame, nodes, model, ui);
    lists::waits(frame, waits, model, ui);
    lists::events(frame, events, model, ui);
}

fn title(model: &Model) -> Line<'static> {
    let status = &model.status;
    let mut spans = vec![
        " drillyard ".bold().reversed(),
        Span::raw(format!(" {} ", clean(text(&status["lab"])))).bold(),
    ];
    if status.is_null() {
        spans.push("waiting for the first answer".dim());
    } else {
        let run = &status["run"];
        spans.push(Span::raw(format!(
            "epoch {}  phase {} of 8  ",
            status["epoch"], status["phase"]
        )));
        if run.is_object() {
            let state = text(&run["state"]).to_owned();
            spans.push(Span::raw(format!(
                "run {} {} of {} steps  ",
                text(&run["id"]).get(..8).unwrap_or_default(),
                run["done"],
                run["steps"]
            )));
            spans.push(Span::styled(state.clone(), style::state(&state)));
        } else {
            spans.push("no run yet".dim());
        }
    }
    spans.push(Span::raw("  "));
    spans.push(Span::raw(model.source.clone()).dim());
    Line::from(spans)
}

fn contracts(model: &Model) -> Line<'static> {
    let mut spans = vec![" contracts ".dim()];
    for contract in list(&model.status["contracts"]) {
        let state = text(&contract["state"]);
        spans.push(Span::raw(format!(" {} ", clean(text(&contract["id"])))).bold());
        spans.push(Span::styled(clean(state), style::state(state)));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// The drill that runs, and how long unsent metrics live; None when none runs.
fn drill(model: &Model) -> Option<Line<'static>> {
    let now: DrillNow = serde_json::from_value(model.status["drill"].clone()).ok()?;
    let mut spans = vec![
        " drill ".dim(),
        Span::raw(format!(" {} ", clean(&now.drill))).bold(),
        Span::raw(clean(&now.phase_text())),
    ];
    for clock in &now.backlogs {
        let state = match clock.left_ms {
            Some(left) if !clock.outage || left > SOON_MS => "info",
            Some(left) if left > 0 => "warning",
            _ => "error",
        };
        spans.push(Span::raw("  "));
        spans.push(Span::styled(clean(&clock.text()), style::state(state)));
    }
    Some(Line::from(spans))
}

fn footer(model: &Model, ui: &Ui) -> Line<'static> {
    if ui.typing {
        return Line::from(vec![
            " filter: ".bold(),
            Span::raw(format!("{}▏", clean(&ui.typed))),
            "  words, or node: cluster: kind: sev: step: msg:   enter keeps, esc drops".dim(),
        ]);
    }
    if !model.notice.is_empty() {
        return Line::from(Span::styled(
            format!(" {}", clean(&model.notice)),
            style::state("warning"),
        ));
    }
    let keys = match ui.screen {
        Screen::Overview => {
            " tab focus  ↑↓ select  enter open  / filter  e errors  s samples  ? keys  q quit"
        }
        _ => " esc back  ↑↓ scroll  q quit",
    };
    Line::from(keys.dim())
}
