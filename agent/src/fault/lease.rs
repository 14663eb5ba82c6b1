//! The protocol of a lease: recorded, armed, injected, renewed, undone. Every arrow is durable before the next.

use super::record::{self, Record};
use super::{arm, inject as break_it, mend, prepare};
use crate::clock;
use crate::failpoint::{Arrow, reach};
use crate::paths::Paths;
use crate::step::{Context, StepError};
use model::fault::NodeFault;
use model::ids::LeaseId;
use model::lease::{LeaseState, LeaseStatus, Span, Terms, UndoCause};
use std::io;
use std::time::Duration;

/// Tries of one process to undo a lease, before its unit is started anew.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Records the undo, arms it, injects the fault, records that. A failure in between undoes at once.
pub(crate) fn inject(
    context: &Context,
    lease: LeaseId,
    terms: Terms,
    fault: &NodeFault,
) -> Result<(), StepError> {
    let paths = &context.paths;
    let _lock = locked(paths, lease)?;
    let mut record = match read(paths, lease)? {
        None => fresh(context, lease, terms, fault)?,
        Some(record) if record.fault != *fault => {
            return Err(StepError::Lease("names another fault on this node"));
        }
        Some(record) if record.status.state == LeaseState::Injected => return Ok(()),
        Some(record) if !record.is_outstanding() => {
            return Err(StepError::Lease(
                "is over; a fault is never injected twice under one lease",
            ));
        }
        // Whoever recorded it died before it was injected, or armed: injecting may be repeated, under a timer of its own.
        Some(record) => {
            let now = clock::monotonic_ms();
            arm::arm(lease, now, record.due_ms.saturating_sub(now).max(1))?;
            record
        }
    };
    if clock::monotonic_ms() >= record.due_ms {
        return Err(StepError::Lease("is over before the fault was injected"));
    }
    context.say("injecting the fault");
    let broken = prepare(context, lease, fault).and_then(|targets| break_it(context, lease, fault, &targets));
    let injected = match broken {
        Ok(injected) => injected,
        Err(error) => {
            // The first cause is what the operator must see; the timer stands for a mending that fails as well.
            finish(context, record, UndoCause::InjectFailed)?;
            return Err(error);
        }
    };
    reach(Arrow::Injected);
    if clock::monotonic_ms() >= record.due_ms {
        // Injecting took so long that the timer waits for our lock already.
        finish(context, record, UndoCause::Expired)?;
        return Err(StepError::Lease("was over before the fault was there whole"));
    }
    record.status.injected = Some(injected);
    record.status.state = LeaseState::Injected;
    write(paths, &record)
}

/// Durable first, then the timer: a record without a timer is undone by the helper, a timer without a record does nothing.
fn fresh(context: &Context, lease: LeaseId, terms: Terms, fault: &NodeFault) -> Result<Record, StepError> {
    let paths = &context.paths;
    let (now, armed_ms) = (clock::now(), clock::monotonic_ms());
    let record = Record {
        node: context.node.clone(),
        fault: fault.clone(),
        terms,
        boot: clock::boot_id(&paths.boot()).map_err(StepError::io("read", paths.boot()))?,
        armed_ms,
        due_ms: armed_ms.saturating_add(terms.ttl_ms()),
        renewal: 0,
        status: LeaseStatus {
            lease,
            state: LeaseState::Armed,
            armed: now,
            deadline: now.plus_millis(terms.ttl_ms()),
            injected: None,
            undone: None,
            cause: None,
            trouble: None,
        },
    };
    write(paths, &record)?;
    reach(Arrow::LeaseRecorded);
    arm::arm(lease, 0, terms.ttl_ms())?;
    reach(Arrow::LeaseArmed);
    Ok(record)
}

/// Moves the deadline to one time to live from now, but not beyond the terms' maximum.
pub(crate) fn renew(context: &Context, lease: LeaseId, number: u32) -> Result<(), StepError> {
    let paths = &context.paths;
    let _lock = locked(paths, lease)?;
    let mut record = read(paths, lease)?
        .filter(Record::is_outstanding)
        .ok_or(StepError::Lease("is not outstanding"))?;
    if record.renewal >= number {
        return Ok(());
    }
    let now = clock::monotonic_ms();
    let limit = record.armed_ms.saturating_add(record.terms.max_ms());
    let due = now.saturating_add(record.terms.ttl_ms()).min(limit);
    if due <= record.due_ms {
        return Err(StepError::Lease("cannot be renewed beyond its maximum"));
    }
    // The new timer first: should we die here, the old one still finds the old deadline in the record.
    arm::arm(lease, number.into(), due.saturating_sub(now))?;
    record.renewal = number;
    record.due_ms = due;
    record.status.deadline = clock::now().plus_millis(due.saturating_sub(now));
    write(paths, &record)
}

