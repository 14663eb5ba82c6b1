//! What goes into a bundle: from the daemon when it answers, else from the durable log on disk, of which a copy is read.

use super::archive::{Files, Manifest};
use super::{FORMAT, Scrubber, host};
use crate::engine::Engine;
use crate::envelope::Stamper;
use crate::exit::chain;
use crate::files::open_private;
use crate::journal::{HomeLock, Journal, RedbJournal};
use crate::places::Places;
use crate::projection::Projection;
use crate::{certs, clock, plan_store, run_report};
use domain::status::Observed;
use http_body_util::BodyExt;
use model::ids::{LogId, Revision};
use model::lab::Lab;
use model::node_log::NodeLog;
use proto::convert;
use proto::v1::operator_client::OperatorClient;
use proto::v1::{
    GetRunReportRequest, GetStatusRequest, NodeLog as Told, ReadNodeLogsRequest, SubscribeRequest,
    subscribe_response::Item,
};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;
use tonic::transport::Channel;

/// Newest events that are taken; the manifest says when there are older ones.
const EVENTS: u64 = 50_000;

/// Bytes of the daemon's log that are taken, from its end.
const LOG_BYTES: usize = 1024 * 1024;

/// Longest wait for the logs of all nodes; the daemon itself gives up earlier and says why.
const LOGS: Duration = Duration::from_secs(75);

/// Largest status or report that is taken from the daemon.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Everything that was found, before secrets are taken out.
#[derive(Debug)]
pub struct Gathered {
    files: Files,
    missing: Vec<String>,
    source: &'static str,
}

/// First line of a log whose older lines were left out.
const OLDER: &str = "[older lines are left out]\n";

/// The file of one log of one node.
pub fn log_name(node: &str, log: NodeLog) -> String {
    let extension = if log == NodeLog::Facts { "json" } else { "log" };
    format!("{node}.{}.{extension}", log.name())
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Gathered {
    fn begin(lab: &Lab, places: &Places, source: &'static str) -> Self {
        let mut gathered = Self {
            files: Files::new(),
            missing: Vec::new(),
            source,
        };
        gathered.json("host.json", &host::facts(places, lab.name.as_str()));
        gathered.put("lab.yaml", lab.to_yaml());
        let versions =
            serde_json::json!({"coordinator": env!("CARGO_PKG_VERSION"), "versions": lab.versions});
        gathered.json("versions.json", &versions);
        let seen = certs::files(lab, places);
        let horizon = domain::certs::horizon(seen.certificates, seen.unseen, clock::now(), None);
        gathered.json("certs.json", &serde_json::json!(horizon));
        match std::fs::read(places.home.join("coordinator.log")) {
            Ok(log) => {
                let from = log.len().saturating_sub(LOG_BYTES);
                let text = String::from_utf8_lossy(log.get(from..).unwrap_or_default());
                gathered.put("coordinator.log", model::redact::clean(&text));
            }
            Err(error) => gathered.miss("coordinator.log", &error),
        }
        gathered
    }

    fn put(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), content.into());
    }

    fn json(&mut self, name: &str, value: &serde_json::Value) {
        self.put(name, value.to_string());
    }

    fn miss(&mut self, what: &str, why: &(dyn std::error::Error + 'static)) {
        self.missing.push(format!("{what}: {}", chain(why)));
    }

    /// The plan that was stored last.
    fn plan(&mut self, places: &Places) {
        let files = std::fs::read_dir(places.home.join("plans"));
        let newest = files
            .into_iter()
            .flatten()
            .flatten()
            .max_by_key(|file| file.metadata().and_then(|m| m.modified()).ok());
        let Some(newest) = newest else {
            self.missing.push("plan.json: no plan was made yet".into());
            return;
        };
        match std::fs::read(newest.path()) {
            Ok(plan) => self.put("plan.json", plan),
            Err(error) => self.miss("plan.json", &error),
        }
    }

    /// The files without secrets, and the manifest without its list of files.
    pub fn finish(mut self, lab: &Lab, scrubber: &Scrubber) -> (Manifest, Files) {
        let redactions = self
            .files
            .values_mut()
            .map(|content| scrubber.scrub(content))
            .sum();
        let manifest = Manifest {
            format: FORMAT,
            made: clock::now(),
            lab: lab.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.source.to_owned(),
            missing: self.missing,
            redactions,
            files: Vec::new(),
        };
        (manifest, self.files)
    }
}

