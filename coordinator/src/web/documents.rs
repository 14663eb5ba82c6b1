//! What the page begins with, and what it asks for beside the stream: the snapshot, the status, the drill reports.

use super::answer::{self, Body, json, words};
use crate::clock;
use crate::drill::runs;
use crate::journal::{Entry, JournalError, JournalReader};
use crate::places::Places;
use crate::subscribe_grpc::Feed;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::drill::report::html;
use domain::drill::report::model::Report;
use domain::record::Record;
use futures_util::future::BoxFuture;
use http::header::HeaderValue;
use http::{Response, StatusCode};
use model::ids::{Revision, RunId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Makes the status document; None when the coordinator ends.
pub type StatusSource = Arc<dyn Fn() -> BoxFuture<'static, Option<Value>> + Send + Sync>;

/// How far back the snapshot looks for the begin of the latest run: six nodes make about as many samples in a day.
const LOOK_BACK: u64 = 100_000;

/// Events of the past that the page shows at the least.
const TAIL: u64 = 500;

/// Entries read at once.
const BATCH: usize = 1024;

/// How old a status may be: it is asked for by every page each second, and each answer asks the API servers.
const FRESH: Duration = Duration::from_millis(900);

/// Most reports that are listed.
const REPORTS: usize = 100;

/// Where the page's data comes from.
#[derive(Clone)]
pub struct Sources {
    places: Arc<Places>,
    feed: Feed,
    status: StatusSource,
    latest: Arc<Mutex<Option<(Instant, Value)>>>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// Reads only: the log, the folders and what `status` answers.
    pub fn new(places: Arc<Places>, feed: Feed, status: StatusSource) -> Self {
        Self {
            places,
            feed,
            status,
            latest: Arc::default(),
        }
    }

    pub(super) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(super) fn log(&self) -> &JournalReader {
        self.feed.log()
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// `{"now", "status"}`; however many pages ask, it is made once a second.
    pub(super) async fn status(&self) -> Option<Value> {
        let mut latest = self.latest.lock().await;
        if let Some((at, status)) = latest.as_ref()
            && at.elapsed() < FRESH
        {
            return Some(status.clone());
        }
        let status = json!({"status": (self.status)().await?, "now": clock::now().to_string()});
        *latest = Some((Instant::now(), status.clone()));
        Some(status)
    }

    /// The status, and from where the stream is to be read so that the page has the latest run whole.
    pub(super) async fn snapshot(&self) -> Response<Body> {
        let log = self.log().clone();
        let looked = tokio::task::spawn_blocking(move || begin(&log)).await;
        let (Ok(Ok(from)), Some(mut document)) = (looked, self.status().await) else {
            return words(StatusCode::SERVICE_UNAVAILABLE, "the coordinator is ending");
        };
        document["log"] = json!({
            "id": hex::encode(self.log().log_id().0),
            "oldest": self.log().oldest(),
            "head": self.log().head(),
            "from": from,
        });
        json(document.to_string())
    }

    /// All drill runs, the latest first.
    pub(super) async fn reports(&self) -> Response<Body> {
        let places = Arc::clone(&self.places);
        match tokio::task::spawn_blocking(move || list(&places)).await {
            Ok(Ok(list)) => json(Value::from(list).to_string()),
            _ => words(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the drills' folder cannot be read",
            ),
        }
    }

    /// One report as its HTML.
    pub(super) async fn report(&self, run: &str) -> Response<Body> {
        let (Ok(run), places) = (RunId::parse(run), Arc::clone(&self.places)) else {
            return words(StatusCode::NOT_FOUND, "there is no such run");
        };
        let rendered =
            tokio::task::spawn_blocking(move || load(&places, run).map(|r| html::render(&r))).await;
        match rendered {
            Ok(Some(text)) => match policy(&text) {
                Some(policy) => answer::whole(
                    StatusCode::OK,
                    "text/html; charset=utf-8",
                    policy,
                    Bytes::from(text),
                ),
                None => words(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the report has no style of ours",
                ),
            },
            _ => words(StatusCode::NOT_FOUND, "this run has no report yet"),
        }
    }
}

/// The revision behind which the latest run begins, with a tail of events at the least.
fn begin(log: &JournalReader) -> Result<Revision, JournalError> {
    let head = log.head();
    let floor = Revision(
        log.oldest()
            .0
            .saturating_sub(1)
            .max(head.0.saturating_sub(LOOK_BACK)),
    );
    let mut found = None;
    let mut after = floor;
    while after < head {
        let entries = log.read(after, BATCH)?;
        let Some((last, _)) = entries.last() else { break };
        after = *last;
        for (revision, entry) in entries {
            if is_run_start(&entry) {
                found = Some(Revision(revision.0.saturating_sub(1)));
            }
        }
    }
    let tail = Revision(head.0.saturating_sub(TAIL)).max(floor);
    Ok(found.map_or(tail, |run| run.min(tail)))
}

/// Most entries are samples: only what has the word in it is parsed.
fn is_run_start(entry: &Entry) -> bool {
    let word = b"run_started";
    entry.json.windows(word.len()).any(|at| at == word)
        && matches!(entry.record().as_deref(), Ok(Record::RunStarted { .. }))
}

fn list(places: &Places) -> std::io::Result<Vec<Value>> {
    let all = runs::list(places)?;
    let one = |run: &RunId| match load(places, *run) {
        Some(report) => json!({
            "run": run.to_string(),
            "drill": report.drill,
            "verdict": report.verdict,
            "label": report.label,
            "from": report.from.to_string(),
            "to": report.to.to_string(),
            "contracts": report.contracts.iter().map(|c| json!({"id": c.id, "verdict": c.verdict})).collect::<Vec<_>>(),
        }),
        None => json!({"run": run.to_string(), "drill": null}),
    };
    Ok(all.iter().rev().take(REPORTS).map(one).collect())
}

fn load(places: &Places, run: RunId) -> Option<Report> {
    runs::report(places, run).ok()
}

/// A report may have its one style, found by its digest, and be framed by the page. No script runs in it.
fn policy(report: &str) -> Option<HeaderValue> {
    let (_, rest) = report.split_once("<style>")?;
    let (style, _) = rest.split_once("</style>")?;
    let digest = BASE64_STANDARD.encode(Sha256::digest(style.as_bytes()));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'self'; sandbox"
    );
    HeaderValue::from_str(&text).ok()
}
