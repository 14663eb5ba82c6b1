//! SIGKILL for the coordinator and for agents at random moments of `up`, on the real lab: `up` again ends in the same three
//! healthy clusters, and the recorded history keeps every promise of the model.

use crate::health;
use domain::history::{self, Line};
use domain::record::Record;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::dice::Dice;
use tests::hunt::{self, Kill, Pace};
use tests::lab::{TestLab, fit};
use tests::prey::Role;
use tests::{history as log, resume};

/// From the start of `up` to the first useful step.
const RESUME_LIMIT: Duration = Duration::from_secs(5);

/// Ten minutes: `cargo test -p tests -- --ignored --nocapture kills`.
#[test]
#[ignore = "takes minutes; the end-to-end test has three kills"]
fn twenty_five_kills_end_in_the_same_three_clusters() {
    if !fit() {
        return;
    }
    let lab = TestLab::new("test").expect("a lab of the test's own");
    let mut dice = Dice::new();
    let pace = Pace {
        from: Duration::from_millis(300),
        to: Duration::from_millis(6000),
    };
    let kills = hunt::up(&lab, &["up", "--yes", "--through", "3"], 25, pace, &mut dice)
        .expect("up ends well after all");
    health::check(&lab);
    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    judge(&lab, &kills, RESUME_LIMIT);
}

/// What the lab's log says of a run with kills. The lab must be down: the log is read as it was left.
pub(crate) fn judge(lab: &TestLab, kills: &[Kill], resume_limit: Duration) {
    let lines = log::recorded(lab).expect("a log");
    let summary = match history::check(&lines) {
        Ok(summary) => summary,
        Err(broken) => panic!("{} promises broken: {broken:#?}", broken.len()),
    };
    eprintln!("history: {summary:?}");
    assert!(summary.finished, "the last run did not end");
    initialised_once(&lines);
    let mut slowest = Duration::ZERO;
    for (i, kill) in kills.iter().enumerate() {
        let took = resume::after(kill, kills.get(i + 1), &lines);
        let told = took.map_or("nothing to go on with before the next death".into(), |t| {
            format!("{:.2} s", t.as_secs_f64())
        });
        eprintln!("after the death of {}: {told}", kill.prey);
        if kill.prey.role == Role::Coordinator {
            slowest = slowest.max(took.unwrap_or_default());
        }
    }
    let coordinators = kills.iter().filter(|k| k.prey.role == Role::Coordinator).count();
    eprintln!(
        "{} kills, {coordinators} of them of the coordinator; slowest resumption {:.2} s",
        kills.len(),
        slowest.as_secs_f64()
    );
    assert!(slowest < resume_limit, "a resumption took {slowest:?}");
}

/// Every phase of `kubeadm init` was done once for each cluster, and on one node.
fn initialised_once(lines: &[Line]) {
    let mut names = BTreeMap::new();
    let mut done: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines {
        match &line.record {
            Record::StepIntended { step, name, .. } => {
                names.insert(*step, name.clone());
            }
            Record::StepSucceeded { step, .. } => {
                let name = names.get(step).cloned().unwrap_or_default();
                if name.contains("kubeadm_init/") {
                    *done.entry(name).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(done.len(), 3 * 12, "phases of kubeadm init: {done:?}");
    let again: Vec<_> = done.iter().filter(|(_, times)| **times != 1).collect();
    assert!(again.is_empty(), "done more than once: {again:?}");
}
