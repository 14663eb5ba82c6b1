//! The run of a drill as a pure machine: `step(run, event, now)` gives records to make durable and effects to perform after.
//!
//! ```text
//! guard ──► steady ──► inject ──► observe ──► revert ──► verify ──► verdict
//!   │          │          └── abort ───┘         ▲ ▲                    ▲
//!   └──────────┴── abort: nothing is broken ─────┼─┼────────────────────┘
//!                              coordinator lost ─┘ └─ lease nearly over
//! ```
//!
//! One promise stands above all: a fault whose intention is on record is undone, or its lease has ended by itself, before
//! the run finishes, whoever dies in between. A restart folds the records and sends [`Event::Restarted`].

mod advance;
mod deeds;
mod fold;

pub use fold::{FaultState, FaultStatus, Run};

use super::deed::Deed;
use super::live::Live;
use super::record::{AbortCause, Record};
use super::report::verdict::Verdict;
use model::lease::UndoCause;
use model::moment::Moment;

/// How long after the end of a lease an undo is still tried before the run gives it to `drill doctor`, milliseconds.
pub const GIVE_UP_MS: u64 = 30_000;

/// Time from a failed undo to the next try, milliseconds.
pub const UNDO_RETRY_MS: u64 = 2_000;

/// Time before the end of the shortest lease at which an outage is ended, milliseconds.
pub const LEASE_RESERVE_MS: u64 = 5_000;

/// What happens to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The coordinator is there again, and the run is not at its end.
    Restarted,
    /// Guards were looked at; what does not hold, each with the reason.
    GuardsChecked(Vec<String>),
    /// A fault took hold between these moments.
    Injected {
        /// Which.
        fault: String,
        /// Last moment without it.
        from: Moment,
        /// First moment with it.
        to: Moment,
    },
    /// A fault did not take hold, or only in part.
    InjectFailed {
        /// Which.
        fault: String,
        /// Why.
        reason: String,
    },
    /// A fault is gone.
    Undone {
        /// Which.
        fault: String,
        /// Last moment with it.
        from: Moment,
        /// First moment without it.
        to: Moment,
        /// Why its place had ended it before it was told to, if it had.
        ended_by: Option<UndoCause>,
    },
    /// A fault could not be undone.
    UndoFailed {
        /// Which.
        fault: String,
        /// Why.
        reason: String,
    },
    /// Something was done to the drill's own ExternalSecrets.
    DeedDone {
        /// The probe that watches them.
        probe: String,
        /// What.
        deed: Deed,
        /// Last moment before it.
        from: Moment,
        /// First moment after it.
        to: Moment,
    },
    /// It was not done, or only in part.
    DeedFailed {
        /// The probe that watches them.
        probe: String,
        /// What.
        deed: Deed,
        /// Why.
        reason: String,
    },
    /// The operator wants it to end.
    AbortRequested,
    /// Time passed; this is what the probes say.
    Tick(Live),
    /// The history was judged.
    Judged(Verdict),
}

/// What must be done once the records are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at the guards; answer with [`Event::GuardsChecked`].
    CheckGuards,
    /// Start the probes that the plan does not skip.
    StartProbes,
    /// Inject under a lease that ends at `deadline`; answer with `Injected` or `InjectFailed`.
    Inject {
        /// Which.
        fault: String,
        /// End of the lease.
        deadline: Moment,
    },
    /// Undo, also when the injection failed or its outcome is unknown; answer with `Undone` or `UndoFailed`.
    Undo {
        /// Which.
        fault: String,
    },
    /// Do something to the drill's own ExternalSecrets that `probe` watches; answer with `DeedDone` or `DeedFailed`.
    Perform {
        /// The probe.
        probe: String,
        /// What.
        deed: Deed,
    },
    /// Judge; answer with `Judged`.
    Judge,
}

/// What follows from an event: first the records, durably and in this order; then the effects.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Decision {
    /// To be appended, fsynced and applied.
    pub records: Vec<Record>,
    /// To be performed after that.
    pub effects: Vec<Effect>,
}

/// Begins a run. The state is what folding these records gives.
pub fn begin(run: model::ids::RunId, plan: super::plan::DrillPlan) -> Decision {
    Decision {
        records: vec![
            Record::Started {
                run,
                plan: Box::new(plan),
            },
            Record::PhaseEntered {
                phase: super::record::Phase::Guard,
            },
        ],
        effects: vec![Effect::CheckGuards],
    }
}

/// Decides. Pure: the same run, event and moment give the same decision.
pub fn step(run: &Run, event: Event, now: Moment) -> Decision {
    if run.finished.is_some() {
        return Decision::default();
    }
    let mut draft = advance::Draft::new(run, now);
    match event {
        Event::Restarted => draft.restarted(),
        Event::GuardsChecked(failed) => draft.guards_checked(failed),
        Event::Injected { fault, from, to } => draft.record(Record::FaultInjected { fault, from, to }),
        Event::InjectFailed { fault, reason } => draft.inject_failed(fault, reason),
        Event::Undone {
            fault,
            from,
            to,
            ended_by,
        } => draft.record(Record::FaultUndone {
            fault,
            from,
            to,
            ended_by,
        }),
        Event::UndoFailed { fault, reason } => draft.record(Record::UndoFailed { fault, reason }),
        Event::DeedDone {
            probe,
            deed,
            from,
            to,
        } => draft.deed_done(probe, deed, (from, to)),
        Event::DeedFailed { probe, deed, reason } => draft.deed_failed(probe, deed, reason),
        Event::AbortRequested => draft.abort_requested(),
        Event::Tick(live) => draft.tick(&live),
        Event::Judged(verdict) => draft.judged(verdict),
    }
    draft.advance();
    draft.decision
}

/// Whether a history may be acquitted or convicted, seen from how its run went.
pub fn is_conclusive(abort: Option<&AbortCause>) -> bool {
    abort.is_none_or(AbortCause::is_part_of_the_drill)
}
