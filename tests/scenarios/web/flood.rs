//! Events as fast as they may come.

use super::history;
use coordinator::journal::{Entry, Journal, RedbJournal};
use coordinator::places::Places;
use coordinator::subscribe_grpc::Feed;
use model::ids::LogId;
use model::lab::Lab;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tests::browser::{self, Browser};

/// All are taken in, the page's content stays bounded, and frames go on.
#[test]
fn five_hundred_events_a_second_leave_the_page_calm() {
    if !browser::fit() {
        return;
    }
    const BATCHES: u64 = 120;
    let home = tempfile::tempdir().expect("temp");
    let mut journal = RedbJournal::open(&home.path().join("log.redb"), LogId([4; 16])).expect("a log");
    let entries: Vec<Entry> = history::entries();
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
        std::sync::Arc::new(places),
        Feed::new(log, &Lab::default()),
        std::sync::Arc::new(move || Box::pin(std::future::ready(Some(status.clone())))),
    )
}
