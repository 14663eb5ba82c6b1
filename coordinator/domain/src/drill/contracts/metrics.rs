//! C2: whether what the metrics agents held back was delivered.

use super::{Case, evidence};
use crate::drill::history::Sample;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;

/// Begin of the agent's process: another one means a restart, which forgets the backlog.
const BEGAN: &str = "process_start_time_seconds";
/// Newest sample that was sent.
const SENT: &str = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds";

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for watch in &case.watches {
        let name = &watch.probe.name;
        let value = |s: &Sample, what: &str| s.values.get(what).copied();
        let during: Vec<&Sample> = watch
            .that_matter(case.window)
            .filter(|s| !s.values.is_empty())
            .collect();
        let first = during.first().and_then(|s| value(s, BEGAN));
        let restarted = during
            .iter()
            .find(|s| value(s, BEGAN).is_some_and(|b| Some(b) != first));
        if let Some(sample) = restarted {
            let text = format!(
                "{name}: the agent restarted before {}, and a restart forgets the backlog",
                sample.due
            );
            found.push(evidence("no_restart", Verdict::Fail, text));
        }
        let (Some(before), Some(after)) = (during.first(), during.last()) else {
            found.push(evidence(
                "delivered",
                Verdict::Inconclusive,
                format!("{name}: the agent never answered"),
            ));
            continue;
        };
        let delivered = value(after, SENT) > value(before, SENT);
        let (verdict, what) = if delivered {
            (Verdict::Pass, "sends again after the outage")
        } else {
            (Verdict::Fail, "has not sent anything since the outage")
        };
        found.push(evidence("delivering", verdict, format!("{name}: {what}")));
        found.push(evidence(
            "ledger",
            Verdict::Inconclusive,
            format!("{name}: no canary was counted at the receiver"),
        ));
    }
    found
}
