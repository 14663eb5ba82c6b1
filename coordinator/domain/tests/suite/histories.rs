//! The history checker finds what it is there to find.

use crate::fixtures::small_plan;
use crate::sim::Sim;
use domain::history::{self, Line};
use domain::record::Record;
use model::ids::{Attempt, Epoch, Revision};

fn recorded() -> Vec<Line> {
    let mut sim = Sim::new(small_plan());
    let _ = sim.up(1, true);
    sim.connect("mgmt-cp");
    sim.connect("mgmt-worker");
    sim.succeed("mgmt-cp");
    sim.succeed("mgmt-cp");
    sim.log
}

/// Inserts a record after the first that fits, and numbers the lines anew.
fn with(after: impl Fn(&Record) -> bool, record: impl Fn(&Record) -> Record) -> Vec<Line> {
    let mut lines = recorded();
    let at = lines
        .iter()
        .position(|line| after(&line.record))
        .expect("such a record");
    let planted = record(&lines[at].record);
    lines.insert(
        at + 1,
        Line {
            record: planted,
            ..lines[at].clone()
        },
    );
    for (i, line) in lines.iter_mut().enumerate() {
        line.revision = Revision(u64::try_from(i).expect("few") + 1);
    }
    lines
}

fn found(lines: &[Line]) -> String {
    let broken = history::check(lines).expect_err("a broken promise");
    broken
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_sound_history_has_figures() {
    let summary = history::check(&recorded()).expect("sound");
    assert_eq!(
        (summary.epochs, summary.runs, summary.attempts, summary.claims),
        (1, 1, 4, 1)
    );
    assert!(!summary.finished);
}

#[test]
fn json_lines_are_read_back() {
    let lines = recorded();
    let text: Vec<String> = lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("serde"))
        .collect();
    assert_eq!(history::parse(&text.join("\n")).expect("readable"), lines);
    assert_eq!(history::parse("{}\n").expect_err("not a record").line, 1);
}

#[test]
fn a_hole_in_the_log_is_found() {
    let mut lines = recorded();
    lines.remove(3);
    assert!(found(&lines).contains("follows revision"));
}

#[test]
fn two_attempts_at_once_are_found() {
    let planted = with(
        |record| matches!(record, Record::StepDispatched { .. }),
        |record| match record {
            Record::StepDispatched { step, .. } => Record::StepDispatched {
                step: *step,
                attempt: Attempt(2),
                epoch: Epoch(1),
            },
            other => other.clone(),
        },
    );
    assert!(found(&planted).contains("attempt 2 is spoken of at attempt 1"));
}

#[test]
fn a_second_claim_is_found() {
    let planted = with(
        |record| matches!(record, Record::InitClaimed { .. }),
        Record::clone,
    );
    assert!(found(&planted).contains("is claimed for"));
}

#[test]
fn a_stale_epoch_is_found() {
    let planted = with(
        |record| matches!(record, Record::RunStarted { .. }),
        |_| Record::EpochStarted { epoch: Epoch(1) },
    );
    assert!(found(&planted).contains("does not rise"));
}

#[test]
fn an_order_to_an_agent_that_was_not_compared_is_found() {
    let mut lines = recorded();
    lines.retain(|line| !matches!(line.record, Record::AgentReconciled { .. }));
    assert!(found(&lines).contains("may not be told"));
}

#[test]
fn an_outcome_that_is_counted_twice_is_found() {
    let planted = with(
        |record| matches!(record, Record::StepSucceeded { source: Some(_), .. }),
        Record::clone,
    );
    let text = found(&planted);
    assert!(
        text.contains("done twice") && text.contains("event 1 follows 1"),
        "{text}"
    );
}
