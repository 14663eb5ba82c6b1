//! `events`: the durable log, as lines.

use super::args::Events;
use super::client::{connect, no_daemon, refused};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use proto::v1::{EventFilter, LogEntry, SubscribeRequest, subscribe_response::Item};
use serde_json::{Value, json};
use std::io::Write;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Human,
    Wide,
}

pub(crate) fn run(context: &Context, options: &Events) -> Result<Outcome, Failure> {
    let form = match (context.json, options.wide) {
        (true, _) => Form::Json,
        (false, true) => Form::Wide,
        (false, false) => Form::Human,
    };
    block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        let mut stream = client
            .subscribe(request(options, options.after))
            .await
            .map_err(|s| refused(&s))?
            .into_inner();
        while let Some(answer) = stream.message().await.map_err(|s| refused(&s))? {
            let Some(item) = answer.item else { continue };
            if let (Item::Compacted(compacted), 0) = (&item, options.after) {
                // The beginning was asked for, wherever that is by now.
                eprintln!("revisions before {} are no longer kept", compacted.oldest);
                let again = client.subscribe(request(options, compacted.oldest.saturating_sub(1)));
                stream = again.await.map_err(|s| refused(&s))?.into_inner();
                continue;
            }
            let mut out = std::io::stdout().lock();
            let written = match form {
                Form::Json => writeln!(out, "{}", line(&item)),
                form => human(&item, form).map_or(Ok(()), |t| writeln!(out, "{t}")),
            };
            // A closed pipe (`| head`) is a normal end.
            if written.and_then(|()| out.flush()).is_err() {
                break;
            }
            if let Some(failure) = cut_off(&item) {
                return Err(failure);
            }
        }
        Ok(Outcome::Done)
    })
}

fn request(options: &Events, after: u64) -> SubscribeRequest {
    let filter = EventFilter {
        clusters: options.cluster.clone(),
        nodes: options.node.clone(),
        kinds: options.kind.clone(),
        runs: options.run.clone(),
        min_severity: options.severity.clone().unwrap_or_default(),
        text: options.grep.clone().unwrap_or_default(),
    };
    SubscribeRequest {
        after,
        follow: options.follow,
        filter: Some(filter),
        tail: options.tail.unwrap_or_default(),
        ..SubscribeRequest::default()
    }
}

/// The end of a stream that did not give what was asked for.
fn cut_off(item: &Item) -> Option<Failure> {
    let (message, next) = match item {
        Item::Compacted(c) => (
            format!(
                "the log no longer keeps what was asked for; its oldest revision is {}",
                c.oldest
            ),
            format!("coordinator events --after {}", c.oldest.saturating_sub(1)),
        ),
        Item::TooSlow(t) => (
            format!(
                "nothing was read for too long; revision {} was the last one sent",
                t.last
            ),
            format!("coordinator events --follow --after {}", t.last),
        ),
        Item::LogReset(_) => (
            "the log does not have that revision: it is another one now, or ends before it".into(),
            "coordinator events --after 0".into(),
        ),
        Item::Entry(_) | Item::Bookmark(_) | Item::Gap(_) => return None,
    };
    Some(Failure::new(Outcome::Partial, "DY-0115", message, next))
}

/// One item as one JSON line.
pub(crate) fn line(item: &Item) -> String {
    let entry = |entry: &LogEntry| String::from_utf8_lossy(&entry.json).into_owned();
    match item {
        Item::Entry(e) => entry(e),
        Item::Gap(g) => g.entry.as_ref().map(entry).unwrap_or_default(),
        Item::Bookmark(b) => {
            json!({"kind": "bookmark", "revision": b.revision, "log_id": hex::encode(&b.log_id)}).to_string()
        }
        Item::Compacted(c) => json!({"kind": "compacted", "oldest": c.oldest}).to_string(),
        Item::TooSlow(t) => json!({"kind": "too_slow", "last": t.last}).to_string(),
        Item::LogReset(r) => json!({"kind": "log_reset", "log_id": hex::encode(&r.log_id)}).to_string(),
    }
}

