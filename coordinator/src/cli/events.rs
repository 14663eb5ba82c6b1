//! `events`: the durable log, as lines.

use super::args::Events;
use super::client::{connect, no_daemon, refused, went_away};
use super::output;
use super::position::Position;
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{EventFilter, LogEntry, SubscribeRequest, subscribe_response::Item};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tonic::Status;
use tonic::transport::Channel;

/// How often a coordinator that went away is looked for.
const AGAIN: Duration = Duration::from_secs(1);

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Human,
    Wide,
}

/// One reader of the log, over as many streams as it takes.
#[derive(Debug)]
struct Reader<'o> {
    options: &'o Events,
    form: Form,
    position: Position,
    /// Whether anything came: before that the whole request is made again.
    heard: bool,
}

/// How a stream ended.
#[derive(Debug)]
enum End {
    /// All that was asked for came, or nobody reads what is written.
    Over,
    /// The coordinator went away.
    Gone(String),
}

pub(crate) fn run(context: &Context, options: &Events) -> Result<Outcome, Failure> {
    let mut reader = Reader::new(options, context.json);
    block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        let mut said = None;
        loop {
            let mut write = |line: &str| output::write(format_args!("{line}\n"));
            let why = match reader.read(&mut client, &mut write).await? {
                End::Over => return Ok(Outcome::Done),
                End::Gone(why) if options.follow => why,
                End::Gone(why) => return Err(reader.cut_short(&why)),
            };
            // One that dies at once, again and again, is no news.
            let place = reader.position.after;
            if said.replace(place) != Some(place) {
                eprintln!("the coordinator ended ({why}); waiting for it, to go on behind revision {place}");
            }
            client = again(context).await;
        }
    })
}

/// The coordinator's next life.
async fn again(context: &Context) -> OperatorClient<Channel> {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Some(client) = connect(context).await {
            return client;
        }
    }
}

impl<'o> Reader<'o> {
    fn new(options: &'o Events, json: bool) -> Self {
        let form = match (json, options.wide) {
            (true, _) => Form::Json,
            (false, true) => Form::Wide,
            (false, false) => Form::Human,
        };
        let log_id = options.log_id.map(|id| id.0.to_vec());
        Self {
            options,
            form,
            position: Position {
                after: options.after,
                log_id: log_id.unwrap_or_default(),
            },
            heard: false,
        }
    }

    /// Reads one stream to its end.
    async fn read(
        &mut self,
        client: &mut OperatorClient<Channel>,
        write: &mut impl FnMut(&str) -> io::Result<()>,
    ) -> Result<End, Failure> {
        'streams: loop {
            let mut stream = match client.subscribe(self.request()).await {
                Ok(answer) => answer.into_inner(),
                Err(status) => return gone(&status),
            };
            let mut is_all = false;
            loop {
                let item = match stream.message().await {
                    Ok(Some(answer)) => answer.item,
                    // What was all there is ends with a bookmark; what is followed never ends.
                    Ok(None) if is_all && !self.options.follow => return Ok(End::Over),
                    Ok(None) => return Ok(End::Gone("it closed the stream".into())),
                    Err(status) => return gone(&status),
                };
                let Some(item) = item else { continue };
                is_all = matches!(item, Item::Bookmark(_));
                let from_the_start = self.options.after == 0 && !self.heard;
                self.position.moved(&item);
                if let (Item::Compacted(compacted), true) = (&item, from_the_start) {
                    // The beginning was asked for, wherever that is by now.
                    eprintln!("revisions before {} are no longer kept", compacted.oldest);
                    continue 'streams;
                }
                self.heard |= matches!(item, Item::Entry(_) | Item::Gap(_) | Item::Bookmark(_));
                let line = match self.form {
                    Form::Json => Some(line(&item)),
                    form => human(&item, form),
                };
                // A closed pipe (`| head`) is a normal end.
                if line.is_some_and(|line| write(&line).is_err()) {
                    return Ok(End::Over);
                }
                if let Some(failure) = cut_off(&item, &self.position) {
                    return Err(failure);
                }
            }
        }
    }

    fn request(&self) -> SubscribeRequest {
        let options = self.options;
        let filter = EventFilter {
            clusters: options.cluster.clone(),
            nodes: options.node.clone(),
            kinds: options.kind.clone(),
            runs: options.run.clone(),
            min_severity: options.severity.clone().unwrap_or_default(),
            text: options.grep.clone().unwrap_or_default(),
        };
        SubscribeRequest {
            follow: options.follow,
            filter: Some(filter),
            // Of the past only what was missed, once some of it came.
            tail: options.tail.filter(|_| !self.heard).unwrap_or_default(),
            ..self.position.request()
        }
    }

    /// The coordinator went away before all was told.
    fn cut_short(&self, why: &str) -> Failure {
        let message = format!(
            "the coordinator ended ({why}); all up to revision {} was told",
            self.position.after
        );
        let next = format!("coordinator events {}", self.position.options());
        Failure::new(Outcome::Partial, "DY-0115", message, next)
    }
}

