//! The web view in a real Chromium, against the real daemon with the recorded history of a real run.

use coordinator::journal::{Entry, Journal, RedbJournal};
use coordinator::operator_auth::connect_operator;
use coordinator::places::Places;
use coordinator::user_data::agent_binary;
use domain::record::Record;
use model::ids::LogId;
use model::lab::Lab;
use model::moment::Moment;
use proto::v1::MintUserDataRequest;
use proto::v1::operator_client::OperatorClient;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::browser::{self, Browser};
use tests::patience::until;

/// A run of `up` as its log had it, without samples of health; one `{"time","entry"}` per line.
const HISTORY: &str = include_str!("web/history.jsonl");

const PATIENCE: Duration = Duration::from_secs(30);

/// What an event might carry if a node were hostile.
const HOSTILE: &str = "<script>window.hostile=1</script><img src=x onerror=\"window.hostile=1\">";

/// A daemon with a home of its own; no node and no root is needed.
struct Daemon {
    program: PathBuf,
    home: tempfile::TempDir,
    child: Child,
    web_port: u16,
}

impl Daemon {
    fn start() -> Self {
        let program = tests::lab::program().expect("the program");
        let home = tempfile::tempdir().expect("temp");
        let mut lab = Lab::with_subnet("page", [192, 168, 79]);
        lab.network.coordinator_port = tests::ports::four_free(&[std::net::Ipv4Addr::LOCALHOST]);
        std::fs::write(home.path().join("document.yaml"), lab.to_yaml()).expect("written");
        std::fs::create_dir(home.path().join("home")).expect("made");
        record(&home.path().join("home/log.redb"));
        let web_port = lab.network.coordinator_port + 3;
        let child = serve(&program, home.path());
        Self {
            program,
            home,
            child,
            web_port,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        command(&self.program, self.home.path(), words)
    }

    /// As `coordinator web` prints it.
    fn url(&self) -> String {
        let told = until("the page's address", PATIENCE, || {
            let output = self
                .command(&["--json", "web"])
                .output()
                .map_err(|e| e.to_string())?;
            serde_json::from_slice::<Value>(&output.stdout)
                .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
        });
        let told = told.expect("served");
        assert_eq!(told["port"], self.web_port);
        told["url"].as_str().expect("a URL").to_owned()
    }

    /// Something happens: a token is made for a node.
    fn mint(&self, node: &str) {
        let home = self.home.path();
        let places = Places {
            home: home.join("home"),
            cache: home.join("cache"),
            project: home.to_owned(),
            program: self.program.clone(),
        };
        // User-data names the agent's digest; which program that is does not matter here.
        let agent = agent_binary(&places);
        std::fs::create_dir_all(agent.parent().expect("a folder")).expect("made");
        std::fs::write(&agent, "an agent").expect("written");
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let minted = runtime.block_on(async {
            let channel = connect_operator(&places.home).await;
            let mut client = OperatorClient::new(channel.expect("connected"));
            client
                .mint_user_data(MintUserDataRequest { node: node.into() })
                .await
        });
        minted.expect("minted");
    }

    /// Power loss of the daemon alone.
    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(program: &Path, home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--file")
        .arg(home.join("document.yaml"))
        .args(words)
        .env("DRILLYARD_HOME", home.join("home"))
        .env("DRILLYARD_CACHE", home.join("cache"))
        .stdin(Stdio::null());
    command
}

fn serve(program: &Path, home: &Path) -> Child {
    let log = std::fs::File::create(home.join("serve.log")).expect("a log");
    command(program, home, &["serve"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("started")
}

/// Writes the recorded run, and one hostile step in it.
fn record(path: &Path) {
    let mut journal = RedbJournal::open(path, LogId([3; 16])).expect("a log");
    let entries: Vec<Entry> = HISTORY.lines().map(entry).collect();
    journal.append(&entries).expect("appended");
    let hostile = entries.iter().rev().find_map(|entry| {
        let mut value: Value = serde_json::from_slice(&entry.json).ok()?;
        (value["record"] == "step_progress").then(|| {
            value["message"] = json!(HOSTILE);
            Entry {
                time: Moment(entry.time.0 + 1),
                json: value.to_string().into_bytes(),
            }
        })
    });
    journal
        .append(&[hostile.expect("a step that told of its progress")])
        .expect("appended");
}

fn entry(line: &str) -> Entry {
    let value: Value = serde_json::from_str(line).expect("a line of the history");
    Entry {
        time: Moment(value["time"].as_i64().expect("microseconds")),
        json: value["entry"].to_string().into_bytes(),
    }
}

#[test]
fn the_page_is_live_safe_and_outlives_its_daemon() {
    if let Err(reason) = browser::program() {
        eprintln!("SKIPPED: {reason}");
        return;
    }
    let mut daemon = Daemon::start();
    let url = daemon.url();
    let mut page = Browser::start().expect("a browser");
    page.look(1280, 1600, "light").expect("a window");
    page.open(&url).expect("opened");
    shows_the_run(&mut page).expect("the run");
    stays_text(&mut page).expect("text");
    answers_keys_and_filters(&mut page).expect("keys and filters");

    let seen = page
        .eval("Number(document.body.dataset.revision)")
        .expect("a revision");
    daemon.mint("app2-worker");
    let minted = format!(
        "Number(document.body.dataset.revision) > {seen} && [...document.querySelectorAll('.event')].slice(0, 20).some(e => e.innerText.includes('token_minted'))"
    );
    page.until("what happens now", &minted).expect("live");

    daemon.kill();
    let lost = "!document.getElementById('lost').hidden && /Showing the state of \\d\\d:\\d\\d:\\d\\d/.test(document.getElementById('lost').textContent)";
    page.until("the lost connection", lost).expect("told");
    let before = page
        .eval("Number(document.body.dataset.revision)")
        .expect("a revision");
    daemon.child = serve(&daemon.program, daemon.home.path());
    let back = format!(
        "document.getElementById('lost').hidden && Number(document.body.dataset.revision) > {before}"
    );
    page.until("the daemon's next life", &back)
        .expect("back by itself");
    // Nothing came twice: every shown record has a revision of its own.
    let unique = "(() => { const all = [...document.querySelectorAll('.event')].map(e => e.dataset.serial); return new Set(all).size === all.length })()";
    page.until("each event once", unique).expect("unique");

    for (width, scheme) in [(400, "dark"), (1280, "light")] {
        page.look(width, 1600, scheme).expect("a window");
        let fits = "document.documentElement.scrollWidth <= window.innerWidth";
        page.until("no sideways scrolling", fits).expect("fits");
    }
    let foreign: Vec<&str> = page
        .requests()
        .into_iter()
        .filter(|to| !to.starts_with(&url))
        .collect();
    assert!(
        foreign.is_empty(),
        "requests beyond the page's own address: {foreign:?}"
    );
    // The one that `stays_text` provoked.
    let all = page.complaints();
    let complaints: Vec<_> = all.iter().filter(|text| !text.contains("TrustedHTML")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn shows_the_run(page: &mut Browser) -> Result<(), String> {
    page.until("six nodes", "document.querySelectorAll('.node').length === 6")?;
    page.until(
        "six contracts",
        "document.querySelectorAll('#contracts li').length === 6",
    )?;
    let steps = HISTORY
        .lines()
        .filter(|line| entry_kind(line) == "step_intended")
        .count();
    assert!(steps > 40, "the recorded run has only {steps} attempts");
    let bars = format!("document.querySelectorAll('#gantt .bar.main:not([hidden])').length === {steps}");
    page.until("a bar for every attempt", &bars)?;
    let phases = "document.querySelectorAll('#gantt .axis .phase').length >= 3";
    page.until("phases on the axis", phases)?;
    // A bar is where its time was, and not only somewhere: the first begins left of the last.
    let order = "(() => { const all = [...document.querySelectorAll('#gantt .bar.main')].map(b => b.getBoundingClientRect()); return all.every(b => b.width > 2.5) && all[0].left + 100 < all.at(-1).left })()";
    page.until("bars along the time", order)
}

/// What was sent as markup is there as text and did nothing.
fn stays_text(page: &mut Browser) -> Result<(), String> {
    page.eval("document.getElementById('severity').value = '0'; document.getElementById('filter').value = 'onerror'; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    let text = format!(
        "[...document.querySelectorAll('.event .msg')].some(e => e.textContent.includes({}))",
        json!(HOSTILE)
    );
    page.until("the hostile message as text", &text)?;
    page.until(
        "no element of it",
        "window.hostile === undefined && document.querySelectorAll('#list img, #list script').length === 0",
    )?;
    // The same in the dialog that opens with the event.
    page.eval("document.querySelector('.event .msg').closest('button').click()")?;
    let dialog = "document.getElementById('detail').open && document.querySelectorAll('#detail img, #detail script').length === 0 && document.getElementById('detail-body').textContent.includes('onerror')";
    page.until("the hostile message in the dialog", dialog)?;
    page.eval("document.getElementById('close').click()")?;
    // And a script that got into the page by any way would be refused.
    let refused = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'made' } catch (e) { return e.name } })()";
    assert_eq!(page.eval(refused)?, "TypeError", "trusted types");
    Ok(())
}

fn answers_keys_and_filters(page: &mut Browser) -> Result<(), String> {
    page.eval("document.getElementById('filter').value = 'kind:gate_reached'; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    page.until("only gates", "(() => { const kinds = [...document.querySelectorAll('.event:not(.note) .kind')].map(e => e.textContent); return kinds.length > 0 && kinds.every(k => k === 'gate_reached') })()")?;
    page.eval("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    page.eval("document.querySelector('#gantt .row[tabindex=\"0\"]').focus()")?;
    page.key("ArrowDown")?;
    page.until(
        "the second step has the focus",
        "document.activeElement === document.querySelectorAll('#gantt .row')[1]",
    )?;
    page.key("Enter")?;
    page.until("the step's attempts", "document.getElementById('detail').open && document.getElementById('detail-body').textContent.includes('attempt 1')")?;
    page.eval("document.getElementById('close').click()").map(|_| ())
}

fn entry_kind(line: &str) -> String {
    let value: Value = serde_json::from_str(line).expect("a line of the history");
    value["entry"]["record"].as_str().unwrap_or_default().to_owned()
}

/// `DRILLYARD_LOG=.../log.redb cargo test -p tests --test scenarios -- --ignored recorded_anew` makes the history of a
/// log's first run; the log is a copy of one that nobody has open.
#[test]
#[ignore = "writes the recorded history from a log"]
fn the_history_is_recorded_anew() {
    let path = std::env::var_os("DRILLYARD_LOG").expect("DRILLYARD_LOG names a log");
    let journal = RedbJournal::open(Path::new(&path), LogId([0; 16])).expect("a log");
    let (mut lines, mut after) = (Vec::new(), model::ids::Revision(0));
    'whole: loop {
        let entries = journal.read(after, 1000).expect("read");
        let Some((last, _)) = entries.last() else { break };
        after = *last;
        for (_, entry) in entries {
            let value: Value = serde_json::from_slice(&entry.json).expect("JSON");
            let sample = value["event"]["kind"]["kind"] == "health";
            if !sample {
                lines.push(json!({"time": entry.time, "entry": value}).to_string());
            }
            if matches!(
                serde_json::from_slice(&entry.json),
                Ok(Record::RunFinished { .. })
            ) {
                break 'whole;
            }
        }
    }
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/web/history.jsonl");
    std::fs::write(to, lines.join("\n") + "\n").expect("written");
}

/// Events as fast as they may come: all are taken in, the page's content stays bounded, and frames go on.
#[test]
fn five_hundred_events_a_second_leave_the_page_calm() {
    if let Err(reason) = browser::program() {
        eprintln!("SKIPPED: {reason}");
        return;
    }
    const BATCHES: u64 = 120;
    let home = tempfile::tempdir().expect("temp");
    let mut journal = RedbJournal::open(&home.path().join("log.redb"), LogId([4; 16])).expect("a log");
    let entries: Vec<Entry> = HISTORY.lines().map(entry).collect();
    journal.append(&entries).expect("appended");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let tasks = shell::tasks::Tasks::default();
    let opened = {
        let _inside = runtime.enter();
        coordinator::web::open(sources(home.path(), journal.reader()), 0, &tasks).expect("opened")
    };
    let mut page = Browser::start().expect("a browser");
    page.look(1280, 1600, "dark").expect("a window");
    page.open(&opened.note.url()).expect("opened");
    page.until(
        "the run",
        "document.querySelectorAll('#gantt .bar.main').length > 40",
    )
    .expect("drawn");
    page.eval("document.getElementById('severity').value = '0'; document.getElementById('severity').dispatchEvent(new Event('input', {bubbles: true}))")
        .expect("everything is shown");
    page.eval("window.frames_ = 0; (function count() { window.frames_++; requestAnimationFrame(count) })()")
        .expect("counting");
    let since = std::time::Instant::now();
    for batch in 1..=BATCHES {
        // 25 every 50 ms; a late batch makes up for itself.
        let again: Vec<Entry> = entries.iter().rev().take(25).cloned().collect();
        journal.append(&again).expect("appended");
        let due = Duration::from_millis(50 * batch);
        std::thread::sleep(due.saturating_sub(since.elapsed()));
    }
    let took = since.elapsed();
    let head = journal.head();
    page.until(
        "all of them",
        &format!("Number(document.body.dataset.revision) === {head}"),
    )
    .expect("taken in");
    let behind = since.elapsed() - took;
    let frames = page
        .eval("window.frames_")
        .expect("a number")
        .as_u64()
        .unwrap_or(0);
    println!(
        "{} events in {took:?}, shown {behind:?} later, {frames} frames",
        25 * BATCHES
    );
    let lines = page
        .eval("document.querySelectorAll('.event').length")
        .expect("a number");
    assert_eq!(lines, 300, "lines in the page");
    assert!(
        behind < Duration::from_secs(5),
        "shown {behind:?} after the last one"
    );
    assert!(frames > 5 * took.as_secs(), "only {frames} frames in {took:?}");
    let complaints = page.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// A status of a lab without clusters; the log is what this test is about.
fn sources(home: &Path, log: coordinator::journal::JournalReader) -> coordinator::web::Sources {
    let places = Places {
        home: home.to_owned(),
        cache: home.to_owned(),
        project: home.to_owned(),
        program: home.to_owned(),
    };
    let status = json!({"lab": "load", "epoch": 1, "revision": 1, "phase": 0, "clusters": [], "contracts": [],
        "run": null, "waits": []});
    coordinator::web::Sources::new(
        std::sync::Arc::new(Lab::default()),
        std::sync::Arc::new(places),
        log,
        std::sync::Arc::new(move || Box::pin(std::future::ready(Some(status.clone())))),
    )
}
