//! Conditions of the node in the Kubernetes style; only changes are told. Pure.
//!
//! What swings is held: a level is left at another mark than it is entered, and a verdict that one slow answer could cause
//! must be found several times in a row before it is told.

use super::look::Look;
use model::fact::{Condition, ConditionStatus, NodeFacts};
use model::moment::Moment;
use std::collections::BTreeMap;

/// Free bytes below which disk or memory is under pressure, and above which it is not any more. The disk's mark is
/// kubelet's own threshold here.
const DISK_FREE: Marks = Marks {
    enter: 1 << 30,
    leave: (1 << 30) + (1 << 28),
};
const MEMORY_FREE: Marks = Marks {
    enter: 100 << 20,
    leave: 150 << 20,
};

/// Thousandths of the time in which something waited.
const STALLED_MEMORY: Marks = Marks {
    enter: 200,
    leave: 100,
};
const STALLED_CPU: Marks = Marks {
    enter: 900,
    leave: 600,
};
const STALLED_IO: Marks = Marks {
    enter: 600,
    leave: 300,
};

/// A clock that is off by more than this is not good enough to order events, microseconds.
const CLOCK_OFF: Marks = Marks {
    enter: 500_000,
    leave: 250_000,
};

/// A certificate of which less than this share is left was not renewed at its half.
const CERTIFICATE_LEFT_PERCENT: u64 = 25;

/// Looks in a row that must agree before a verdict that swings is told.
const HOLD: u32 = 3;

/// As many for a unit that does not run: a restart is over before the next look.
const HOLD_DOWN: u32 = 2;

/// Where a condition begins and where it ends.
struct Marks {
    enter: u64,
    leave: u64,
}

impl Marks {
    /// For what is bad when it is low.
    fn below(&self, value: u64, is_so: bool) -> bool {
        value < if is_so { self.leave } else { self.enter }
    }

    /// For what is bad when it is high.
    fn above(&self, value: u64, is_so: bool) -> bool {
        value > if is_so { self.leave } else { self.enter }
    }
}

/// How long something waited, and where that was measured.
#[derive(Clone, Copy)]
struct Stalls {
    milli: Option<u64>,
    of_machine: bool,
}

impl Stalls {
    /// For people, at the end of a sentence: a node that shares its machine may have no part in what was measured.
    fn scope(self) -> &'static str {
        if self.of_machine {
            ", measured for the whole machine"
        } else {
            ""
        }
    }
}

/// The conditions as last told, and verdicts that are not believed yet.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    told: BTreeMap<&'static str, Condition>,
    pending: BTreeMap<&'static str, (ConditionStatus, u32)>,
}

/// What one look gives for one condition.
struct Verdict {
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    /// Looks in a row that must agree.
    hold: u32,
}

impl Conditions {
    /// The conditions whose status or reason changed.
    pub(super) fn update(&mut self, look: &Look, now: Moment) -> Vec<Condition> {
        let mut changed = Vec::new();
        for verdict in self.judge(look, now) {
            let Verdict {
                kind,
                status,
                reason,
                message,
                hold,
            } = verdict;
            let old = self.told.get(kind);
            if old.is_some_and(|c| c.status == status && c.reason == reason) {
                self.pending.remove(kind);
                continue;
            }
            if old.is_some_and(|c| c.status != status) && !self.holds(kind, status, hold) {
                continue;
            }
            let old = self.told.get(kind);
            let since = old.filter(|c| c.status == status).map_or(now, |c| c.since);
            let condition = Condition {
                kind: kind.into(),
                status,
                reason: reason.into(),
                message,
                since,
            };
            self.told.insert(kind, condition.clone());
            changed.push(condition);
        }
        changed
    }

    /// Whether `status` was found often enough in a row.
    fn holds(&mut self, kind: &'static str, status: ConditionStatus, wanted: u32) -> bool {
        let (last, count) = self.pending.entry(kind).or_insert((status, 0));
        *count = if *last == status { *count + 1 } else { 1 };
        *last = status;
        let held = *count >= wanted;
        if held {
            self.pending.remove(kind);
        }
        held
    }

    fn is(&self, kind: &str, status: ConditionStatus) -> bool {
        self.told.get(kind).is_some_and(|c| c.status == status)
    }

    fn judge(&self, look: &Look, now: Moment) -> Vec<Verdict> {
        let facts = &look.facts;
        let mut all = vec![
            service("ContainerdRunning", look.containerd, "containerd"),
            kubelet(look),
            self.disk(look.disk_free),
            self.memory(facts),
        ];
        let stalls = |milli| Stalls {
            milli,
            of_machine: facts.psi_of_machine,
        };
        let (cpu, io) = (stalls(facts.psi_cpu_milli), stalls(facts.psi_io_milli));
        all.push(self.stalled("CpuPressure", cpu, &STALLED_CPU, "a CPU"));
        all.push(self.stalled("IoPressure", io, &STALLED_IO, "the disk"));
        all.extend(self.control_plane(look));
        all.push(self.clock(look));
        all.extend(certificate(look, now));
        all
    }

    fn disk(&self, free: Option<u64>) -> Verdict {
        let kind = "DiskPressure";
        let Some(free) = free else {
            let message = "the disk cannot be measured".to_owned();
            return verdict(kind, ConditionStatus::Unknown, "NotMeasured", message, 1);
        };
        if DISK_FREE.below(free, self.is(kind, ConditionStatus::True)) {
            let message = format!("{} MiB are free", free >> 20);
            verdict(kind, ConditionStatus::True, "LittleFree", message, 1)
        } else {
            verdict(
                kind,
                ConditionStatus::False,
                "EnoughFree",
                "enough is free".into(),
                1,
            )
        }
    }

