//! A running drill as followers see it between two records: phase, time left, and the deadline clock of every metrics backlog.

use super::backlog::Tracker;
use super::measure::stamp::Stamp;
use model::ids::ClusterName;
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// The drill that runs now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrillNow {
    /// Name of the drill.
    #[serde(default)]
    pub drill: String,
    /// Its run, hexadecimal.
    #[serde(default)]
    pub run: String,
    /// Phase; None before the first.
    pub phase: Option<String>,
    /// How long it lasts already, milliseconds.
    pub phase_ms: u64,
    /// How long it lasts yet, at most, milliseconds; None where that is not set beforehand.
    pub left_ms: Option<u64>,
    /// The deadline clocks; none after the outage.
    pub backlogs: Vec<BacklogClock>,
}

/// The countdown to the moment at which a cluster's unsent metrics are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacklogClock {
    /// Cluster of the metrics agent.
    pub cluster: ClusterName,
    /// Whether it counts down for the outage that is; else for one that would begin now.
    pub outage: bool,
    /// Milliseconds until then, at least; None when it cannot be told.
    pub left_ms: Option<u64>,
    /// The same as a moment.
    pub dies_at: Option<Stamp>,
    /// How long a backlog lives whenever an outage begins, milliseconds.
    pub guaranteed_ms: Option<u64>,
    /// On the mean, milliseconds.
    pub expected_ms: Option<u64>,
    /// What kept the last look from being used.
    pub trouble: String,
}

impl BacklogClock {
    /// Of one agent's log, for the outage that began at `began`, or for one that begins at `now`.
    pub fn of(cluster: &ClusterName, tracker: &Tracker, began: Option<Moment>, now: Moment) -> Self {
        let left = tracker.left(began, now);
        let window = tracker.outlook().map(|outlook| outlook.window);
        Self {
            cluster: cluster.clone(),
            outage: began.is_some(),
            left_ms: left.map(|span| span.micros() / 1000),
            dies_at: left.map(|span| span.after(now).into()),
            guaranteed_ms: window.map(|w| w.guaranteed.micros() / 1000),
            expected_ms: window.map(|w| w.expected.micros() / 1000),
            trouble: tracker.trouble.clone(),
        }
    }

    /// `app1 metrics die in 5:58:03`, or why nobody knows.
    pub fn text(&self) -> String {
        let cluster = &self.cluster;
        match (self.left_ms, self.outage) {
            (Some(0), true) => format!("{cluster} metrics: the deadline is over"),
            (Some(left), outage) => {
                let (would, s) = (if outage { "die" } else { "would die" }, left / 1000);
                format!(
                    "{cluster} metrics {would} in {}:{:02}:{:02}",
                    s / 3600,
                    s / 60 % 60,
                    s % 60
                )
            }
            (None, _) => {
                let plain = self.trouble.chars().filter(|c| !c.is_control());
                format!("{cluster} metrics: no deadline ({})", plain.collect::<String>())
            }
        }
    }
}

impl DrillNow {
    /// `observe, 43 s left`
    pub fn phase_text(&self) -> String {
        let phase = self.phase.as_deref().unwrap_or("begins");
        match self.left_ms {
            Some(left) => format!("{phase}, {} s left", left.div_ceil(1000)),
            None => phase.to_owned(),
        }
    }

    /// In one line.
    pub fn text(&self) -> String {
        let mut text = format!("drill {}  {}", self.drill, self.phase_text());
        for backlog in &self.backlogs {
            text.push_str("  ");
            text.push_str(&backlog.text());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_countdown_says_for_which_outage_it_counts_and_why_it_cannot() {
        let clock = |left_ms, outage, trouble: &str| BacklogClock {
            cluster: ClusterName::new("app1").expect("a name"),
            outage,
            left_ms,
            dies_at: None,
            guaranteed_ms: None,
            expected_ms: None,
            trouble: trouble.into(),
        };
        for (clock, text) in [
            (clock(Some(3_661_900), true, ""), "app1 metrics die in 1:01:01"),
            (
                clock(Some(59_999), false, ""),
                "app1 metrics would die in 0:00:59",
            ),
            (clock(Some(0), true, ""), "app1 metrics: the deadline is over"),
            (
                clock(None, true, "no\nanswer"),
                "app1 metrics: no deadline (noanswer)",
            ),
        ] {
            assert_eq!(clock.text(), text);
        }
        let now = DrillNow {
            drill: "mgmt-down".into(),
            phase: Some("observe".into()),
            left_ms: Some(42_001),
            backlogs: vec![clock(Some(9_000), true, "")],
            ..DrillNow::default()
        };
        assert_eq!(
            now.text(),
            "drill mgmt-down  observe, 43 s left  app1 metrics die in 0:00:09"
        );
    }
}
