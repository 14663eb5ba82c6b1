//! Progress of a drill on stderr: every record as a line, the measurements as one line that is written over on a terminal.

use domain::drill::countdown::BacklogClock;
use ratatui::crossterm::terminal;
use ratatui::text::Span;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where nobody watches, measurements are shown this often.
const QUIET_EVERY: Duration = Duration::from_secs(5);

/// Columns of a terminal that does not say how many it has, and of a log that nobody watches.
const COLUMNS: usize = 80;
const LOG_COLUMNS: usize = 200;

/// Columns of what was wrong with one probe: a long error must not hide the other ones.
const DETAIL: usize = 48;

/// Shows a drill's progress.
#[derive(Debug)]
pub(super) struct Display {
    began: Instant,
    terminal: bool,
    last_live: Option<Instant>,
    open: bool,
}

impl Display {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
            last_live: None,
            open: false,
        }
    }

    pub(super) fn show(&mut self, update: &Value) {
        if update["kind"] == "live" {
            let due = self.last_live.is_none_or(|at| at.elapsed() >= QUIET_EVERY);
            if self.terminal {
                // The last column stays free: a line that fills it goes on in the next row, which is not erased.
                eprint!("\r\x1b[K{}", live_line(update, columns() - 1));
                let _ = std::io::stderr().flush();
                self.open = true;
            } else if due {
                self.last_live = Some(Instant::now());
                self.line(&live_line(update, LOG_COLUMNS));
            }
        } else {
            self.line(&plain(&update["message"]));
        }
    }

    pub(super) fn note(&mut self, text: &str) {
        self.line(text);
    }

    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.open) {
            eprintln!();
        }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.open) {
            eprint!("\r\x1b[K");
        }
        eprintln!("{:8.1} s  {text}", self.began.elapsed().as_secs_f64());
    }
}

/// Who stops following leaves no half line behind.
impl Drop for Display {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Columns of the terminal at this moment: it may have been made smaller.
fn columns() -> usize {
    let size = terminal::size().map(|(columns, _)| usize::from(columns));
    size.ok().filter(|columns| *columns > 1).unwrap_or(COLUMNS)
}

/// `observe, 43 s left | app1-web-host bad for 6.0 s (connect: refused) | app1 metrics die in 1:01:01 | mgmt-api-host ... | +27`:
/// what must stay good and is bad, deadlines, what else is bad, and what is well, as far as it fits into so many columns.
fn live_line(update: &Value, columns: usize) -> String {
    let mut head = plain(&update["phase"]);
    if let Some(left) = update["left_ms"].as_u64() {
        head.push_str(&format!(", {} s left", left.div_ceil(1000)));
    }
    let all = |key: &str| update[key].as_array().into_iter().flatten();
    let (mut alarms, mut trouble, mut well) = (Vec::new(), Vec::new(), Vec::new());
    for probe in all("probes") {
        let Some(ms) = probe["bad_for_ms"].as_u64() else {
            well.push(format!(
                "{} {}/{}",
                plain(&probe["name"]),
                probe["good"],
                probe["all"]
            ));
            continue;
        };
        let (name, tenths) = (plain(&probe["name"]), ms / 100);
        let detail = cut(&plain(&probe["detail"]), DETAIL);
        let text = format!("{name} bad for {}.{} s ({detail})", tenths / 10, tenths % 10);
        match probe["stays_good"].as_bool() {
            Some(true) => alarms.push(text),
            _ => trouble.push(text),
        }
    }
    let deadlines = all("backlogs").filter_map(|clock| {
        let clock: BacklogClock = serde_json::from_value(clock.clone()).ok()?;
        Some(clock.text())
    });
    let parts: Vec<String> = alarms
        .into_iter()
        .chain(deadlines)
        .chain(trouble)
        .chain(well)
        .collect();
    fit(head, &parts, columns)
}

/// As many parts as fit, whole ones, and how many do not. Of a first one that alone is too long what fits.
fn fit(head: String, parts: &[String], columns: usize) -> String {
    let mut line = head;
    for (nth, part) in parts.iter().enumerate() {
        let longer = format!("{line} | {part}");
        let left = parts.len() - nth;
        let tail = if left > 1 {
            width(&format!(" | +{}", left - 1))
        } else {
            0
        };
        if width(&longer) + tail > columns {
            if nth > 0 {
                line.push_str(&format!(" | +{left}"));
            } else {
                line = longer;
            }
            break;
        }
        line = longer;
    }
    cut(&line, columns)
}

/// At most so many columns of it.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used > columns {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// Columns on a terminal: some characters take two, some none.
fn width(text: &str) -> usize {
    Span::raw(text).width()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn update() -> Value {
        json!({"kind": "live", "phase": "observe", "left_ms": 42_001, "backlogs": [
            {"cluster": "app1", "outage": true, "left_ms": 3_661_900, "dies_at": null, "guaranteed_ms": null, "expected_ms": null, "trouble": ""},
            {"cluster": "app2", "outage": true, "left_ms": null, "dies_at": null, "guaranteed_ms": null, "expected_ms": null, "trouble": "no answer"},
        ], "probes": [
            {"name": "a", "good": 8, "all": 8, "bad_for_ms": null, "detail": "", "stays_good": true},
            {"name": "b", "good": 0, "all": 9, "bad_for_ms": 6_040, "detail": "refused", "stays_good": false},
            {"name": "c", "good": 1, "all": 9, "bad_for_ms": 1_200, "detail": "late", "stays_good": true},
        ]})
    }

    #[test]
    fn what_matters_most_comes_first() {
        assert_eq!(
            live_line(&update(), 200),
            "observe, 43 s left | c bad for 1.2 s (late) | app1 metrics die in 1:01:01 | app2 metrics: no deadline (no answer) \
             | b bad for 6.0 s (refused) | a 8/8"
        );
        assert_eq!(
            live_line(&update(), 80),
            "observe, 43 s left | c bad for 1.2 s (late) | app1 metrics die in 1:01:01 | +3"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut update = update();
        update["probes"][2]["detail"] = json!("接続が拒否されました e\u{301}".repeat(9));
        for columns in 1..200 {
            let line = live_line(&update, columns);
            assert!(width(&line) <= columns, "{columns}: {line:?}");
            assert!(!line.is_empty());
        }
        let line = live_line(&update, 79);
        assert!(
            line.starts_with("observe, 43 s left | c bad for 1.2 s (接続"),
            "{line}"
        );
        // The same of a width that is not one: some characters take two columns.
        assert_eq!(cut("接続が", 5), "接続…");
        assert_eq!(cut("接続が", 4), "接…");
    }
}
