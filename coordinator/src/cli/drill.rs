//! `drill`: list, show, plan, run, judge again.

mod aftermath;
mod display;
mod judged;
mod kill;
mod run;
mod spread;

use super::args::{Drill, DrillAction};
use super::client::{connect, refused};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::components;
use crate::drill::library::{self, LibraryError};
use crate::exit::{Failure, Outcome, chain};
use crate::host_facts;
use domain::drill::foresight::Foresight;
use domain::drill::plan::{Present, drill_plan};
use domain::drill::scenario::Scenario;
use proto::v1::StartDrillRequest;
use serde_json::{Value, json};

pub(crate) use judged::{find_run, load_report, named, outcome, unreadable};
pub(crate) use spread::table as spread_table;

pub(crate) fn run(context: &Context, options: &Drill) -> Result<Outcome, Failure> {
    match (&options.action, &options.name) {
        (Some(DrillAction::List), _) => list(context),
        (Some(DrillAction::Show(show)), _) if show.schema => {
            outln!("{:#}", Scenario::schema());
            Ok(Outcome::Done)
        }
        (Some(DrillAction::Show(show)), _) => self::show(context, show.name.as_deref().unwrap_or_default()),
        (Some(DrillAction::Plan { name }), _) => plan(context, name),
        (Some(DrillAction::Doctor { fix }), _) => super::drill_doctor::doctor(context, *fix),
        (Some(DrillAction::Recheck { run, write }), _) => judged::recheck(context, run.as_deref(), *write),
        (None, Some(name)) => match options.kill_driller {
            Some(seed) => kill::run(context, name, seed, options.repeat),
            None => run::run(context, options, name),
        },
        // The parser asks for one of both.
        (None, None) => list(context),
    }
}

fn list(context: &Context) -> Result<Outcome, Failure> {
    let names = library::names(&context.places).map_err(|e| refused_scenario(&e))?;
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    for name in names {
        match library::load(&context.places, &name) {
            Ok(scenario) => rows.push(scenario),
            Err(error) => broken.push(error),
        }
    }
    if context.json {
        let row = |s: &Scenario| {
            json!({"name": s.name, "summary": s.summary, "contracts": s.hypothesis.contracts,
                "observe_seconds": s.phases.observe_seconds, "expect_violation": s.hypothesis.expect_violation,
                "expect_violated": s.hypothesis.violated()})
        };
        outln!("{}", Value::Array(rows.iter().map(row).collect()));
        return whole(&broken);
    }
    for scenario in rows {
        let contracts: Vec<String> = scenario
            .hypothesis
            .contracts
            .iter()
            .map(ToString::to_string)
            .collect();
        outln!(
            "{:<30} {:<18} {}",
            scenario.name,
            contracts.join(" "),
            scenario.summary
        );
    }
    match library::gaps(&context.places, &context.lab) {
        Ok(gaps) => {
            outln!("\nnot covered");
            for gap in gaps {
                outln!("{:<30} {}", gap.subject, gap.reason);
            }
        }
        Err(error) => broken.push(error),
    }
    whole(&broken)
}

/// Told after the list: a file that is wrong must not hide the others.
fn whole(broken: &[LibraryError]) -> Result<Outcome, Failure> {
    let Some(first) = broken.first() else {
        return Ok(Outcome::Done);
    };
    let told: Vec<String> = broken.iter().map(|error| chain(error)).collect();
    Err(Failure::new(
        Outcome::Usage,
        "DY-0150",
        told.join("\n  "),
        first.next(),
    ))
}

fn show(context: &Context, name: &str) -> Result<Outcome, Failure> {
    let scenario = library::load(&context.places, name).map_err(|e| refused_scenario(&e))?;
    if context.json {
        outln!("{}", serde_json::to_value(&scenario).unwrap_or_default());
    } else {
        out!("{}", scenario.to_yaml());
    }
    Ok(Outcome::Done)
}

/// The daemon knows what is installed; without one the plan is made as if every component folder were.
fn plan(context: &Context, name: &str) -> Result<Outcome, Failure> {
    library::load(&context.places, name).map_err(|e| refused_scenario(&e))?;
    let asked = block_on(async {
        let Some(mut client) = connect(context).await else {
            return Ok(None);
        };
        let request = StartDrillRequest {
            name: name.to_owned(),
            dry_run: true,
        };
        let answer = client.start_drill(request).await.map_err(|s| refused(&s))?;
        Ok(Some(answer.into_inner().plan_json))
    })?;
    let document: Value = match asked {
        Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        None => {
            eprintln!(
                "no coordinator serves this lab: the plan is made as if every component folder were installed"
            );
            offline_plan(context, name)?
        }
    };
    if context.json {
        outln!("{document}");
    } else {
        out!("{}", document["text"].as_str().unwrap_or_default());
    }
    Ok(Outcome::Done)
}

fn offline_plan(context: &Context, name: &str) -> Result<Value, Failure> {
    let scenario = library::load(&context.places, name).map_err(|e| refused_scenario(&e))?;
    let wrong = |e: &(dyn std::error::Error + 'static)| {
        Failure::from_error(
            Outcome::Usage,
            "DY-0150",
            e,
            format!("coordinator drill show {name}"),
        )
    };
    let components: Vec<_> = components::load(&context.lab, &context.places, host_facts::look())
        .map_err(|e| wrong(&e))?
        .into_iter()
        .map(|l| l.component)
        .collect();
    let present = Present::assumed(&context.lab, &components);
    let mut plan = drill_plan(&scenario, &context.lab, &components, &present).map_err(|e| wrong(&e))?;
    plan.gaps = library::gaps(&context.places, &context.lab).map_err(|e| refused_scenario(&e))?;
    let foresight = Foresight::unseen(&plan, "no coordinator serves this lab, so nobody can be asked");
    Ok(foresight.document(&plan))
}

fn refused_scenario(error: &LibraryError) -> Failure {
    Failure::from_error(Outcome::Usage, "DY-0150", error, error.next())
}
