//! Live progress of a run: a line per node and per cluster on a terminal, one line per change elsewhere.

use super::output::outln;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Instant;

/// Shows what the log says of the run.
pub(crate) struct Display {
    started: Instant,
    bars: Option<MultiProgress>,
    lines: BTreeMap<String, ProgressBar>,
    json: bool,
    /// Whether somebody is there to be asked.
    attended: bool,
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display").finish_non_exhaustive()
    }
}

impl Display {
    /// With `json`, entries go to stdout unchanged; else bars on a terminal and plain lines on stderr elsewhere.
    pub(crate) fn new(json: bool) -> Self {
        let terminal = !json && std::io::stderr().is_terminal();
        Self {
            started: Instant::now(),
            bars: terminal.then(MultiProgress::new),
            lines: BTreeMap::new(),
            json,
            attended: std::io::stdin().is_terminal(),
        }
    }

    /// As on a host where nobody can be asked.
    #[cfg(test)]
    pub(crate) fn unattended() -> Self {
        Self {
            attended: false,
            ..Self::new(false)
        }
    }

    /// Whether somebody is there to be asked.
    pub(crate) fn is_attended(&self) -> bool {
        self.attended
    }

    /// Shows one log entry.
    pub(crate) fn entry(&mut self, raw: &str, entry: &Value) {
        if self.json {
            outln!("{raw}");
            return;
        }
        let text = |key: &str| {
            entry[key]
                .as_str()
                .unwrap_or("")
                .chars()
                .filter(|c| !c.is_control())
                .collect::<String>()
        };
        let kind = text("kind");
        let message = text("message");
        if message.is_empty()
            || matches!(
                kind.as_str(),
                "health" | "step_intended" | "step_dispatched" | "step_accepted"
            )
        {
            return;
        }
        let subject = match (text("node"), text("cluster")) {
            (node, _) if !node.is_empty() => node,
            (_, cluster) if !cluster.is_empty() => cluster,
            _ => "host".into(),
        };
        self.show(&subject, &message, text("severity") == "error");
    }

    /// Shows a line that comes from this process.
    pub(crate) fn note(&mut self, subject: &str, message: &str) {
        if self.json {
            eprintln!("{subject}: {message}");
        } else {
            self.show(subject, message, false);
        }
    }

    /// Shows the account of the run: one more line of the stream with `json`, else a table.
    pub(crate) fn report(&self, json: &[u8], text: &str) {
        if self.json {
            let report: Value = serde_json::from_slice(json).unwrap_or_default();
            outln!("{}", serde_json::json!({"kind": "run_report", "report": report}));
        } else {
            eprint!("{text}");
        }
    }

    /// Takes the bars away, so that what follows stands below them.
    pub(crate) fn finish(&mut self) {
        for (_, bar) in std::mem::take(&mut self.lines) {
            bar.finish();
        }
    }

    fn show(&mut self, subject: &str, message: &str, keep: bool) {
        let Some(bars) = &self.bars else {
            eprintln!(
                "{:8.1} s  {subject:<14} {message}",
                self.started.elapsed().as_secs_f64()
            );
            return;
        };
        if keep {
            let _ = bars.println(format!("{subject}: {message}"));
        }
        let bar = self.lines.entry(subject.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed:>5} {prefix:<14} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = bars.add(
                ProgressBar::new_spinner()
                    .with_style(style)
                    .with_prefix(subject.to_owned()),
            );
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        bar.set_message(message.to_owned());
    }
}
