//! Secrets in real processes: a coordinator and six agents on loopback, with known secrets of every kind, do what handles
//! them (enrolment, a join token's way to a step, a kubeconfig's way back, unsealing, renewals of a broken cluster's
//! connection). Then everything that leaves a process is searched for each secret by value.
//!
//! `cargo test -p agent --features failpoints --test canary`
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/collector.rs"]
mod collector;
#[path = "support/planted.rs"]
mod planted;
#[path = "support/secrets.rs"]
mod secrets;
mod support;
#[path = "support/yard.rs"]
#[expect(dead_code, reason = "nobody is killed here")]
mod yard;

use agent::paths::Paths;
use collector::Collector;
use coordinator::daemon_record::DaemonRecord;
use coordinator::web::Note;
use secrets::Secrets;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use support::until;
use yard::Yard;

const SECONDS: u64 = 90;

/// What left a process, by the way that it took.
type Told = BTreeMap<String, Vec<u8>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_a_process_by_any_way_but_its_own() {
    let collector = Collector::start().await;
    let variables = vec![
        ("DRILLYARD_LOG_FORMAT", "json".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000".to_owned()),
    ];
    let Some(mut yard) = Yard::with(variables, planted::prepare).await else {
        assert!(
            std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
            "network namespaces must be had here"
        );
        return;
    };
    yard.ready().await;
    let whole_run = || {
        let whole = collector.traces().contains("name: \"up\"");
        whole
            .then_some(())
            .ok_or_else(|| tail(&yard.places.home.join("coordinator.log")))
    };
    until("the run's trace", SECONDS, whole_run).await;

    let secrets = planted::secrets(&yard);
    arrived(&yard, &secrets);
    let mut told = Told::new();
    told.insert("traces".into(), collector.traces().into_bytes());
    told.insert("metrics over OTLP".into(), collector.metrics().into_bytes());
    commands(&yard, &mut told);
    page(&yard, &mut told);
    processes(&yard, &mut told);
    written(&yard, &mut told);
    not_empty(&told);

    let leaks: Vec<String> = told
        .iter()
        .flat_map(|(way, bytes)| {
            secrets
                .within(bytes)
                .into_iter()
                .map(move |s| format!("{s} by {way}"))
        })
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// The secrets went where they belong, and the search finds each of them there: it can fail.
fn arrived(yard: &Yard, secrets: &Secrets) {
    let node = yard.root(planted::NODE);
    let config = fs::read(node.join("kubeadm.config")).expect("kubeadm's configuration");
    assert_eq!(secrets.within(&config), ["join token"]);
    let kubeconfig = fs::read(yard.places.kubeconfig(planted::CLUSTER)).expect("handed over");
    assert_eq!(secrets.within(&kubeconfig), ["kubeconfig's key"]);
    let mut own = Vec::new();
    for folder in planted::OF_SECRETS {
        own.extend(
            files(&yard.places.home.join(folder))
                .into_iter()
                .flat_map(|(_, bytes)| bytes),
        );
    }
    for name in yard.names() {
        let root = yard.root(name.as_str());
        own.extend(fs::read(root.join("given/token")).expect("given"));
        own.extend(fs::read(Paths::below(&root).front().join("identity.pem")).expect("enrolled"));
    }
    own.extend(fs::read(yard.places.home.join("web.json")).expect("the page's note"));
    own.extend(fs::read(node.join("spilled")).expect("planted"));
    assert_eq!(
        secrets.within(&own),
        secrets.names(),
        "a secret would not be found"
    );
}

/// What commands of an operator print, and a support bundle as it was before its own last look for secrets.
fn commands(yard: &Yard, told: &mut Told) {
    for words in [
        ["--json", "events"].as_slice(),
        &["events", "--wide"],
        &["--json", "status"],
        &["status", "--wide"],
        &["--json", "certs"],
        &["--json", "report"],
        &["report"],
    ] {
        let output = yard.command(words).output().expect("run");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&said)
        );
        told.insert(words.join(" "), said);
    }
    let file = yard.document.with_file_name("bundle.tar.gz");
    let name = file.display().to_string();
    let output = yard
        .command(&["support-bundle", "-o", &name])
        .output()
        .expect("run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bundle = coordinator::support::read(fs::File::open(&file).expect("made")).expect("a bundle");
    assert_eq!(
        bundle.manifest.redactions, 0,
        "the last look found what must not have come so far"
    );
    for (name, bytes) in bundle.files {
        told.insert(format!("support bundle, {name}"), bytes);
    }
}

/// The web page's data, as a browser of the operator gets it.
fn page(yard: &Yard, told: &mut Told) {
    let note = Note::read(&yard.places).expect("a page");
    let url = note.url();
    let path = url.splitn(4, '/').nth(3).expect("a path");
    let host = format!("127.0.0.1:{}", note.port);
    for document in ["snapshot", "reports"] {
        let mut stream = TcpStream::connect(&host).expect("served");
        let request = format!("GET /{path}{document} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        told.insert(format!("web page, {document}"), answer);
    }
}

/// Command lines and environments of all our processes, and of kubeadm, which noted its own.
fn processes(yard: &Yard, told: &mut Told) {
    let ours = yard.document.parent().expect("a folder").display().to_string();
    let mut all = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir("/proc").expect("read").flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        if [&line, &environment]
            .iter()
            .any(|bytes| String::from_utf8_lossy(bytes).contains(&ours))
        {
            count += 1;
            all.extend([line, environment].concat());
        }
    }
    assert!(
        count >= 13,
        "a coordinator and six times two processes, not {count}"
    );
    assert!(DaemonRecord::alive(&yard.places).is_some());
    told.insert("command lines and environments".into(), all);
    let kubeadm = fs::read(yard.root(planted::NODE).join("kubeadm.seen")).expect("kubeadm ran");
    told.insert("kubeadm's command line and environment".into(), kubeadm);
}

/// Every file that is no secret's own: the lab's home with the durable log and the plans, each node's logs and journal.
fn written(yard: &Yard, told: &mut Told) {
    let own: Vec<PathBuf> = planted::OF_SECRETS
        .iter()
        .chain(&["web.json"])
        .map(|n| yard.places.home.join(n))
        .collect();
    for (path, bytes) in files(&yard.places.home) {
        if !own.iter().any(|own| path.starts_with(own)) {
            told.insert(path.display().to_string(), bytes);
        }
    }
    for name in yard.names() {
        let root = yard.root(name.as_str());
        for log in ["front.log", "exec.log", "units.log"] {
            told.insert(
                format!("{name}, {log}"),
                fs::read(root.join(log)).unwrap_or_default(),
            );
        }
        for (path, bytes) in files(&Paths::below(&root).front().join("journal")) {
            told.insert(path.display().to_string(), bytes);
        }
    }
}

/// Each way told what it is for: an empty one proves nothing.
fn not_empty(told: &Told) {
    let has = |way: &str, word: &str| {
        let (_, bytes) = told
            .iter()
            .find(|(name, _)| name.ends_with(way))
            .unwrap_or_else(|| panic!("no {way}"));
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains(word), "{way} does not tell of {word}: {text}");
    };
    has("traces", "kubeadm_init/bootstrap_token");
    has("metrics over OTLP", "drillyard_log_revision");
    has("--json events", "\"kind\":\"step_failed\"");
    has("events --wide", "bootstrap_token");
    has("--json status", planted::NODE);
    has("status --wide", planted::NODE);
    has("--json certs", "pki/");
    has("--json report", "bootstrap_token");
    has("support bundle, metrics.txt", "drillyard_agent_sessions");
    has("support bundle, events.jsonl", "[redacted]");
    for log in ["kubelet.log", "containerd.log", "agent.log", "steps.log"] {
        has(
            &format!("support bundle, {}.{log}", planted::NODE),
            "join 127.77.0.20:6443 --token [redacted]",
        );
        has(&format!("support bundle, app2-worker.{log}"), "all is well");
    }
    has("support bundle, app2-worker.facts.json", "\"folder\":\"/\"");
    has("web page, snapshot", planted::NODE);
    has("app1-cp, units.log", "[redacted]");
    has("app1-cp, front.log", "");
    has("home/log.redb", "bootstrap_token");
    has("kubeadm's command line and environment", "bootstrap-token");
    let (_, log) = told
        .iter()
        .find(|(name, _)| name.ends_with("home/coordinator.log"))
        .expect("a log");
    for line in String::from_utf8_lossy(log).lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "no JSON: {line}");
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.clone(), fs::read(&path).expect("read")));
        }
    }
    found
}

fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.join("\n")
}
