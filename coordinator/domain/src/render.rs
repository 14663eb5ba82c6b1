//! The plan as stable text: for people, for `--dry-run`, and for the golden test.

use crate::phases;
use crate::plan::{Plan, PlannedStep};
use std::fmt::Write as _;

/// One line per step, grouped by phase, with what each phase does not provide yet.
pub fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "plan {} through phase {}, {} steps",
        plan.digest,
        plan.through,
        plan.steps.len()
    );
    for phase in 1..=plan.through {
        let _ = writeln!(out, "\nphase {phase}: {}", phases::title(phase));
        for step in plan.steps.iter().filter(|step| step.phase == phase) {
            let _ = writeln!(out, "  {}", line(step));
        }
        let missing = plan.missing(phase);
        if !missing.is_empty() {
            let _ = writeln!(out, "  not provided yet: {}", missing.join(", "));
        }
    }
    out
}

fn line(step: &PlannedStep) -> String {
    let list = |list: &[crate::capability::Capability]| {
        list.iter()
            .map(crate::capability::Capability::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = format!("{} {}", step.id.short(), step.name);
    if !step.needs.is_empty() {
        let _ = write!(text, " needs {}", list(&step.needs));
    }
    if !step.provides.is_empty() {
        let _ = write!(text, " provides {}", list(&step.provides));
    }
    text
}