/// Undoes one lease, trying until it is done or the tries are used up. One that is over, or unknown, is fine.
pub fn undo(paths: &Paths, lease: LeaseId, cause: UndoCause) -> Result<(), StepError> {
    let mut tried = 0;
    loop {
        match undo_once(paths, lease, cause) {
            Err(error) if tried < TRIES => {
                tried += 1;
                eprintln!("not undone yet: {}", error.chain());
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn undo_once(paths: &Paths, lease: LeaseId, cause: UndoCause) -> Result<(), StepError> {
    let _lock = locked(paths, lease)?;
    let Some(record) = read(paths, lease)?.filter(Record::is_outstanding) else {
        return Ok(());
    };
    // A timer of before the last renewal: the later one is armed.
    if cause == UndoCause::Expired && clock::monotonic_ms() < record.due_ms && !rebooted(paths, &record) {
        return Ok(());
    }
    let context = Context {
        paths: paths.clone(),
        node: record.node.clone(),
        progress: None,
    };
    finish(&context, record, cause)
}

/// Mends and records; the caller holds the lock.
fn finish(context: &Context, mut record: Record, cause: UndoCause) -> Result<(), StepError> {
    let (paths, lease) = (&context.paths, record.lease());
    let booted = cause == UndoCause::Boot || rebooted(paths, &record);
    let cause = if booted { UndoCause::Boot } else { cause };
    let from = clock::now();
    if let Err(error) = mend(context, lease, &record.fault, booted) {
        record.status.trouble = Some(error.chain());
        write(paths, &record)?;
        return Err(error);
    }
    reach(Arrow::Mended);
    record.status.undone = Some(Span {
        from,
        to: clock::now(),
    });
    record.status.state = LeaseState::Undone;
    record.status.cause = Some(cause);
    record.status.trouble = None;
    write(paths, &record)?;
    arm::disarm(lease);
    Ok(())
}

/// Undoes every outstanding lease; the first failure is told after all were tried.
pub fn undo_all(paths: &Paths, cause: UndoCause) -> Result<(), StepError> {
    let mut first = Ok(());
    for record in record::readable(paths).iter().filter(|r| r.is_outstanding()) {
        let undone = undo(paths, record.lease(), cause);
        first = first.and(undone);
    }
    record::prune(paths).map_err(StepError::io("prune", paths.leases()))?;
    first
}

/// Only a boot that is known to be another one: mending too much is harmless, mending too little is not.
fn rebooted(paths: &Paths, record: &Record) -> bool {
    clock::boot_id(&paths.boot()).is_ok_and(|boot| boot != record.boot)
}

fn locked(paths: &Paths, lease: LeaseId) -> Result<nix::fcntl::Flock<std::fs::File>, StepError> {
    crate::durable::folder(&paths.leases(), 0o700)
        .and_then(|()| record::lock(paths, lease))
        .map_err(StepError::io("lock", paths.leases()))
}

fn read(paths: &Paths, lease: LeaseId) -> Result<Option<Record>, StepError> {
    Record::read(paths, lease).map_err(StepError::io("read", paths.leases()))
}

fn write(paths: &Paths, record: &Record) -> Result<(), StepError> {
    let written: io::Result<()> = record.write(paths);
    written.map_err(StepError::io("write", paths.leases()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use model::ids::NodeName;

    #[test]
    fn a_lease_that_is_not_outstanding_is_refused_with_its_code_and_undone_for_free() {
        let dir = tempfile::tempdir().expect("temp");
        let context = Context {
            paths: Paths::below(dir.path()),
            node: NodeName::new("a").expect("valid"),
            progress: None,
        };
        let lease = LeaseId([6; 16]);
        let error = renew(&context, lease, 1).expect_err("unknown");
        assert_eq!(error.code(), codes::LEASE);
        undo(&context.paths, lease, UndoCause::Expired).expect("nothing to undo");
        undo_all(&context.paths, UndoCause::Boot).expect("nothing to undo");
    }
}
