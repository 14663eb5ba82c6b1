//! Faults on the host, each a lease with its undo in a process of its own.
//!
//! ```text
//! inject: record (fsynced) ─► guard process (setsid, waited for) ─► fault ─► record
//! undo:   deadline or dead owner (guard) · release · a new coordinator · `drill doctor` · `down`
//! ```
//!
//! The host may have no service manager, so the guard of a lease is a detached process of our own program. It holds
//! nothing but the lease's id: what it needs is in the record, and what it undoes it finds by the names of nodes and tables.

mod act;
mod cut;
mod guard;
mod link;
mod power;
mod record;
mod residue;
mod stray;

pub(crate) use link::is_down as port_is_down;

use std::path::Path;

use model::fault::HostFault;
use model::ids::LeaseId;
use model::lab::Lab;
use model::lease::{LeaseState, LeaseStatus, Span, Terms, UndoCause};

use crate::clock::now;
use crate::error::LaunchError;
use crate::process::ProcessId;
use crate::spec::LabHandle;
use record::{Record, boot_id, monotonic_ms};

pub use guard::run as run_guard;
pub use residue::{heal, survey};

/// Records and arms the undo, injects the fault, and records that. `program` is our own, which knows `lease-guard`; `armed` is
/// called between arming and injecting, for whoever wants several faults to begin in one moment.
///
/// # Errors
/// When the fault is not there whole; what was there of it is undone then, now or by the guard.
pub fn inject(
    handle: &LabHandle,
    lab: &Lab,
    program: &Path,
    lease: LeaseId,
    terms: Terms,
    fault: &HostFault,
    armed: impl FnOnce(),
) -> Result<LeaseStatus, LaunchError> {
    handle.check()?;
    let _lock = record::lock(handle, lease)?;
    if Record::load(handle, lease)?.is_some() {
        return Err(refused(lease, "was used before"));
    }
    let mut record = fresh(lease, terms, fault);
    record.save(handle)?;
    match guard::spawn(handle, program, lease) {
        Ok(guard) => record.guard = Some(guard),
        Err(error) => {
            finish(handle, &mut record, UndoCause::InjectFailed)?;
            return Err(error);
        }
    }
    record.save(handle)?;
    armed();
    let from = now();
    let to = match act::inject(handle, lab, lease, fault) {
        Ok(whole) => whole,
        Err(error) => {
            finish(handle, &mut record, UndoCause::InjectFailed)?;
            return Err(error);
        }
    };
    record.status.injected = Some(Span { from, to });
    record.status.state = LeaseState::Injected;
    record.save(handle)?;
    Ok(record.status)
}

/// Moves the deadline to one time to live from now, within the terms. The guard reads it from the record.
///
/// # Errors
/// When the lease is over or at its maximum.
pub fn renew(handle: &LabHandle, lease: LeaseId) -> Result<LeaseStatus, LaunchError> {
    let _lock = record::lock(handle, lease)?;
    let mut record = Record::load(handle, lease)?
        .filter(Record::is_outstanding)
        .ok_or_else(|| refused(lease, "is not outstanding"))?;
    let at = monotonic_ms();
    let due = at
        .saturating_add(record.terms.ttl_ms())
        .min(record.armed_ms.saturating_add(record.terms.max_ms()));
    if due <= record.due_ms {
        return Err(refused(lease, "cannot be renewed beyond its maximum"));
    }
    record.due_ms = due;
    record.status.deadline = now().plus_millis(due.saturating_sub(at));
    record.save(handle)?;
    Ok(record.status)
}

/// Undoes the fault now; one that is undone, or was never there, is fine.
///
/// # Errors
/// When it could not be undone; the guard goes on trying.
pub fn undo(
    handle: &LabHandle,
    lease: LeaseId,
    cause: UndoCause,
) -> Result<Option<LeaseStatus>, LaunchError> {
    let _lock = record::lock(handle, lease)?;
    let Some(mut record) = Record::load(handle, lease)? else {
        return Ok(None);
    };
    let renewed = cause == UndoCause::Expired && monotonic_ms() < record.due_ms && record.boot == boot_id();
    if record.is_outstanding() && !renewed {
        finish(handle, &mut record, cause)?;
    }
    Ok(Some(record.status))
}

