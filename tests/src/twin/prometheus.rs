//! The real Prometheus as a child process: agent or receiver, killed when dropped.

use super::http::get;
use crate::ports::one_free;
use crate::running::Running;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and what it says of itself.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    /// `2.42.0` and the like.
    pub version: String,
}

/// `DRILLYARD_PROMETHEUS`, else the bundle's, else the one of the distribution; None when there is none of them.
pub fn find() -> Option<Program> {
    let named = std::env::var_os("DRILLYARD_PROMETHEUS").map(PathBuf::from);
    let places = [
        Some(crate::lab::cache().join("bundle/bin/prometheus")),
        Some("/usr/bin/prometheus".into()),
    ];
    // A program that was named and does not run is not replaced by another in silence.
    let mut candidates: Vec<PathBuf> =
        named.map_or_else(|| places.into_iter().flatten().collect(), |p| vec![p]);
    candidates.retain(|p| p.is_file());
    candidates.into_iter().find_map(|path| {
        let output = Command::new(&path).arg("--version").output().ok()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let version = said
            .split_once("version ")?
            .1
            .split([' ', '+', ','])
            .next()?
            .to_owned();
        Some(Program { path, version })
    })
}

/// The same, or why not is said. With `DRILLYARD_REQUIRE_LAB` set there must be one.
pub fn find_or_skip() -> Option<Program> {
    let found = find();
    if found.is_none() {
        let reason = "no prometheus: neither DRILLYARD_PROMETHEUS nor the bundle nor the distribution's package has one";
        assert!(std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(), "{reason}");
        eprintln!("SKIPPED: {reason}");
    }
    found
}

/// One that answers.
#[derive(Debug)]
pub struct Prometheus {
    /// What it says, and its end.
    pub running: Running,
    /// Its own pages and API.
    pub address: SocketAddr,
}

fn start(
    program: &Program,
    folder: &Path,
    config: &Path,
    arguments: &[String],
) -> Result<Prometheus, String> {
    let address = one_free();
    let mut command = Command::new(&program.path);
    command
        .args(arguments)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=debug")
        .env("GOMAXPROCS", "1");
    let running = Running::start(&mut command, folder.join("log"))?;
    running.until_it_answers("prometheus answers", || get(address, "/-/ready"))?;
    Ok(Prometheus { running, address })
}

/// What an agent is to be like.
#[derive(Debug, Clone, Copy)]
pub struct AgentSetting<'a> {
    /// Name in the label `twin`.
    pub name: &'a str,
    /// Seconds between truncations.
    pub period_s: u64,
    /// Milliseconds between scrapes.
    pub scrape_ms: u64,
    /// Samples in one request, and in the queue.
    pub per_send: u64,
    /// The canary.
    pub target: SocketAddr,
    /// Where it writes to.
    pub receiver: SocketAddr,
}

/// Bytes of a segment in twins: the least that Prometheus accepts.
pub const SEGMENT: u64 = 10 << 20;

/// Starts an agent; its log is in `FOLDER/data/wal`.
pub fn agent(program: &Program, folder: &Path, setting: AgentSetting<'_>) -> Result<Prometheus, String> {
    let AgentSetting {
        name,
        period_s,
        scrape_ms,
        per_send,
        target,
        receiver,
    } = setting;
    // A queue of a few samples: the reader stops at once. Short pauses: it goes on at once.
    let config = format!(
        "global: {{scrape_interval: {scrape_ms}ms, scrape_timeout: {scrape_ms}ms, external_labels: {{twin: '{name}'}}}}\n\
         scrape_configs:\n- job_name: canary\n  static_configs: [{{targets: ['{target}']}}]\n\
         remote_write:\n- url: http://{receiver}/api/v1/write\n  name: twin\n\
         \x20 queue_config: {{capacity: {per_send}, max_samples_per_send: {per_send}, max_shards: 1, min_backoff: 30ms, max_backoff: 100ms, \
         batch_send_deadline: 100ms}}\n\
         \x20 write_relabel_configs: [{{source_labels: [__name__], regex: filler, action: drop}}]\n"
    );
    std::fs::write(folder.join("config.yaml"), config).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mode = if program.version.starts_with("2.") {
        "--enable-feature=agent"
    } else {
        "--agent"
    };
    let arguments = [
        mode.to_owned(),
        format!("--storage.agent.path={}", folder.join("data").display()),
        format!("--storage.agent.wal-truncate-frequency={period_s}s"),
        "--storage.agent.wal-segment-size=10MB".to_owned(),
        "--no-storage.agent.wal-compression".to_owned(),
        "--storage.agent.retention.min-time=1s".to_owned(),
        "--storage.agent.retention.max-time=1s".to_owned(),
    ];
    start(program, folder, &folder.join("config.yaml"), &arguments)
}

/// Starts a receiver. By itself it refuses what is an hour older than the newest sample of any twin, which an outage at 600 s reaches;
/// what is held against the forecast here is the agent's log alone.
pub fn receiver(program: &Program, folder: &Path) -> Result<Prometheus, String> {
    let config = "storage: {tsdb: {out_of_order_time_window: 6h}}\n";
    std::fs::write(folder.join("config.yaml"), config).map_err(|e| format!("{}: {e}", folder.display()))?;
    let arguments = [
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        "--web.enable-remote-write-receiver".to_owned(),
    ];
    start(program, folder, &folder.join("config.yaml"), &arguments)
}

/// Starts a server that scrapes as the file `config` says; its data and its log are in `folder`. Files that the
/// configuration names are looked for beside it.
pub fn scraper(program: &Program, folder: &Path, config: &Path) -> Result<Prometheus, String> {
    let arguments = [format!("--storage.tsdb.path={}", folder.join("data").display())];
    start(program, folder, config, &arguments)
}