    fn memory(&self, facts: &NodeFacts) -> Verdict {
        let kind = "MemoryPressure";
        let is_so = self.is(kind, ConditionStatus::True);
        let left = facts.memory_limit.saturating_sub(facts.memory_used);
        if facts.memory_limit > 0 && MEMORY_FREE.below(left, is_so) {
            let message = format!("{} MiB are left", left >> 20);
            return verdict(kind, ConditionStatus::True, "LittleFree", message, 1);
        }
        let stalls = Stalls {
            milli: facts.psi_memory_milli,
            of_machine: facts.psi_of_machine,
        };
        let stalled = stalls
            .milli
            .is_some_and(|milli| STALLED_MEMORY.above(milli, is_so));
        if facts.memory_limit == 0 || stalled {
            return self.stalled(kind, stalls, &STALLED_MEMORY, "memory");
        }
        let message = "enough is left".to_owned();
        verdict(kind, ConditionStatus::False, "EnoughFree", message, HOLD)
    }

    /// A kernel that does not measure stalls leaves it unknown.
    fn stalled(&self, kind: &'static str, stalls: Stalls, marks: &Marks, what: &str) -> Verdict {
        let Some(milli) = stalls.milli else {
            let message = format!("the kernel does not tell how long processes wait for {what}");
            return verdict(kind, ConditionStatus::Unknown, "NotMeasured", message, HOLD);
        };
        let scope = stalls.scope();
        if marks.above(milli, self.is(kind, ConditionStatus::True)) {
            let message = format!("processes waited for {what} {} % of the time{scope}", milli / 10);
            verdict(kind, ConditionStatus::True, "Stalled", message, HOLD)
        } else {
            let message = format!("nothing waits long for {what}{scope}");
            verdict(kind, ConditionStatus::False, "NotStalled", message, HOLD)
        }
    }

    /// Not told on a worker. Before anything answered once it is not known whether it should.
    fn control_plane(&self, look: &Look) -> Option<Verdict> {
        let silent = look.control_plane.as_ref()?;
        let kind = "ControlPlaneRunning";
        let told = self.told.get(kind).map(|c| c.status);
        let began = matches!(told, Some(ConditionStatus::True | ConditionStatus::False));
        Some(if silent.is_empty() {
            let message = "API server, etcd, scheduler and controller manager listen".to_owned();
            verdict(kind, ConditionStatus::True, "Listening", message, 1)
        } else if !began && silent.len() == super::look::CONTROL_PLANE.len() {
            let message = "nothing of it listens yet".to_owned();
            verdict(kind, ConditionStatus::Unknown, "NotStarted", message, 1)
        } else {
            let message = format!("not listening: {}", silent.join(", "));
            verdict(kind, ConditionStatus::False, "NotListening", message, 2)
        })
    }

    fn clock(&self, look: &Look) -> Verdict {
        let kind = "ClockSynced";
        let Some(clock) = look.clock else {
            let message = "not compared with the coordinator's since the session began".to_owned();
            return verdict(kind, ConditionStatus::Unknown, "NotMeasured", message, 1);
        };
        // Only what is certain counts: the bound is given to the clock.
        let off = clock
            .offset_micros
            .unsigned_abs()
            .saturating_sub(clock.bound_micros);
        if CLOCK_OFF.above(off, self.is(kind, ConditionStatus::False)) {
            let way = if clock.offset_micros > 0 {
                "ahead of"
            } else {
                "behind"
            };
            let message = format!(
                "{} ms {way} the coordinator's clock, give or take {} ms",
                clock.offset_micros.unsigned_abs() / 1000,
                clock.bound_micros.div_ceil(1000)
            );
            verdict(kind, ConditionStatus::False, "Off", message, 1)
        } else {
            verdict(
                kind,
                ConditionStatus::True,
                "Close",
                "close to the coordinator's clock".into(),
                1,
            )
        }
    }
}

fn verdict(
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    hold: u32,
) -> Verdict {
    Verdict {
        kind,
        status,
        reason,
        message,
        hold,
    }
}

fn service(kind: &'static str, runs: bool, name: &str) -> Verdict {
    if runs {
        verdict(kind, ConditionStatus::True, "Running", format!("{name} runs"), 1)
    } else {
        verdict(
            kind,
            ConditionStatus::False,
            "NotRunning",
            format!("{name} does not run"),
            HOLD_DOWN,
        )
    }
}

fn kubelet(look: &Look) -> Verdict {
    match (look.kubelet, look.kubelet_healthy) {
        (true, Some(false)) => {
            let message = "kubelet runs and does not answer its health check".to_owned();
            verdict(
                "KubeletRunning",
                ConditionStatus::False,
                "NotHealthy",
                message,
                HOLD,
            )
        }
        (runs, _) => service("KubeletRunning", runs, "kubelet"),
    }
}

/// Of the agent itself: without it the node is cut off from its coordinator. Not told before there is one.
fn certificate(look: &Look, now: Moment) -> Option<Verdict> {
    let (not_before, not_after) = look.certificate?;
    let (life, left) = (not_after.millis_since(not_before), not_after.millis_since(now));
    let kind = "CertificateValid";
    Some(if left == 0 {
        let message = format!("the agent's certificate ran out at {not_after}");
        verdict(kind, ConditionStatus::False, "Expired", message, 1)
    } else if left < life / 100 * CERTIFICATE_LEFT_PERCENT {
        let message = format!("the agent's certificate runs out at {not_after} and was not renewed");
        verdict(kind, ConditionStatus::False, "NotRenewed", message, 1)
    } else {
        let message = format!("the agent's certificate is valid until {not_after}");
        verdict(kind, ConditionStatus::True, "Valid", message, 1)
    })
}

#[cfg(test)]
mod tests;