/// One item for people; bookmarks say nothing to them, and what ends the stream is told as the command's failure.
fn human(item: &Item, form: Form) -> Option<String> {
    let entry = match item {
        Item::Entry(entry) => entry,
        Item::Gap(gap) => gap.entry.as_ref()?,
        _ => return None,
    };
    let value: Value = serde_json::from_slice(&entry.json).ok()?;
    Some(if form == Form::Wide {
        wide_line(&value)
    } else {
        human_line(&value)
    })
}

/// One event for people.
pub(crate) fn human_line(value: &Value) -> String {
    let [head, kind, summary] = parts(value);
    format!("{head} {kind:<20} {summary}")
}

/// One event with all that a person may look for.
fn wide_line(value: &Value) -> String {
    let [head, kind, summary] = parts(value);
    let short = |key: &str| text(value, key).chars().take(12).collect::<String>();
    let number = |key: &str| value[key].as_u64().map_or_else(|| "-".into(), |n| n.to_string());
    format!(
        "{head} {:<11} {kind:<20} {:<20} run {:<12} step {:<12} attempt {:<2} seq {:<6} late {:>5} ms  {summary}",
        text(value, "class"),
        text(value, "actor"),
        short("run"),
        short("step"),
        number("attempt"),
        number("seq"),
        number("late_by_ms"),
    )
}

/// Revision, time, severity and place; kind; message.
fn parts(value: &Value) -> [String; 3] {
    let place = match (text(value, "node"), text(value, "cluster")) {
        (node, _) if !node.is_empty() => node,
        (_, cluster) if !cluster.is_empty() => cluster,
        _ => "-".into(),
    };
    let mark = match text(value, "severity").as_str() {
        "error" => "E",
        "warning" => "W",
        _ => " ",
    };
    let (revision, time) = (value["revision"].to_string(), text(value, "time"));
    [
        format!("{revision:>7} {time} {mark} {place:<12}"),
        text(value, "kind"),
        text(value, "message"),
    ]
}

/// A field as text, without control characters.
fn text(value: &Value, key: &str) -> String {
    let text = value[key].as_str().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> LogEntry {
        let json = json!({"revision": 7, "time": "2026-01-01T00:00:00.000000Z", "node": "app1-cp", "kind": "step_failed",
            "class": "step", "severity": "warning", "message": "kubelet\u{1b}[31m did not start", "attempt": 2,
            "actor": "node:app1-cp", "late_by_ms": 12, "seq": 9});
        LogEntry {
            revision: 7,
            json: json.to_string().into(),
            meta: None,
        }
    }

    #[test]
    fn people_see_place_kind_and_severity_and_no_control_characters() {
        let short = human(&Item::Entry(entry()), Form::Human).expect("a line");
        assert!(
            short.contains(" W app1-cp ") && short.contains("step_failed"),
            "{short}"
        );
        assert!(!short.contains('\u{1b}'), "{short}");
        let wide = human(&Item::Entry(entry()), Form::Wide).expect("a line");
        assert!(
            wide.contains("attempt 2") && wide.contains("seq 9") && wide.contains("late    12 ms"),
            "{wide}"
        );
    }

    #[test]
    fn what_ends_a_stream_early_is_a_failure_with_the_way_on() {
        let slow = cut_off(&Item::TooSlow(proto::v1::TooSlow { last: 41 })).expect("a failure");
        assert_eq!(
            (slow.code, slow.next.as_str()),
            ("DY-0115", "coordinator events --follow --after 41")
        );
        assert!(cut_off(&Item::Entry(entry())).is_none());
        let gone = cut_off(&Item::Compacted(proto::v1::Compacted { oldest: 100 })).expect("a failure");
        assert_eq!(gone.next, "coordinator events --after 99");
    }
}
