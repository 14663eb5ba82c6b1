//! `doctor`, and the preflight of `up`: what the host must have, and how to get it.

use super::Context;
use super::args::Doctor;
use super::bundle::LAST_PHASE;
use super::log_check;
use super::output::outln;
use super::progress::Display;
use crate::exit::{Failure, Outcome};
use bundle::Source;
use launcher::doctor::{HostCheck, HostNeeds, HostProvider, Level, apply_fix, host_report};
use launcher::{LabHandle, NetworkSpec};
use model::lab::Provider;

/// What six nodes with Cilium and mesh were measured to use together, with a quarter for growth.
const MEASURED_MEMORY_MIB: u64 = 6 * 1024;

/// What the nodes' sparse disks were measured to take, with room for logs.
const MEASURED_HOME_GIB: u64 = 8;

/// Room for a bundle that is built from nothing, when its plan cannot be made.
const FULL_BUNDLE_MIB: u64 = 20 * 1024;

/// What is asked of Go then.
const ANY_GO: &str = "1";

pub(crate) fn run(context: &Context, options: &Doctor) -> Result<Outcome, Failure> {
    let mut checks = look(context, LAST_PHASE);
    let mut log = log_check::look(&context.places);
    if options.fix {
        for check in checks.iter().filter(|c| c.level != Level::Ok && c.fix.is_some()) {
            eprintln!("mending {}", check.id);
            fix(check)?;
        }
        // All of it is read for a look, as at a start: one that is whole is not read again.
        if log.level != Level::Ok {
            mend_log(context)?;
            log = log_check::look(&context.places);
        }
        checks = look(context, LAST_PHASE);
    }
    checks.push(log);
    if context.json {
        outln!("{}", serde_json::to_string(&checks).unwrap_or_default());
    } else {
        for check in &checks {
            outln!("{}", line(check));
        }
    }
    let refused = checks.iter().any(|c| c.level == Level::Fail);
    Ok(if refused {
        Outcome::Preflight
    } else {
        Outcome::Done
    })
}

/// Refuses to go on with a host that cannot carry the lab; mends on consent.
pub(crate) fn preflight(
    context: &Context,
    phase: u8,
    consent: bool,
    display: &mut Display,
) -> Result<(), Failure> {
    let mut checks = look(context, phase);
    let mut mended = false;
    for check in checks
        .iter()
        .filter(|c| c.level != Level::Ok && c.fix.is_some() && consent)
    {
        display.note("host", &format!("mending {}: {}", check.id, check.remedy));
        fix(check)?;
        mended = true;
    }
    // Once where nothing was changed: a tool that hangs costs its whole limit at each look.
    if mended {
        checks = look(context, phase);
    }
    let failed: Vec<HostCheck> = checks.into_iter().filter(|c| c.level == Level::Fail).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let list = failed.iter().map(line).collect::<Vec<_>>().join("\n  ");
    let next = if failed.iter().all(|c| c.fix.is_some()) {
        "coordinator doctor --fix, or up --yes"
    } else {
        "coordinator doctor"
    };
    Err(Failure::new(
        Outcome::Preflight,
        "DY-0105",
        format!("this host is not ready:\n  {list}"),
        next,
    ))
}

fn fix(check: &HostCheck) -> Result<(), Failure> {
    let Some(fix) = &check.fix else { return Ok(()) };
    apply_fix(fix).map_err(|e| Failure::from_error(Outcome::Preflight, "DY-0106", &e, check.remedy.clone()))
}

fn mend_log(context: &Context) -> Result<(), Failure> {
    if let Some(aside) = log_check::mend(&context.places)? {
        eprintln!("mending log: the damaged one is now {}", aside.display());
    }
    Ok(())
}

fn line(check: &HostCheck) -> String {
    let status = match check.level {
        Level::Ok => "ok  ",
        Level::Warn => "warn",
        Level::Fail => "FAIL",
    };
    let remedy = if check.level == Level::Ok {
        String::new()
    } else {
        format!("; {}", check.remedy)
    };
    format!(
        "{status} {:<22} found {}, need {}{remedy}",
        check.id, check.found, check.need
    )
}

fn look(context: &Context, phase: u8) -> Vec<HostCheck> {
    // What the bundle still needs decides about disk and compilers; one that cannot be asked needs everything.
    let plan = super::bundle::for_phase(context, phase, Source::Build)
        .ok()
        .and_then(|builder| builder.plan().ok());
    let cache_mib = plan.as_ref().map_or(FULL_BUNDLE_MIB, |p| p.need_mib);
    let lab = &context.lab;
    let needs = HostNeeds {
        provider: match lab.provider {
            Provider::Nspawn => HostProvider::Nspawn,
            Provider::Multipass => HostProvider::Multipass,
        },
        network: NetworkSpec {
            bridge_address: lab.network.gateway,
            prefix: lab.network.subnet.prefix_len(),
        },
        memory_mib: MEASURED_MEMORY_MIB,
        home_gib: MEASURED_HOME_GIB,
        cache_gib: cache_mib.div_ceil(1024),
        go: match plan {
            Some(plan) => (!plan.steps.is_empty()).then_some(plan.go),
            None => Some(ANY_GO.to_owned()),
        },
    };
    let mut report = host_report(&handle(context), &needs);
    report.extend(super::host_checks::look(context));
    report
}

/// The lab as the launcher knows it.
pub(crate) fn handle(context: &Context) -> LabHandle {
    LabHandle {
        lab: context.lab.name.to_string(),
        home: context.places.home.clone(),
        cache: context.places.cache.clone(),
    }
}
