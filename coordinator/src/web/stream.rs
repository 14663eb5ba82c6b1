//! The live stream: the log's subscription as server-sent events, and the status once a second.
//!
//! Every record's id is its place in the log, so that a browser that comes back (`Last-Event-ID`) goes on exactly there.
//! What is missing is an event of its own: `gap`, `compacted`, `too_slow`, `log_reset`.

use super::answer::{Body, NOTHING, with_headers, words};
use super::cursor::{Cursor, parameter};
use super::documents::Sources;
use crate::subscribe_grpc::{Items, Pace, Sent, Subscription};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use proto::v1::SubscribeRequest;
use proto::v1::subscribe_response::Item;
use serde_json::{Value, json};
use shell::tasks::Tasks;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Frames under way to one page; the rest waits in the log.
const UNDER_WAY: usize = 64;

/// How often the status is sent.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// What a browser waits before it tries again, milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The page went, or there is nothing more to tell.
    Over,
    /// It took nothing for too long.
    Stalled,
}

/// Answers with the stream; it ends when the page goes, when it takes nothing for too long, or with the daemon. A page that takes
/// nothing does not see that end either: `cut` is cancelled, which must end its connection.
pub(super) fn stream(
    request: &Parts,
    sources: &Sources,
    tasks: &Tasks,
    cut: CancellationToken,
) -> Response<Body> {
    let last = request
        .headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or("?"));
    let Some(cursor) = Cursor::of(last, request.uri.query()) else {
        let text = "`after` and Last-Event-ID are LOG-REVISION, as the stream's ids are, or a revision";
        return words(StatusCode::BAD_REQUEST, text);
    };
    let past_without_samples = match parameter(request.uri.query(), "past") {
        None => false,
        Some("without-samples") => true,
        Some(_) => return words(StatusCode::BAD_REQUEST, "`past` can be `without-samples`"),
    };
    let wanted = SubscribeRequest {
        log_id: cursor.log_id,
        after: cursor.after.0,
        follow: true,
        past_without_samples,
        ..SubscribeRequest::default()
    };
    let pace = Pace::default();
    let subscription = match Subscription::new(sources.feed().clone(), wanted, pace) {
        Ok(subscription) => subscription,
        Err(invalid) => return words(StatusCode::BAD_REQUEST, &invalid.to_string()),
    };
    let (outlet, taken) = Subscription::channel();
    let (frames, body) = mpsc::channel(UNDER_WAY);
    let token = tasks.token().clone();
    let feed = feed(sources.clone(), taken, frames, pace.stall_limit);
    tasks.spawn("web stream", async move {
        // Both end together: the feed drops the items' receiver, the subscription its sender.
        let both = async { tokio::join!(subscription.run(outlet), feed) };
        if let Some(((), End::Stalled)) = token.run_until_cancelled(both).await {
            cut.cancel();
        }
    });
    let body =
        ReceiverStream::new(body).map(|text: String| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
    with_headers(
        StatusCode::OK,
        "text/event-stream",
        HeaderValue::from_static(NOTHING),
        StreamBody::new(body).boxed_unsync(),
    )
}

async fn feed(sources: Sources, items: Items, frames: mpsc::Sender<String>, limit: Duration) -> End {
    if frames.send(RETRY.to_owned()).await.is_err() {
        return End::Over;
    }
    // Beside each other: a status may take as long as an API server needs to answer, and holds no event back.
    tokio::select! {
        () = frames.closed() => End::Over,
        end = entries(&sources, items, &frames, limit) => end,
        end = statuses(&sources, &frames, limit) => end,
    }
}

async fn entries(sources: &Sources, mut items: Items, frames: &mpsc::Sender<String>, limit: Duration) -> End {
    let log_id = sources.log().log_id().0;
    while let Some(sent) = items.recv().await {
        match tokio::time::timeout(limit, frames.send(frame(&log_id, &sent))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Over,
            Err(_) => return End::Stalled,
        }
    }
    End::Over
}

async fn statuses(sources: &Sources, frames: &mpsc::Sender<String>, limit: Duration) -> End {
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(status) = sources.status().await else {
            return End::Over;
        };
        // A page that does not keep up gets the next one, once it has taken something. With no events this alone tells a stall.
        let sent = frames.try_send(event("status", None, &status.to_string()));
        if sent.is_err() && tokio::time::timeout(limit, frames.reserve()).await.is_err() {
            return End::Stalled;
        }
    }
}

/// One item as an event. JSON has no line breaks outside of strings, and none unescaped in them.
fn frame(log_id: &[u8], sent: &Sent) -> String {
    let id = |revision| Some(Cursor::id(log_id, revision));
    let item = match sent {
        Ok(response) => response.item.as_ref(),
        Err(status) => return event("failure", None, &json!({"message": status.message()}).to_string()),
    };
    match item {
        Some(Item::Entry(entry)) => event("entry", id(entry.revision), &String::from_utf8_lossy(&entry.json)),
        Some(Item::Gap(gap)) => {
            let entry: Value = gap
                .entry
                .as_ref()
                .and_then(|entry| serde_json::from_slice(&entry.json).ok())
                .unwrap_or_default();
            let data = json!({
                "node": gap.node,
                "seq_from": gap.seq_from,
                "seq_to": (gap.seq_to != u64::MAX).then_some(gap.seq_to),
                "cause": gap.cause,
                "entry": entry,
            });
            event("gap", id(gap.revision), &data.to_string())
        }
        Some(Item::Bookmark(mark)) => {
            let data = json!({"revision": mark.revision});
            event("bookmark", id(mark.revision), &data.to_string())
        }
        Some(Item::Compacted(compacted)) => event(
            "compacted",
            None,
            &json!({"oldest": compacted.oldest}).to_string(),
        ),
        Some(Item::TooSlow(slow)) => {
            event("too_slow", id(slow.last), &json!({"last": slow.last}).to_string())
        }
        Some(Item::LogReset(reset)) => event(
            "log_reset",
            None,
            &json!({"log_id": hex::encode(&reset.log_id)}).to_string(),
        ),
        None => ": an item of a later release\n\n".to_owned(),
    }
}

fn event(name: &str, id: Option<String>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
