//! What a plan foretells of an outage, from one look at the intact lab: unsent metrics, synced Secrets, unshipped logs.

mod logs;
mod refusals;
mod secrets;
mod shipped;

pub use logs::{LogRoom, PlannedLog};
pub use secrets::{PlannedStaleness, ages};
pub use shipped::{Shipped, shipped};

use super::backlog::PlannedWindow;
use super::plan::DrillPlan;
use serde::Serialize;
use serde_json::{Value, json};

/// All of it; a plan that watches nothing of a kind has none of that kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Foresight {
    /// Of each metrics agent's log.
    pub windows: Vec<PlannedWindow>,
    /// Of each synced Secret.
    pub secrets: Vec<PlannedStaleness>,
    /// Of each cluster's log shipper.
    pub logs: Vec<PlannedLog>,
}

impl Foresight {
    /// Of a plan whose lab nobody can look at, for this reason: what the plan itself says is there all the same.
    pub fn unseen(plan: &DrillPlan, why: &str) -> Self {
        let mut secrets = PlannedStaleness::own(plan);
        let unseen =
            |(probe, skipped): (_, Option<&str>)| PlannedStaleness::unknown(probe, skipped.unwrap_or(why));
        secrets.extend(ages(plan).map(unseen));
        let log = |one: Shipped<'_>| {
            let why = one.skipped.unwrap_or(why).to_owned();
            PlannedLog::new(&one.stored.cluster, Err(why))
        };
        Self {
            windows: PlannedWindow::unseen(plan, why),
            secrets,
            logs: shipped(plan).map(log).collect(),
        }
    }

    /// The plan with all of it: `digest`, `text` for people, `plan`, and the foretold `windows`, `secrets` and `logs`.
    pub fn document(&self, plan: &DrillPlan) -> Value {
        let text = plan.to_text() + &self.text(plan);
        json!({
            "digest": plan.digest,
            "text": text,
            "windows": self.windows,
            "secrets": self.secrets,
            "logs": self.logs,
            "plan": plan,
        })
    }

    /// For people, to stand behind the plan's text.
    pub fn text(&self, plan: &DrillPlan) -> String {
        let outage = plan.scenario.phases.observe_seconds;
        let secrets = self.secrets.iter().map(PlannedStaleness::message);
        let logs = self.logs.iter().map(PlannedLog::message);
        let refusals = refusals::refusals(plan, &self.windows);
        PlannedWindow::text(&self.windows)
            + &section(
                "abort rules that keep the outage from beginning",
                refusals.into_iter(),
            )
            + &section(
                &format!("predicted age of Secrets whose source is away for the whole outage of {outage} s"),
                secrets,
            )
            + &section("predicted windows of unshipped logs", logs)
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str("  ");
        text.push_str(&line);
        text.push('\n');
    }
    if text.is_empty() {
        return text;
    }
    format!("\n{title}\n{text}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_kind_that_is_not_watched_has_no_section() {
        assert_eq!(super::section("title", std::iter::empty()), "");
        assert_eq!(
            super::section("title", std::iter::once("a".into())),
            "\ntitle\n  a\n"
        );
    }
}