/// Asks the daemon behind `channel`. What it does not answer is missing, and the bundle says so.
pub async fn from_daemon(lab: &Lab, places: &Places, channel: Channel) -> Gathered {
    let mut gathered = Gathered::begin(lab, places, "daemon");
    let mut client = OperatorClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
    match client.get_status(GetStatusRequest {}).await {
        Ok(answer) => gathered.put("status.json", answer.into_inner().status_json),
        Err(error) => gathered.miss("status.json", &error),
    }
    match client.get_run_report(GetRunReportRequest::default()).await {
        Ok(answer) => {
            let report = answer.into_inner();
            gathered.put("report.json", report.report_json);
            gathered.put("report.txt", report.text);
        }
        Err(error) => gathered.miss("report.json", &error),
    }
    match events(&mut client, EVENTS).await {
        Ok(lines) => gathered.events(lines, places),
        Err(error) => gathered.miss("events.jsonl", error.as_ref()),
    }
    match scrape(channel).await {
        Ok(text) => gathered.put("metrics.txt", text),
        Err(error) => gathered.miss("metrics.txt", error.as_ref()),
    }
    match tokio::time::timeout(LOGS, gathered.logs(&mut client)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => gathered.miss("logs of nodes", error.as_ref()),
        Err(late) => gathered.miss("logs of nodes", &late),
    }
    gathered
}

impl Gathered {
    /// Takes what the nodes hand over, as it comes.
    async fn logs(&mut self, client: &mut OperatorClient<Channel>) -> Result<(), Cause> {
        let mut stream = client.read_node_logs(ReadNodeLogsRequest {}).await?.into_inner();
        while let Some(told) = stream.message().await? {
            self.log(told)?;
        }
        Ok(())
    }

    fn log(&mut self, told: Told) -> Result<(), Cause> {
        let log = convert::node_log(told.kind)?;
        let name = log_name(&told.node, log);
        if !told.trouble.is_empty() {
            self.missing.push(format!("{name}: {}", told.trouble));
            return Ok(());
        }
        let note = if told.cut { OLDER } else { "" };
        self.put(&name, format!("{note}{}", told.text));
        Ok(())
    }

    /// Takes the events, and the latest plan.
    fn events(&mut self, lines: Vec<Vec<u8>>, places: &Places) {
        self.plan(places);
        if let Some(first) = lines.first() {
            let first: serde_json::Value = serde_json::from_slice(first).unwrap_or_default();
            if let Some(revision) = first["revision"].as_u64().filter(|revision| *revision > 1) {
                self.missing.push(format!(
                    "events before revision {revision}: only the newest are taken"
                ));
            }
        }
        self.put(
            "events.jsonl",
            lines
                .into_iter()
                .flat_map(|mut l| {
                    l.push(b'\n');
                    l
                })
                .collect::<Vec<u8>>(),
        );
    }
}

/// The newest `count` lines, by the log's own count: a coordinator that tells no status may have millions.
async fn events(client: &mut OperatorClient<Channel>, count: u64) -> Result<Vec<Vec<u8>>, Cause> {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let request = SubscribeRequest {
            after,
            tail: count,
            ..SubscribeRequest::default()
        };
        let mut stream = client.subscribe(request).await?.into_inner();
        let mut compacted = None;
        while let Some(answer) = stream.message().await? {
            match answer.item {
                Some(Item::Entry(entry)) => lines.push(entry.json.into()),
                Some(Item::Gap(gap)) => lines.extend(gap.entry.map(|entry| entry.json.into())),
                Some(Item::Compacted(c)) => compacted = Some(c.oldest),
                Some(Item::TooSlow(_) | Item::LogReset(_)) => return Err("the log was cut off".into()),
                Some(Item::Bookmark(_)) | None => {}
            }
        }
        match compacted {
            Some(oldest) if oldest > after + 1 => after = oldest - 1,
            _ => return Ok(lines),
        }
    }
}

/// `GET /metrics` over the operator's own connection.
async fn scrape(mut channel: Channel) -> Result<Vec<u8>, Cause> {
    use tower::{Service, ServiceExt};
    let request = http::Request::get("/metrics").body(tonic::body::Body::empty())?;
    let answer = channel.ready().await?.call(request).await?;
    if !answer.status().is_success() {
        return Err(format!("the daemon answered {}", answer.status()).into());
    }
    Ok(answer.into_body().collect().await?.to_bytes().to_vec())
}

