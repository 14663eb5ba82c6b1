//! The page's server over real sockets.

use super::documents::{Sources, StatusSource};
use super::{Note, Opened, open};
use crate::journal::{Entry, Journal, MemoryJournal};
use crate::places::Places;
use crate::subscribe_grpc::Feed;
use domain::record::Record;
use futures_util::FutureExt;
use model::fact::NodeFacts;
use model::ids::{ClusterName, Digest, Incarnation, LogId, NodeName, Revision, RunId, Seq};
use model::lab::Lab;
use model::moment::Moment;
use shell::tasks::Tasks;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);
const ID: LogId = LogId([7; 16]);

struct Yard {
    opened: Opened,
    log: MemoryJournal,
    places: Arc<Places>,
    tasks: Tasks,
    home: tempfile::TempDir,
}

fn entry(record: &Record) -> Entry {
    Entry::sealed(Moment(0), record.clone().into()).expect("sealed")
}

fn served(cluster: &str) -> Record {
    Record::ClusterServed {
        cluster: ClusterName::new(cluster).expect("valid"),
    }
}

fn sources(log: &MemoryJournal, places: &Arc<Places>) -> Sources {
    let status: StatusSource = Arc::new(|| async { Some(serde_json::json!({"lab": "yard"})) }.boxed());
    let feed = Feed::new(log.reader(), &Lab::default());
    Sources::new(Arc::clone(places), feed, status)
}

impl Yard {
    fn start(entries: u64) -> Self {
        let home = tempfile::tempdir().expect("temp");
        let places = Arc::new(Places {
            home: home.path().join("home"),
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        });
        let mut log = MemoryJournal::new(ID);
        let batch: Vec<Entry> = (0..entries).map(|_| entry(&served("app1"))).collect();
        log.append(&batch).expect("appended");
        let tasks = Tasks::default();
        let opened = open(sources(&log, &places), 0, &tasks).expect("opened");
        Self {
            opened,
            log,
            places,
            tasks,
            home,
        }
    }

    /// Path of the page below its host, with the secret.
    fn path(&self, rest: &str) -> String {
        let url = self.opened.note.url();
        let (_, path) = url.split_once(&self.opened.address.to_string()).expect("a URL");
        format!("{path}{rest}")
    }

    /// Sends a request as it is, and leaves the connection.
    async fn send(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.opened.address).await.expect("connected");
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream
    }

    /// The whole answer: head and body.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (String, String) {
        let headers = format!("connection: close\r\n{headers}");
        let mut stream = self.send(method, path, &headers).await;
        let mut text = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
        read.expect("in time").expect("read");
        let text = String::from_utf8(text).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        (head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, rest: &str) -> (String, String) {
        self.ask("GET", &self.path(rest), "host: localhost\r\n").await
    }

    /// The events' stream until `enough` says so of all that came.
    async fn stream(&self, rest: &str, headers: &str, enough: impl Fn(&str) -> bool) -> String {
        let headers = format!("host: localhost\r\n{headers}");
        let mut stream = self.send("GET", &self.path(rest), &headers).await;
        read_until(&mut stream, enough).await
    }
}

