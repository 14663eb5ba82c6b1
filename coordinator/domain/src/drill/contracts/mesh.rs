//! C6: tunnels and mesh, as the Cilium agents themselves report them.

use super::applications::availability;
use super::{Case, evidence};
use crate::drill::assemble::Watch;
use crate::drill::history::Sample;
use crate::drill::measure::recovered::Recovered;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::{Expectation, Look};

/// Figure of a mesh sample: 1 when everything was as it should be, 0 when an agent said otherwise; absent when none could be
/// asked, which says nothing of the mesh.
pub const FULL: &str = "full";

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    case.watches.iter().map(|watch| one(case, watch)).collect()
}

fn one(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let name = &watch.probe.name;
    let seen_down = watch.stretches.iter().any(|s| case.window.concerns(s));
    if watch.probe.expect == Expectation::ComesBack && !seen_down {
        let text = format!("{name}: never seen other than good, so that it says nothing of this outage");
        return evidence("mesh_full_again", Verdict::NotCovered, text);
    }
    if !matches!(watch.probe.look, Look::Mesh { .. }) {
        return match watch.probe.expect {
            Expectation::ComesBack => path_again(case, watch),
            Expectation::StaysGood | Expectation::Observes => availability(case, watch),
        };
    }
    match watch.probe.expect {
        Expectation::ComesBack => full_again(case, watch),
        Expectation::StaysGood | Expectation::Observes => held(case, watch),
    }
}

/// The last word of the agents, of those that were asked after the undo: what they said of the mesh before it was broken, or
/// while it was, is none of its return.
fn full_again(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let name = &watch.probe.name;
    let check = "mesh_full_again";
    // The same moment from which on an answer counts as good again while the run waits for its end.
    let undone = case.window.undone.map(|edge| edge.after);
    let after = |sample: &&Sample| undone.is_some_and(|undone| sample.sent >= Some(undone));
    let mut samples = watch.samples.iter().rev().copied();
    match samples.find(|sample| says(sample) && after(sample)) {
        Some(last) if last.is_good() => {
            let text = format!("{name}: full again at the end of the run");
            evidence(check, Verdict::Pass, text)
        }
        Some(_) => case.never_came(check, format!("{name}: not full at the end of the run")),
        None => case.never_came(check, format!("{name}: no agent answered after the outage")),
    }
}

fn held(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let name = &watch.probe.name;
    let broken = |sample: &&Sample| sample.values.get(FULL).is_some_and(|full| *full < 1.0);
    let known: Vec<&Sample> = watch.that_matter(case.window).filter(says).collect();
    let in_outage = known.iter().filter(|s| case.window.in_outage(s.due)).count();
    match known.iter().copied().find(broken) {
        Some(sample) => evidence(
            "mesh_held",
            Verdict::Fail,
            format!("{name} at {}: {}", sample.due, sample.detail),
        ),
        None if in_outage == 0 => evidence(
            "mesh_held",
            Verdict::Inconclusive,
            format!("{name}: no agent answered in the outage"),
        ),
        None => {
            let text = format!(
                "{name}: VXLAN and every peer connected in {in_outage} of {in_outage} looks in the outage"
            );
            evidence("mesh_held", Verdict::Pass, text)
        }
    }
}

fn says(sample: &&Sample) -> bool {
    sample.values.contains_key(FULL)
}

/// Requests from one cluster to another: what the mesh is for, and what no agent's word can stand for. An agent notices a cut
/// only after its own checks have failed.
fn path_again(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let name = &watch.probe.name;
    match watch.course(case.window).map(|course| course.came_back) {
        Some(Recovered::NotYet(_)) => case.never_came("path_again", format!("{name}: not answered again")),
        Some(Recovered::At(_)) => {
            let text = format!("{name}: answered again after the outage");
            evidence("path_again", Verdict::Pass, text)
        }
        Some(Recovered::NeverDown) | None => {
            let text =
                format!("{name}: seen other than good at the very end only, which is none of this outage");
            evidence("path_again", Verdict::NotCovered, text)
        }
    }
}
