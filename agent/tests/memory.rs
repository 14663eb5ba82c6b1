//! The journal must stay small: its process rides in every node. Alone in its file, so that no other test is counted.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

use agent::journal::{Batch, Draft, Journal, SledJournal};
use model::event::NodeEventKind;
use model::ids::BootId;
use model::moment::Moment;

/// Resident anonymous memory of this process, KiB.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("RssAnon:"))
        .expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn an_open_journal_costs_less_than_six_mebibytes() {
    let dir = tempfile::tempdir().expect("temp");
    let before = anonymous();
    let kind = NodeEventKind::AgentStarted { version: "1".into() };
    let stamp = Draft {
        time: Moment(0),
        monotonic_ms: 0,
        boot: BootId([0; 16]),
        kind,
    };
    let mut journal = SledJournal::open(dir.path(), &stamp).expect("opened");
    for _ in 0..50 {
        let batch = Batch {
            events: vec![stamp.clone(); 20],
            ..Batch::default()
        };
        journal.append(&batch).expect("appended");
    }
    let grown = anonymous().saturating_sub(before);
    assert!(grown < 6 * 1024, "{grown} KiB");
}
