//! The recorded history of a real run, as the page's tests get it.

use coordinator::journal::{Entry, Journal, RedbJournal};
use domain::record::Record;
use model::ids::LogId;
use model::moment::Moment;
use serde_json::{Value, json};
use std::path::Path;

/// A run of `up` as its log had it, without samples of health; one `{"time","entry"}` per line.
const HISTORY: &str = include_str!("history.jsonl");

/// What an event might carry if a node were hostile.
pub(super) const HOSTILE: &str = "<script>window.hostile=1</script><img src=x onerror=\"window.hostile=1\">";

/// How many attempts of steps the run had.
pub(super) fn attempts() -> usize {
    HISTORY
        .lines()
        .filter(|line| entry_kind(line) == "step_intended")
        .count()
}

/// The run, record by record.
pub(super) fn entries() -> Vec<Entry> {
    HISTORY.lines().map(entry).collect()
}

/// Writes the recorded run, and one hostile step in it.
pub(super) fn record(path: &Path) {
    let mut journal = RedbJournal::open(path, LogId([3; 16])).expect("a log");
    let entries: Vec<Entry> = entries();
    journal.append(&entries).expect("appended");
    let hostile = entries.iter().rev().find_map(|entry| {
        let mut value: Value = serde_json::from_slice(&entry.json).ok()?;
        (value["record"] == "step_progress").then(|| {
            value["message"] = json!(HOSTILE);
            Entry::new(Moment(entry.time.0 + 1), value.to_string())
        })
    });
    journal
        .append(&[hostile.expect("a step that told of its progress")])
        .expect("appended");
}

fn entry(line: &str) -> Entry {
    let value: Value = serde_json::from_str(line).expect("a line of the history");
    let time = Moment(value["time"].as_i64().expect("microseconds"));
    Entry::new(time, value["entry"].to_string())
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
