//! Colours: green is well, yellow may get well by itself, red needs somebody.

use ratatui::style::{Color, Modifier, Style};

/// The colour of a state word.
pub(super) fn state(word: &str) -> Style {
    match word {
        "ready" | "connected" | "pass" | "succeeded" | "true" => Style::new().fg(Color::Green),
        "suspect" | "active" | "cancelling" | "warning" | "unknown" | "not ready" | "stopped_at_gate" => {
            Style::new().fg(Color::Yellow)
        }
        "lost" | "fail" | "failed" | "error" | "needs_decision" | "decision" | "false" => {
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
        }
        _ => Style::new().add_modifier(Modifier::DIM),
    }
}

/// The border of a list.
pub(super) fn border(focused: bool) -> Style {
    if focused {
        Style::new().fg(Color::Cyan)
    } else {
        Style::new().add_modifier(Modifier::DIM)
    }
}

/// The selected row.
pub(super) fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}
