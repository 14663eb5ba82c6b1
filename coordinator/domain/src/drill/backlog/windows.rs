//! The windows that a plan shows: what would become of each backlog, or why that is not known.

use super::foretold::Foretold;
use crate::drill::plan::DrillPlan;
use crate::drill::scenario::{Look, Probe};
use model::ids::ClusterName;
use serde::Serialize;

/// One cluster's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedWindow {
    /// Cluster of the agent.
    pub cluster: ClusterName,
    /// For an outage that begins now; None when it is not known.
    pub forecast: Option<Foretold>,
    /// Why it is not known.
    pub unknown: Option<String>,
}

impl PlannedWindow {
    /// From a forecast, or from why there is none.
    pub fn new(cluster: &ClusterName, forecast: Result<Foretold, String>) -> Self {
        let (forecast, unknown) = match forecast {
            Ok(forecast) => (Some(forecast), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            cluster: cluster.clone(),
            forecast,
            unknown,
        }
    }

    /// All windows of a plan that nobody can look at, for the same reason.
    pub fn unseen(plan: &DrillPlan, why: &str) -> Vec<Self> {
        logs(plan)
            .map(|(probe, skipped)| {
                let why = skipped.unwrap_or(why).to_owned();
                Self::new(&probe.cluster, Err(why))
            })
            .collect()
    }

    /// The windows for people, to stand behind the plan's text; empty for a plan that watches no log.
    pub fn text(windows: &[Self]) -> String {
        if windows.is_empty() {
            return String::new();
        }
        let mut text = String::from("\npredicted windows of unsent metrics\n");
        for window in windows {
            let line = match (&window.forecast, &window.unknown) {
                (Some(f), _) => f.message(),
                (None, why) => format!(
                    "{}: not known: {}",
                    window.cluster,
                    why.as_deref().unwrap_or("nobody looked")
                ),
            };
            text.push_str("  ");
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Probes of a plan that watch a log, with why one is not started.
pub fn logs(plan: &DrillPlan) -> impl Iterator<Item = (&Probe, Option<&str>)> {
    plan.probes
        .iter()
        .filter(|p| matches!(p.probe.look, Look::MetricsLog { .. }))
        .map(|p| (&p.probe, p.skipped.as_deref()))
}