/// Reads the log of a lab without a daemon. The log itself is not touched: opening it would raise its epoch.
pub fn from_log(lab: &Lab, places: &Places) -> Gathered {
    let mut gathered = Gathered::begin(lab, places, "log");
    if let Err(error) = read_log(lab, places, &mut gathered) {
        gathered.miss("events.jsonl, status.json", error.as_ref());
    }
    for what in ["metrics.txt", "logs of nodes"] {
        gathered
            .missing
            .push(format!("{what}: no daemon serves this lab"));
    }
    gathered
}

fn read_log(lab: &Lab, places: &Places, gathered: &mut Gathered) -> Result<(), Cause> {
    let path = places.log();
    if !path.is_file() {
        return Err("there is no log: the lab was never up".into());
    }
    // Nobody starts a daemon while the copy is made.
    let _lock = HomeLock::acquire(&places.home)?;
    let copy = Copy::of(&path)?;
    let journal = RedbJournal::open(&copy.0, LogId([0; 16]))?;
    let (reader, head) = (journal.reader(), journal.head());
    let mut after = Revision(
        head.0
            .saturating_sub(EVENTS)
            .max(journal.oldest().0.saturating_sub(1)),
    );
    let words = Projection::new(lab);
    let mut lines = Vec::new();
    loop {
        let entries = reader.read(after, 1024)?;
        let Some((last, _)) = entries.last() else { break };
        after = *last;
        lines.extend(
            entries
                .iter()
                .map(|(revision, entry)| words.view(*revision, entry).json()),
        );
    }
    gathered.events(lines, places);
    match run_report::make(&reader, places, None) {
        Ok(account) => {
            gathered.json("report.json", &serde_json::json!(account));
            gathered.put("report.txt", domain::render_account::account(&account));
        }
        Err(error) => gathered.miss("report.json", &error),
    }
    let (engine, handle, effects) = Engine::open(Box::new(journal), Stamper::default(), |digest| {
        plan_store::load(places, digest)
    })?;
    // Nothing is performed.
    drop(effects);
    let thread = std::thread::spawn(move || engine.run());
    let (asked, now) = (lab.clone(), clock::now());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let status = runtime.block_on(
        handle.ask(move |state| domain::status::status(state, &asked, &[], &Observed::default(), now)),
    );
    drop(handle);
    let _ = thread.join();
    gathered.json("status.json", &serde_json::json!(status));
    Ok(())
}

/// A copy that is gone when dropped. Only its owner may read it, like the log beside it.
struct Copy(std::path::PathBuf);

impl Copy {
    fn of(path: &Path) -> std::io::Result<Self> {
        let copy = Self(path.with_extension(format!("support-{}", std::process::id())));
        let options = &mut OpenOptions::new();
        let mut into = open_private(&copy.0, options.write(true).create(true).truncate(true))?;
        std::io::copy(&mut File::open(path)?, &mut into)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, MemoryJournal};
    use crate::net::harness::{self, FakeOperator};
    use crate::subscribe_grpc::Feed;
    use domain::record::Record;
    use model::ids::Epoch;
    use model::moment::Moment;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_copy_is_the_owner_s_alone_whatever_the_log_is() {
        let home = tempfile::tempdir().expect("temp");
        let log = home.path().join("log.redb");
        std::fs::write(&log, "entries").expect("written");
        std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o644)).expect("as it was made once");
        let copy = Copy::of(&log).expect("copied");
        let mode = std::fs::metadata(&copy.0).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read(&copy.0).expect("read"), b"entries");
    }

    #[tokio::test]
    async fn of_a_long_log_the_newest_are_taken_whatever_else_is_not_answered() {
        let mut log = MemoryJournal::new(LogId([7; 16]));
        let record = Record::EpochStarted { epoch: Epoch(1) };
        let entry = Entry::sealed(Moment(0), record.into()).expect("sealed");
        log.append(&vec![entry; 30]).expect("appended");
        let (mut client, server) = harness::dialled(FakeOperator {
            feed: Some(Feed::new(log.reader(), &Lab::default())),
            ..FakeOperator::default()
        })
        .await;
        let lines = events(&mut client, 10).await.expect("told");
        let revision = |line: &Vec<u8>| {
            let line: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            line["revision"].as_u64().expect("a number")
        };
        assert_eq!(
            lines.iter().map(revision).collect::<Vec<_>>(),
            (21..=30).collect::<Vec<_>>()
        );
        server.abort();
    }
}
