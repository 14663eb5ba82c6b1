//! `events`: the durable log, as lines.

use super::args::Events;
use super::client::{connect, no_daemon, refused};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use proto::v1::{SubscribeRequest, subscribe_response::Item};
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(context: &Context, options: &Events) -> Result<Outcome, Failure> {
    block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        let request = SubscribeRequest {
            log_id: Vec::new(),
            after: options.after,
            follow: options.follow,
        };
        let mut stream = client
            .subscribe(request)
            .await
            .map_err(|s| refused(&s))?
            .into_inner();
        while let Some(answer) = stream.message().await.map_err(|s| refused(&s))? {
            let Some(item) = answer.item else { continue };
            let mut out = std::io::stdout().lock();
            let written = if context.json {
                writeln!(out, "{}", line(&item))
            } else {
                human(&item).map_or(Ok(()), |t| writeln!(out, "{t}"))
            };
            // A closed pipe (`| head`) is a normal end.
            if written.and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        Ok(Outcome::Done)
    })
}

/// One item as one JSON line.
pub(crate) fn line(item: &Item) -> String {
    match item {
        Item::Entry(entry) => String::from_utf8_lossy(&entry.json).into_owned(),
        Item::Bookmark(b) => json!({"kind": "bookmark", "revision": b.revision}).to_string(),
        Item::Gap(g) => json!({"kind": "gap", "revision": g.revision, "node": g.node, "seq_from": g.seq_from, "seq_to": g.seq_to, "cause": g.cause}).to_string(),
        Item::Compacted(c) => json!({"kind": "compacted", "oldest": c.oldest}).to_string(),
        Item::TooSlow(t) => json!({"kind": "too_slow", "last": t.last}).to_string(),
        Item::LogReset(_) => json!({"kind": "log_reset"}).to_string(),
    }
}

/// One item for people; bookmarks say nothing to them.
fn human(item: &Item) -> Option<String> {
    let Item::Entry(entry) = item else {
        return (!matches!(item, Item::Bookmark(_))).then(|| line(item));
    };
    let value: Value = serde_json::from_slice(&entry.json).ok()?;
    Some(human_line(&value))
}

/// One event for people.
pub(crate) fn human_line(value: &Value) -> String {
    let text = |key: &str| value[key].as_str().unwrap_or("").to_owned();
    let place = match (text("node"), text("cluster")) {
        (node, _) if !node.is_empty() => node,
        (_, cluster) if !cluster.is_empty() => cluster,
        _ => "-".into(),
    };
    let summary: String = text("message").chars().filter(|c| !c.is_control()).collect();
    format!(
        "{:>7} {} {:<12} {:<20} {}",
        value["revision"],
        text("time"),
        place,
        text("kind"),
        summary
    )
}