/// The end of a stream that failed: a refusal is one of the command.
fn gone(status: &Status) -> Result<End, Failure> {
    if went_away(status) {
        return Ok(End::Gone(status.message().to_owned()));
    }
    Err(refused(status))
}

/// The end of a stream that did not give what was asked for, told with the way on from `position`.
pub(crate) fn cut_off(item: &Item, position: &Position) -> Option<Failure> {
    let (message, next) = match item {
        Item::Compacted(c) => (
            format!(
                "the log no longer keeps what was asked for; its oldest revision is {}",
                c.oldest
            ),
            format!("coordinator events --after {}", c.oldest.saturating_sub(1)),
        ),
        Item::TooSlow(t) => {
            let position = Position {
                after: t.last,
                ..position.clone()
            };
            (
                format!(
                    "nothing was read for too long; revision {} was the last one sent",
                    t.last
                ),
                format!("coordinator events --follow {}", position.options()),
            )
        }
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

/// One event with all that a person may look for; a run's id is whole, to be copied.
fn wide_line(value: &Value) -> String {
    let [head, kind, summary] = parts(value);
    let step: String = text(value, "step").chars().take(12).collect();
    let number = |key: &str| value[key].as_u64().map_or_else(|| "-".into(), |n| n.to_string());
    format!(
        "{head} {:<11} {kind:<20} {:<20} run {:<32} step {step:<12} attempt {:<2} seq {:<6} late {:>5} ms  {summary}",
        text(value, "class"),
        text(value, "actor"),
        text(value, "run"),
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
    use super::super::args::{Args, Command};
    use super::*;
    use crate::net::harness::{self, FakeOperator};
    use clap::Parser;
    use proto::v1::{Bookmark, Compacted, LogReset, SubscribeResponse, TooSlow};
    use tonic::transport::Endpoint;

    fn entry() -> LogEntry {
        let json = json!({"revision": 7, "time": "2026-01-01T00:00:00.000000Z", "node": "app1-cp", "kind": "step_failed",
            "class": "step", "severity": "warning", "message": "kubelet\u{1b}[31m did not start", "attempt": 2,
            "actor": "node:app1-cp", "late_by_ms": 12, "seq": 9, "run": "4f".repeat(16)});
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
            wide.contains("attempt 2")
                && wide.contains(&"4f".repeat(16))
                && wide.contains("seq 9")
                && wide.contains("late    12 ms"),
            "{wide}"
        );
    }

    #[test]
    fn what_ends_a_stream_early_is_a_failure_with_the_way_on() {
        let here = Position::behind(40);
        let slow = cut_off(&Item::TooSlow(TooSlow { last: 41 }), &here).expect("a failure");
        assert_eq!(
            (slow.code, slow.next.as_str()),
            ("DY-0115", "coordinator events --follow --after 41")
        );
        assert!(cut_off(&Item::Entry(entry()), &here).is_none());
        let gone = cut_off(&Item::Compacted(Compacted { oldest: 100 }), &here).expect("a failure");
        assert_eq!(gone.next, "coordinator events --after 99");
    }

    fn told(item: Item) -> SubscribeResponse {
        SubscribeResponse { item: Some(item) }
    }

    fn at(revision: u64) -> SubscribeResponse {
        told(Item::Entry(LogEntry { revision, ..entry() }))
    }

    fn bookmark(revision: u64) -> SubscribeResponse {
        told(Item::Bookmark(Bookmark {
            revision,
            log_id: vec![7; 16],
        }))
    }

    /// The options of such a command line.
    fn options(words: &[&str]) -> Events {
        let words = ["coordinator", "events"].iter().chain(words);
        match Args::try_parse_from(words).expect("parsed").command {
            Command::Events(options) => options,
            other => panic!("{other:?}"),
        }
    }

    /// Lets the reader read such a stream.
    async fn read(reader: &mut Reader<'_>, script: Vec<SubscribeResponse>) -> (Result<End, Failure>, usize) {
        let (mut client, server) = harness::dialled(FakeOperator {
            script: Some(script),
            ..FakeOperator::default()
        })
        .await;
        let mut lines = 0;
        let ended = reader
            .read(&mut client, &mut |_| {
                lines += 1;
                Ok(())
            })
            .await;
        server.abort();
        (ended, lines)
    }

    #[tokio::test]
    async fn all_there_is_ends_with_a_bookmark_and_what_ends_without_is_cut_short() {
        let options = options(&[]);
        let mut reader = Reader::new(&options, false);
        let (ended, lines) = read(&mut reader, vec![at(1), at(2), bookmark(3)]).await;
        assert!(
            matches!(ended, Ok(End::Over)) && lines == 2,
            "{ended:?}, {lines} lines"
        );
        let mut reader = Reader::new(&options, false);
        let (ended, _) = read(&mut reader, vec![bookmark(1), at(2)]).await;
        let Ok(End::Gone(why)) = ended else {
            panic!("{ended:?}")
        };
        let failure = reader.cut_short(&why);
        assert_eq!((failure.code, failure.outcome.code()), ("DY-0115", 5));
        let next = format!("coordinator events --after 2 --log-id {}", "07".repeat(16));
        assert_eq!(failure.next, next);
    }

    #[tokio::test]
    async fn who_follows_goes_on_behind_the_last_line_in_the_log_it_was_in() {
        let options = options(&["--follow", "--tail", "5", "--kind", "step"]);
        let mut reader = Reader::new(&options, true);
        assert_eq!(reader.request().tail, 5);
        let (ended, lines) = read(&mut reader, vec![at(8), bookmark(9), at(11)]).await;
        assert!(
            matches!(ended, Ok(End::Gone(_))) && lines == 3,
            "{ended:?}, {lines} lines"
        );
        let request = reader.request();
        assert_eq!((request.after, request.tail), (11, 0));
        assert_eq!(request.log_id, [7; 16]);
        assert_eq!(request.filter.expect("the filter").kinds, ["step"]);
        let (_, lines) = read(&mut reader, vec![at(10), at(11), at(12)]).await;
        assert_eq!((lines, reader.position.after), (1, 12), "nothing twice");
        let reset = told(Item::LogReset(LogReset { log_id: vec![8; 16] }));
        let (ended, _) = read(&mut reader, vec![reset]).await;
        assert_eq!(ended.expect_err("another log").code, "DY-0115");
    }

    #[tokio::test]
    async fn a_coordinator_that_cannot_be_heard_went_away_and_one_that_refuses_is_there() {
        let options = options(&["--follow"]);
        let mut reader = Reader::new(&options, true);
        let (mut client, server) = harness::dialled(FakeOperator::default()).await;
        let refused = reader.read(&mut client, &mut |_| Ok(())).await;
        assert_eq!(refused.expect_err("it has no script").outcome, Outcome::Internal);
        server.abort();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let endpoint = Endpoint::from_shared(address).expect("an endpoint");
        let mut client = OperatorClient::new(endpoint.connect_lazy());
        // First it hangs up on whoever calls, then nobody is there.
        let hangs_up = tokio::spawn(async move { drop(listener.accept().await) });
        for _ in 0..2 {
            let ended = reader.read(&mut client, &mut |_| Ok(())).await;
            assert!(matches!(ended, Ok(End::Gone(_))), "{ended:?}");
        }
        hangs_up.await.expect("somebody called");
    }
}
