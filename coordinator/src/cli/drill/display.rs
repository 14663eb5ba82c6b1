//! Progress of a drill on stderr: every record as a line, the measurements as one line that is written over on a terminal.

use domain::drill::countdown::BacklogClock;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where nobody watches, measurements are shown this often.
const QUIET_EVERY: Duration = Duration::from_secs(5);

/// Longest line of measurements.
const WIDTH: usize = 200;

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
                eprint!("\r\x1b[K{}", live_line(update));
                let _ = std::io::stderr().flush();
                self.open = true;
            } else if due {
                self.last_live = Some(Instant::now());
                self.line(&live_line(update));
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

/// `observe, 43 s left | mgmt-api-host bad for 6.0 s (connect: refused) | app1-web-host 860/860`: trouble first.
fn live_line(update: &Value) -> String {
    let mut text = plain(&update["phase"]);
    if let Some(left) = update["left_ms"].as_u64() {
        text.push_str(&format!(", {} s left", left.div_ceil(1000)));
    }
    for backlog in update["backlogs"].as_array().into_iter().flatten() {
        if let Ok(clock) = serde_json::from_value::<BacklogClock>(backlog.clone()) {
            text.push_str(" | ");
            text.push_str(&clock.text());
        }
    }
    let mut probes: Vec<&Value> = update["probes"].as_array().into_iter().flatten().collect();
    probes.sort_by_key(|probe| probe["bad_for_ms"].is_null());
    for probe in probes {
        let name = plain(&probe["name"]);
        match probe["bad_for_ms"].as_u64() {
            Some(ms) => {
                let tenths = ms / 100;
                let detail = plain(&probe["detail"]);
                text.push_str(&format!(
                    " | {name} bad for {}.{} s ({detail})",
                    tenths / 10,
                    tenths % 10
                ));
            }
            None => text.push_str(&format!(" | {name} {}/{}", probe["good"], probe["all"])),
        }
    }
    if text.chars().count() > WIDTH {
        text = text.chars().take(WIDTH - 1).chain(['…']).collect();
    }
    text
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

    #[test]
    fn trouble_comes_first() {
        let update = json!({"kind": "live", "phase": "observe", "left_ms": 42_001, "backlogs": [
            {"cluster": "app1", "outage": true, "left_ms": 3_661_900, "dies_at": null, "guaranteed_ms": null, "expected_ms": null, "trouble": ""},
            {"cluster": "app2", "outage": true, "left_ms": null, "dies_at": null, "guaranteed_ms": null, "expected_ms": null, "trouble": "no answer"},
        ], "probes": [
            {"name": "a", "good": 8, "all": 8, "bad_for_ms": null, "detail": ""},
            {"name": "b", "good": 0, "all": 9, "bad_for_ms": 6_040, "detail": "refused"},
        ]});
        assert_eq!(
            live_line(&update),
            "observe, 43 s left | app1 metrics die in 1:01:01 | app2 metrics: no deadline (no answer) | b bad for 6.0 s (refused) | a 8/8"
        );
    }
}
