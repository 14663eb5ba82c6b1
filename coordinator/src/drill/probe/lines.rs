//! The canary's log at its far end: what the log store has of the lines that the canary wrote, by the store's query API.

use super::Seen;
use super::canary::line;
use super::store::{NodePort, Store};
use crate::drill::timeline::Timeline;
use domain::drill::arrival::STORED_UNTIL;
use domain::drill::assemble::LOG;
use model::ids::ClusterName;
use serde_json::Value;
use std::time::Duration;

/// What the log store has of one cluster's canary.
#[derive(Debug)]
pub struct LinesWatch {
    /// The log store.
    pub(super) store: Store,
    /// See [`LinesWatch::selector`].
    pub(super) selector: String,
    /// How old the newest line may be.
    pub(super) fresh: Duration,
}

impl LinesWatch {
    /// The canary's stream in LogsQL.
    pub(super) fn selector(cluster: &ClusterName, container: &str) -> String {
        format!(
            "{{cluster={cluster:?},\"k8s.container.name\"={container:?}}}",
            cluster = cluster.as_str()
        )
    }

    /// Looks at the newest line. Good when it is young enough.
    pub(super) async fn look(&self, timeline: Timeline) -> Seen {
        let now = || timeline.unix_seconds();
        newest(&self.store.outside, &self.selector, self.fresh, now).await
    }

    /// Every line that the store has of the last `range`, as figures `log/NUMBER` with how often it is there.
    pub async fn numbers(&self, range: Duration) -> Seen {
        match self.store.all(&all(&self.selector, range)).await {
            Ok(text) => numbers(&text),
            Err(error) => Seen::bad(error),
        }
    }
}

/// One instant look at the store. Lines come in the order in which they were written: the shipper sends one batch at a time, and
/// the store finds them in the order in which it took them. So what is older than the newest line has arrived, or never will.
async fn newest(store: &NodePort, selector: &str, fresh: Duration, now: impl FnOnce() -> f64) -> Seen {
    let query = format!("{selector} _time:5m | sort by (_time desc) limit 1 | fields _msg");
    let text = match store.get(&path(&query)).await {
        Ok(text) => text,
        Err(why) => return Seen::bad(why),
    };
    let Some(lines) = messages(&text) else {
        return Seen::bad("the answer is no list of lines");
    };
    // The canary's own time, to the microsecond, and not the one at which its line was written down.
    let newest = lines.iter().find_map(|text| line(text));
    let until = newest.map(|(_, micros)| micros / 1e6);
    match until {
        None => Seen::bad("it has no line of the last five minutes").with(STORED_UNTIL, 0.0),
        Some(until) => {
            let age = now() - until;
            let seen = if age <= fresh.as_secs_f64() {
                Seen::good()
            } else {
                Seen::bad(format!("the newest line is {age:.1} s old"))
            };
            seen.with(STORED_UNTIL, until)
        }
    }
}

/// Path of a query for every line of the last `range`.
fn all(selector: &str, range: Duration) -> String {
    path(&format!(
        "{selector} _time:{}s | fields _msg",
        range.as_secs().max(1)
    ))
}

fn path(query: &str) -> String {
    format!("/select/logsql/query?query={}", super::prepare::percent(query))
}

/// Messages of an answer, one JSON object a line; None when it is something else.
fn messages(text: &str) -> Option<Vec<String>> {
    let message = |line: &str| {
        let object: Value = serde_json::from_str(line).ok()?;
        Some(object["_msg"].as_str()?.to_owned())
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(message)
        .collect()
}

/// Of an answer with every line.
fn numbers(text: &str) -> Seen {
    let Some(lines) = messages(text) else {
        return Seen::bad("the answer is no list of lines");
    };
    let mut seen = Seen::good();
    for (number, _) in lines.iter().filter_map(|text| line(text)) {
        // A line that is there twice counts twice.
        *seen.values.entry(format!("{LOG}/{number}")).or_insert(0.0) += 1.0;
    }
    seen
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