async fn read_until(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !enough(&text) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        let read = read.expect("in time").expect("read");
        assert!(read > 0, "the stream ended after: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

fn ids(text: &str) -> Vec<u64> {
    let id = format!("id: {}-", hex::encode(ID.0));
    let entries = text.split("event: entry\n").skip(1);
    let numbers = entries.filter_map(|part| part.strip_prefix(&id)?.lines().next()?.parse().ok());
    numbers.collect()
}

#[tokio::test]
async fn every_answer_forbids_what_it_does_not_need() {
    let yard = Yard::start(1);
    let stranger = "host: evil.example\r\n";
    let answers = [
        yard.get("").await.0,
        yard.get("app.js").await.0,
        yard.get("style.css").await.0,
        yard.get("snapshot").await.0,
        yard.get("reports").await.0,
        yard.get("nothing").await.0,
        yard.get("events?after=x").await.0,
        yard.ask("GET", "/", "host: localhost\r\n").await.0,
        yard.ask("POST", &yard.path(""), "host: localhost\r\ncontent-length: 0\r\n")
            .await
            .0,
        yard.ask("GET", &yard.path(""), stranger).await.0,
    ];
    for head in &answers {
        for wanted in [
            "content-security-policy: default-src 'none'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(wanted), "{wanted} is not in {head}");
        }
        for bad in ["access-control-", "unsafe", "set-cookie", "http://", "https:"] {
            assert!(!head.contains(bad), "{bad} is in {head}");
        }
    }
    assert!(
        answers[0].contains("script-src 'self'") && answers[0].contains("require-trusted-types-for"),
        "{}",
        answers[0]
    );
    let statuses: Vec<&str> = answers.iter().filter_map(|head| head.get(9..12)).collect();
    assert_eq!(
        statuses,
        [
            "200", "200", "200", "200", "200", "404", "400", "404", "405", "421"
        ]
    );
}

#[tokio::test]
async fn a_refused_request_learns_nothing_and_head_has_no_body() {
    let yard = Yard::start(1);
    let wrong = format!("/{}/snapshot", "0".repeat(64));
    for (path, headers) in [
        (wrong.as_str(), "host: localhost\r\n"),
        ("/snapshot", "host: localhost\r\n"),
    ] {
        let (head, body) = yard.ask("GET", path, headers).await;
        assert!(head.starts_with("http/1.1 404"), "{head}");
        assert_eq!(body, "`coordinator web` prints the page's address\n");
    }
    let (head, body) = yard
        .ask("HEAD", &yard.path("app.js"), "host: localhost\r\n")
        .await;
    assert!(
        head.starts_with("http/1.1 200") && body.is_empty(),
        "{head}\n{body}"
    );
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_last_id_and_tells_what_is_new() {
    let mut yard = Yard::start(5);
    let three = format!("{}-3", hex::encode(ID.0));
    let last = format!("last-event-id: {three}\r\n");
    let behind = |text: &str| ids(text).len() >= 2;
    let text = yard.stream("events", &last, behind).await;
    assert_eq!(ids(&text), [4, 5]);
    // The browser's own word is newer than the address that it was given once.
    let text = yard.stream("events?after=0", &last, behind).await;
    assert_eq!(ids(&text), [4, 5]);

    let headers = "host: localhost\r\n";
    let path = yard.path(&format!("events?after={three}"));
    let mut stream = yard.send("GET", &path, headers).await;
    let text = read_until(&mut stream, |text| text.contains("event: bookmark")).await;
    assert!(
        text.contains("text/event-stream") && text.contains("retry: "),
        "{text}"
    );
    yard.log.append(&[entry(&served("mgmt"))]).expect("appended");
    let text = read_until(&mut stream, |text| {
        text.contains("event: status") && !ids(text).is_empty()
    })
    .await;
    assert_eq!(ids(&text), [6]);
    assert!(text.contains(r#""lab":"yard""#), "{text}");
}

#[tokio::test]
async fn of_the_past_comes_only_what_the_address_asks_for() {
    let mut yard = Yard::start(2);
    let sample = serde_json::json!({"record": "node", "node": "app1-cp", "event": {"incarnation": "09".repeat(16), "seq": 1,
        "time": 1, "monotonic_ms": 1, "boot": "01".repeat(16), "kind": {"kind": "health", "facts": NodeFacts::default()}}});
    let sample = Entry::new(Moment(0), sample.to_string());
    yard.log.append(std::slice::from_ref(&sample)).expect("appended");
    let path = yard.path("events?after=0&past=without-samples");
    let mut stream = yard.send("GET", &path, "host: localhost\r\n").await;
    let text = read_until(&mut stream, |text| text.contains("event: bookmark")).await;
    assert_eq!(ids(&text), [1, 2]);
    yard.log.append(&[sample]).expect("appended");
    let text = read_until(&mut stream, |text| !ids(text).is_empty()).await;
    assert_eq!(ids(&text), [4]);
    let (head, body) = yard.get("events?past=grave").await;
    assert!(
        head.contains(" 400 ") && body.contains("without-samples"),
        "{head}{body}"
    );
}

#[tokio::test]
async fn what_is_missing_is_an_event_of_its_own() {
    let mut yard = Yard::start(30);
    let gap = Record::Gap {
        node: NodeName::new("app1-cp").expect("valid"),
        incarnation: Incarnation([9; 16]),
        from: Seq(3),
        to: None,
        cause: "the buffer was full".into(),
    };
    yard.log.append(&[entry(&gap)]).expect("appended");
    let text = yard
        .stream("events?after=30", "", |text| text.contains("event: gap"))
        .await;
    assert!(
        text.contains(r#""seq_from":3,"seq_to":null"#) && text.contains("the buffer was full"),
        "{text}"
    );
    yard.log.compact(Revision(11), b"").expect("compacted");
    let text = yard
        .stream("events?after=2", "", |text| text.contains("event: compacted"))
        .await;
    assert!(text.contains(r#"data: {"oldest":11}"#), "{text}");
    let foreign = format!("events?after={}-1", "08".repeat(16));
    let text = yard
        .stream(&foreign, "", |text| text.contains("event: log_reset"))
        .await;
    assert!(text.contains(&hex::encode(ID.0)), "{text}");
    let text = yard
        .stream("events?after=32", "", |text| text.contains("event: log_reset"))
        .await;
    assert!(ids(&text).is_empty(), "{text}");
}

#[tokio::test]
async fn the_snapshot_begins_before_the_latest_run_with_a_tail_at_the_least() {
    let mut yard = Yard::start(1000);
    let from = |body: &str| {
        let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(value["status"]["lab"], "yard");
        value["log"]["from"].as_u64().expect("a number")
    };
    assert_eq!(from(&yard.get("snapshot").await.1), 500);
    let run = Record::RunStarted {
        run: RunId([1; 16]),
        through: 3,
        yes: true,
        plan_digest: Digest([2; 32]),
    };
    let mut more = vec![entry(&run)];
    more.extend((0..3000).map(|_| entry(&served("app2"))));
    yard.log.append(&more).expect("appended");
    assert_eq!(from(&yard.get("snapshot").await.1), 1000);
    yard.log.compact(Revision(3900), b"").expect("compacted");
    assert_eq!(from(&yard.get("snapshot").await.1), 3899);
}

#[tokio::test]
async fn reports_are_listed_and_shown_with_their_own_style_and_no_script() {
    let yard = Yard::start(1);
    let run = RunId([5; 16]);
    let folder = crate::drill::runs::folder(&yard.places, run);
    std::fs::create_dir_all(&folder).expect("folder");
    std::fs::write(folder.join("history.jsonl"), "{\"record\":{}}\n").expect("written");
    let (_, list) = yard.get("reports").await;
    assert!(list.contains(r#""drill":null"#), "{list}");
    let (head, _) = yard.get(&format!("reports/{run}")).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");

    let hostile = "<script>alert(1)</script>";
    let report = serde_json::json!({
        "drill": hostile, "run": run.to_string(), "verdict": "pass", "format": 1, "hypothesis": hostile,
        "from": "2026-11-25T08:00:00.000000Z", "to": "2026-11-25T08:01:00.000000Z",
        "identity": {"plan_digest": "", "lab": "yard", "host_fingerprint": "",
            "scale": {"tick_seconds": 7200, "of_seconds": 7200}, "versions": []},
        "phases": [], "measurements": [], "contracts": [], "losses": [],
    });
    std::fs::write(folder.join("report.json"), report.to_string()).expect("written");
    let parsed = serde_json::from_value::<domain::drill::report::model::Report>(report);
    parsed.expect("the test's report is one");
    let (_, list) = yard.get("reports").await;
    assert!(list.contains(r#""verdict":"pass""#), "{list}");
    let (head, body) = yard.get(&format!("reports/{run}")).await;
    assert!(
        head.starts_with("http/1.1 200") && head.contains("sandbox"),
        "{head}"
    );
    assert!(
        head.contains("style-src 'sha256-") && head.contains("frame-ancestors 'self'"),
        "{head}"
    );
    assert!(
        body.contains("&lt;script&gt;") && !body.contains("<script"),
        "{body}"
    );
}

#[tokio::test]
async fn the_address_outlives_a_restart_and_a_taken_port_is_no_end() {
    use std::os::unix::fs::PermissionsExt;
    let yard = Yard::start(1);
    let note = yard.home.path().join("home/web.json");
    let mode = std::fs::metadata(&note).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let port = yard.opened.address.port();
    let mut open_stream = yard
        .send("GET", &yard.path("events"), "host: localhost\r\n")
        .await;
    read_until(&mut open_stream, |text| text.contains("event: bookmark")).await;

    let other = Tasks::default();
    let second = open(sources(&yard.log, &yard.places), port, &other).expect("opened beside it");
    assert_ne!(second.address.port(), port);
    other.stop(PATIENCE).await.expect("the second one ends");

    let ended = yard.tasks.stop(PATIENCE).await;
    ended.expect("streams end with the daemon");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, open_stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the browser sees the end");
    let again = Tasks::default();
    let third = open(sources(&yard.log, &yard.places), port, &again).expect("opened again");
    assert_eq!(
        (third.address.port(), third.note.url()),
        (port, yard.opened.note.url())
    );
    assert_eq!(Note::read(&yard.places).expect("a note").url(), third.note.url());
    assert!(
        !format!("{third:?}").contains(&third.note.url()[25..]),
        "not for logs"
    );
    again.stop(PATIENCE).await.expect("the third one ends");
}
