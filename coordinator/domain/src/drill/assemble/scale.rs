//! By how much a run is scaled, told from what ran.
//!
//! What is scaled is the metrics agents' truncation, so a run is scaled only when it judges their buffering. Recovery,
//! availability and everything else are in real time always. The period is the one that the agents had, as the forecast read
//! it; the scenario's own factor counts only where there is no forecast, and is told where it says something else.

use crate::drill::backlog::{Foretold, names};
use crate::drill::contract::ContractId;
use crate::drill::history::History;
use crate::drill::measure::quantity::Quantity;
use crate::drill::plan::DrillPlan;
use crate::drill::record::Record;
use crate::drill::report::model::Scale;
use std::collections::BTreeMap;

/// The scale with what is said of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scaled {
    /// For the report's identity.
    pub(super) scale: Scale,
    /// Beside every verdict of a scaled run; the same truth as the identity.
    pub(super) label: Option<String>,
    /// Sentences for the report's notes.
    pub(super) notes: Vec<String>,
}

/// Of a run.
pub(super) fn of(plan: &DrillPlan, history: &History) -> Scaled {
    if plan.not_covered(ContractId::C2).is_some() {
        return Scaled::default();
    }
    let said = said(plan);
    let ran = ran(history);
    let mut notes = Vec::new();
    let Some(&shortest) = ran.values().min() else {
        if !history.faults().is_empty() {
            notes.push(
                "How often the metrics agents truncate was not recorded: the scale is what the scenario says.".to_owned(),
            );
        }
        return labelled(plan, said, true, notes);
    };
    if ran.values().any(|period| *period != shortest) {
        notes.push(format!(
            "The metrics agents truncate at different periods, {}: the shortest is the run's scale.",
            periods(&ran)
        ));
    }
    let agrees = said.abs_diff(shortest) <= 1;
    if !agrees && said != Scale::default().of_seconds {
        notes.push(format!(
            "The scenario's scale of {} means a truncation every {said} s, and the metrics agents had {}: the run is labelled by \
             what ran.",
            plan.scenario.scale.factor,
            periods(&ran)
        ));
    }
    labelled(plan, shortest, agrees, notes)
}

/// `from_file`: whether what the file says of its scale is true of the run.
fn labelled(plan: &DrillPlan, tick_seconds: u64, from_file: bool, notes: Vec<String>) -> Scaled {
    let usual = Scale::default().of_seconds;
    let scale = Scale {
        tick_seconds,
        // A longer period than the usual one stands for itself.
        of_seconds: usual.max(tick_seconds),
    };
    let note = Some(&plan.scenario.scale.note).filter(|note| from_file && !note.is_empty());
    let why = note.map_or("the metrics agents truncate so often", String::as_str);
    Scaled {
        scale,
        label: (!scale.is_real()).then(|| format!("C2 is {scale}; {why}")),
        notes,
    }
}

/// Seconds between truncations, by the scenario's factor.
fn said(plan: &DrillPlan) -> u64 {
    let usual = Scale::default().of_seconds;
    let factor = Quantity::from_float(plan.scenario.scale.factor);
    let millionths = factor.and_then(|factor| u64::try_from(factor.micros()).ok());
    let tick = millionths.and_then(|by| (usual * 1_000_000).checked_div(by));
    tick.unwrap_or(usual)
}

/// Seconds between truncations of each agent, by the forecasts.
fn ran(history: &History) -> BTreeMap<String, u64> {
    let forecasts = history.records().filter_map(|(_, record)| match record {
        Record::BacklogForetold { forecast } => Some(forecast.as_ref()),
        _ => None,
    });
    forecasts
        .filter_map(|forecast| Some((forecast.cluster.to_string(), period(forecast)?)))
        .collect()
}

/// As the agent was told; the period of a forecast that does not say is longer by what a truncation takes.
fn period(forecast: &Foretold) -> Option<u64> {
    let told = forecast.inputs.iter().find(|input| input.name == names::PERIOD);
    let period = told.map_or(forecast.period, |input| input.value);
    let seconds = u64::try_from(period.micros()).ok()?.saturating_add(500_000) / 1_000_000;
    Some(seconds.max(1))
}

fn periods(ran: &BTreeMap<String, u64>) -> String {
    let each = ran
        .iter()
        .map(|(cluster, period)| format!("{cluster} {period} s"));
    each.collect::<Vec<_>>().join(", ")
}
