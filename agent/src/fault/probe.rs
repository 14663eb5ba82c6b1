//! What the operating system says of steps that are about faults.

use super::record::Record;
use super::{Trace, outstanding, survey, trace};
use crate::step::Context;
use model::ids::LeaseId;
use model::lease::LeaseState;
use model::step::{NodeStep, ProbeResult};

/// Looks, and changes nothing. For steps about anything else the answer is that nothing started.
pub(crate) fn probe(context: &Context, step: &NodeStep) -> ProbeResult {
    match step {
        NodeStep::InjectFault { lease, .. } => injected(context, *lease),
        NodeStep::RenewFault { lease, number } => renewed(context, *lease, *number),
        NodeStep::ReleaseFault { lease } => released(context, *lease),
        NodeStep::HealFaults { .. } => healed(context),
        _ => ProbeResult::NotStarted,
    }
}

fn injected(context: &Context, lease: LeaseId) -> ProbeResult {
    let record = match read(context, lease) {
        Ok(Some(record)) => record,
        Ok(None) => return ProbeResult::NotStarted,
        Err(broken) => return broken,
    };
    match record.status.state {
        LeaseState::Injected => ProbeResult::Done,
        LeaseState::Undone => {
            let cause = record.status.cause.map(|c| c.to_string()).unwrap_or_default();
            ProbeResult::Broken {
                detail: format!("the fault is undone ({cause}), its lease is over"),
            }
        }
        LeaseState::Armed => ProbeResult::Partial {
            detail: match trace(context, lease, &record.fault) {
                Ok(Trace::Nothing) => "the undo is armed, nothing is broken".into(),
                Ok(Trace::Part(what)) => format!("the undo is armed, and {what}"),
                Ok(Trace::Whole) => "the fault is there and not recorded as injected".into(),
                Err(error) => format!("the undo is armed; {}", error.chain()),
            },
        },
    }
}

fn renewed(context: &Context, lease: LeaseId, number: u32) -> ProbeResult {
    match read(context, lease) {
        Ok(Some(record)) if record.renewal >= number => ProbeResult::Done,
        Ok(Some(record)) if !record.is_outstanding() => ProbeResult::Broken {
            detail: "the lease is over".into(),
        },
        Ok(_) => ProbeResult::NotStarted,
        Err(broken) => broken,
    }
}

fn released(context: &Context, lease: LeaseId) -> ProbeResult {
    match read(context, lease) {
        Ok(Some(record)) if record.is_outstanding() => ProbeResult::Partial {
            detail: "the lease is outstanding".into(),
        },
        Ok(_) => ProbeResult::Done,
        Err(broken) => broken,
    }
}

fn healed(context: &Context) -> ProbeResult {
    let residue = survey(context).residue;
    let leases = outstanding(&context.paths).len();
    if leases == 0 && residue.is_empty() {
        return ProbeResult::Done;
    }
    ProbeResult::Partial {
        detail: format!("{leases} leases are outstanding; {}", residue.join("; ")),
    }
}

fn read(context: &Context, lease: LeaseId) -> Result<Option<Record>, ProbeResult> {
    Record::read(&context.paths, lease).map_err(|error| ProbeResult::Broken {
        detail: format!("the lease's record cannot be read: {error}"),
    })
}
