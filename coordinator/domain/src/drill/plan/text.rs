//! The plan for people.

use super::{DependencyKind, DrillPlan};
use std::fmt::Display;

/// One fact per line, stable.
pub(super) fn render(plan: &DrillPlan) -> String {
    let mut text = String::new();
    let mut line = |indent: usize, content: String| {
        text.push_str(&" ".repeat(indent));
        text.push_str(content.trim_end());
        text.push('\n');
    };
    let scenario = &plan.scenario;
    line(0, format!("drill {} on lab {}", plan.drill, plan.lab));
    line(0, format!("digest {}", plan.digest));
    line(0, scenario.summary.clone());
    line(0, format!("hypothesis: {}", scenario.hypothesis.statement));
    let objectives = &scenario.hypothesis.objectives;
    line(
        0,
        format!(
            "objectives: availability {} %, RTO {} s, RPO {} s",
            objectives.availability_percent, objectives.rto_seconds, objectives.rpo_seconds
        ),
    );
    if scenario.scale.factor != 1.0 {
        line(
            0,
            format!(
                "scale: 1 s stands for {} s; {}",
                scenario.scale.factor, scenario.scale.note
            ),
        );
    }

    line(0, String::new());
    line(0, "blast radius".into());
    let radius = &plan.blast_radius;
    line(2, format!("nodes hit        {}", join(&radius.nodes)));
    line(2, format!("clusters lost    {}", join(&radius.clusters_lost)));
    line(2, format!("clusters hurt    {}", join(&radius.clusters_hurt)));
    line(2, format!("clusters spared  {}", join(&radius.clusters_spared)));

    line(0, String::new());
    line(0, "steps".into());
    for guard in &scenario.guards {
        let word = serde_json::to_value(guard).ok();
        let word = word.as_ref().and_then(|v| v["guard"].as_str()).unwrap_or("guard");
        line(2, format!("guard    {word}"));
    }
    let phases = &scenario.phases;
    line(
        2,
        format!(
            "steady   {} s, every probe good at its end",
            phases.steady_seconds
        ),
    );
    if phases.worst_start_seconds > 0 {
        line(
            2,
            format!(
                "hold     at most {} s, for the worst moment of the metrics agents' truncation",
                phases.worst_start_seconds
            ),
        );
    }
    for fault in &plan.faults {
        let at = if fault.at_ms == 0 {
            "inject ".into()
        } else {
            format!("+{} s", fault.at_ms / 1000)
        };
        let nodes = if fault.nodes.is_empty() {
            String::new()
        } else {
            format!(" on {}", join(&fault.nodes))
        };
        let nothing = fault.impossible.as_ref();
        let nothing = nothing
            .map(|why| format!("  IMPOSSIBLE: {why}"))
            .unwrap_or_default();
        line(
            2,
            format!(
                "{at:<8} {}: {}{nodes}, lease {} s{nothing}",
                fault.name,
                fault.inject.word(),
                fault.lease_ms / 1000
            ),
        );
    }
    line(2, format!("observe  {} s", phases.observe_seconds));
    abort_rules(plan).for_each(|rule| line(2, rule));
    line(2, "revert   undo in reverse order".into());
    line(
        2,
        format!(
            "verify   at most {} s, {} good answers in a row",
            phases.verify_seconds, phases.consecutive_good
        ),
    );
    line(2, "verdict".into());
    let least = phases.steady_seconds + phases.observe_seconds;
    line(
        2,
        format!(
            "takes    {least} s to {} s, without injecting and undoing",
            least + phases.worst_start_seconds + phases.verify_seconds
        ),
    );

    line(0, String::new());
    line(0, "probes, at their rates around the fault".into());
    for planned in &plan.probes {
        let probe = &planned.probe;
        let state = planned
            .skipped
            .as_ref()
            .map(|why| format!("  NOT STARTED: {why}"))
            .unwrap_or_default();
        let contract = probe.contract.map_or_else(|| "-".into(), |c| c.to_string());
        line(
            2,
            format!(
                "{:<26} {:<3} {:<12} every {} ms, from {}{state}",
                probe.name,
                contract,
                probe.look.word(),
                probe.period_ms,
                probe.vantage()
            ),
        );
    }

    line(0, String::new());
    line(0, "contracts".into());
    for coverage in &plan.coverage {
        match &coverage.missing {
            None => line(
                2,
                format!("{}  judged: {}", coverage.contract, coverage.contract.promise()),
            ),
            Some(why) => line(2, format!("{}  not covered: {why}", coverage.contract)),
        }
    }

    line(0, String::new());
    line(0, "what is needed to recover what is lost".into());
    for dependency in &plan.dependencies {
        let verb = match dependency.kind {
            DependencyKind::Circular => "CIRCULAR: needs",
            DependencyKind::ReturnsAfter => "returns only after",
            DependencyKind::Misses => "will miss",
        };
        line(2, format!("{} {verb} {}", dependency.dependent, dependency.needs));
    }
    for unknown in &plan.unknown_dependencies {
        line(2, format!("not known: {unknown}"));
    }
    if plan.dependencies.is_empty() && plan.unknown_dependencies.is_empty() {
        line(2, "no installed component needs another one that is lost".into());
    }
    text
}

/// What ends the outage early, one line per rule; of a rule whose probe is not started why it never does.
fn abort_rules(plan: &DrillPlan) -> impl Iterator<Item = String> {
    plan.scenario.abort.iter().map(move |rule| {
        let planned = plan.probes.iter().find(|p| p.probe.name == rule.probe());
        let unwatched = planned.and_then(|p| p.skipped.as_ref());
        let unwatched = unwatched
            .map(|why| format!("  NOT WATCHED: {why}"))
            .unwrap_or_default();
        format!("abort    when {}{unwatched}", rule.text())
    })
}

fn join<T: Display>(list: &[T]) -> String {
    if list.is_empty() {
        return "none".into();
    }
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