/// Undoes every outstanding lease; the first failure is told after all were tried.
///
/// # Errors
/// The first failure.
pub fn undo_all(handle: &LabHandle, cause: UndoCause) -> Result<(), LaunchError> {
    let mut first = Ok(());
    for record in record::all(handle) {
        let undone = undo(handle, record.status.lease, cause).map(|_| ());
        first = first.and(undone);
    }
    record::prune(handle)?;
    first
}

/// The lease as it is now.
///
/// # Errors
/// When its record cannot be read.
pub fn status(handle: &LabHandle, lease: LeaseId) -> Result<Option<LeaseStatus>, LaunchError> {
    Ok(Record::load(handle, lease)?.map(|record| record.status))
}

/// Starts a guard for every outstanding lease that has none any more. Cheap when there is nothing to do.
///
/// # Errors
/// When a guard cannot be started.
pub fn tend(handle: &LabHandle, program: &Path) -> Result<(), LaunchError> {
    for lease in record::all(handle) {
        let guarded = lease.guard.is_some_and(ProcessId::is_alive);
        if !lease.is_outstanding() || guarded {
            continue;
        }
        let _lock = record::lock(handle, lease.status.lease)?;
        if let Some(mut record) = Record::load(handle, lease.status.lease)?.filter(Record::is_outstanding) {
            record.guard = Some(guard::spawn(handle, program, record.status.lease)?);
            record.save(handle)?;
        }
    }
    Ok(())
}

/// Drops all leases of a lab whose nodes are about to be removed: guards end, and what is not a node's goes.
pub(crate) fn forget(handle: &LabHandle) -> Result<(), LaunchError> {
    for record in record::all(handle) {
        if let Some(guard) = record.guard {
            guard.signal(nix::sys::signal::Signal::SIGKILL);
        }
    }
    cut::remove_all(&handle.lab)?;
    record::remove_all(handle)
}

fn finish(handle: &LabHandle, record: &mut Record, cause: UndoCause) -> Result<(), LaunchError> {
    let booted = record.boot != boot_id();
    let from = now();
    // A host that booted has neither nodes that run nor packet filters; `up` brings the nodes back.
    let mended = if booted {
        Ok(())
    } else {
        act::mend(handle, record.status.lease, &record.fault)
    };
    if let Err(error) = mended {
        record.status.trouble = Some(model::causes::chain(&error));
        record.save(handle)?;
        return Err(error);
    }
    record.status.undone = Some(Span { from, to: now() });
    record.status.state = LeaseState::Undone;
    record.status.cause = Some(if booted { UndoCause::Boot } else { cause });
    record.status.trouble = None;
    record.save(handle)
}

fn fresh(lease: LeaseId, terms: Terms, fault: &HostFault) -> Record {
    let (armed, armed_ms) = (now(), monotonic_ms());
    Record {
        fault: fault.clone(),
        terms,
        boot: boot_id(),
        armed_ms,
        due_ms: armed_ms.saturating_add(terms.ttl_ms()),
        owner: i32::try_from(std::process::id()).ok().and_then(ProcessId::of),
        guard: None,
        status: LeaseStatus {
            lease,
            state: LeaseState::Armed,
            armed,
            deadline: armed.plus_millis(terms.ttl_ms()),
            injected: None,
            undone: None,
            cause: None,
            trouble: None,
        },
    }
}

fn refused(lease: LeaseId, rule: &'static str) -> LaunchError {
    LaunchError::Lease {
        lease: lease.to_string(),
        rule,
    }
}

#[cfg(test)]
mod tests;
