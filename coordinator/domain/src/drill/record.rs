//! What is made durable of a running drill, before what follows from it happens.

use super::backlog::Foretold;
use super::deed::Deed;
use super::measure::quantity::Quantity;
use super::measure::stamp::Stamp;
use super::plan::DrillPlan;
use super::report::figure::seconds;
use super::report::verdict::Verdict;
use model::ids::{ClusterName, RunId};
use model::lease::UndoCause;
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// Phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// What must hold before is looked at.
    Guard,
    /// Watching an intact lab.
    Steady,
    /// Breaking.
    Inject,
    /// Watching the outage.
    Observe,
    /// Undoing.
    Revert,
    /// Watching the recovery.
    Verify,
    /// Judging.
    Verdict,
}

impl Phase {
    /// The word that JSON uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Steady => "steady",
            Self::Inject => "inject",
            Self::Observe => "observe",
            Self::Revert => "revert",
            Self::Verify => "verify",
            Self::Verdict => "verdict",
        }
    }
}

/// Why a run ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum AbortCause {
    /// Something that must hold before did not.
    Guard {
        /// What, each with the reason.
        failed: Vec<String>,
    },
    /// The lab was not steady within the time.
    NotSteady {
        /// What was not good.
        waiting: String,
    },
    /// The operator asked for it.
    Operator {},
    /// A fault could not be injected.
    Injection {
        /// Which.
        fault: String,
        /// Why.
        reason: String,
    },
    /// An abort rule of the scenario.
    Rule {
        /// What it saw.
        reason: String,
    },
    /// The coordinator ended while the drill ran.
    CoordinatorLost {},
}

impl AbortCause {
    /// In words.
    pub fn message(&self) -> String {
        match self {
            Self::Guard { failed } => format!("guards do not hold: {}", failed.join("; ")),
            Self::NotSteady { waiting } => format!("the lab was not steady: {waiting}"),
            Self::Operator {} => "the operator ended it".into(),
            Self::Injection { fault, reason } => format!("{fault} could not be injected: {reason}"),
            Self::Rule { reason } => format!("abort rule: {reason}"),
            Self::CoordinatorLost {} => "the coordinator ended while the drill ran".into(),
        }
    }

    /// Whether the evidence gathered until then may still convict or acquit: an abort rule is part of the experiment.
    pub fn is_part_of_the_drill(&self) -> bool {
        matches!(self, Self::Rule { .. })
    }

    /// Whether it says more of the evidence than the one before. The first cause does, and one that leaves doubt does after a
    /// rule: the outage ended by the rule, and what followed was not watched as planned.
    pub fn outweighs(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| before.is_part_of_the_drill() && !self.is_part_of_the_drill())
    }
}

/// A record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// It began.
    Started {
        /// Which run.
        run: RunId,
        /// What is carried out.
        plan: Box<DrillPlan>,
    },
    /// A phase began.
    PhaseEntered {
        /// Which.
        phase: Phase,
    },
    /// What will become of a cluster's metrics backlog, written down before anything is broken.
    BacklogForetold {
        /// The forecast and what it was computed from.
        forecast: Box<Foretold>,
    },
    /// The outage waits for the worst moment of a metrics agent's truncation.
    HeldBack {
        /// Whose backlog would live shortest.
        cluster: ClusterName,
        /// When it is to begin.
        begin: Stamp,
        /// How long that backlog lives then, seconds, from when its reader stops; the middle of what is possible.
        lives: Quantity,
    },
    /// A fault will be injected: from here on it counts as outstanding, whatever becomes of the injection.
    FaultIntended {
        /// Which.
        fault: String,
        /// When its lease ends by itself.
        deadline: Moment,
    },
    /// It took hold.
    FaultInjected {
        /// Which.
        fault: String,
        /// Last moment without it.
        from: Moment,
        /// First moment with it.
        to: Moment,
    },
    /// It did not, or only in part.
    FaultFailed {
        /// Which.
        fault: String,
        /// Why.
        reason: String,
    },
    /// It will be undone.
    UndoIntended {
        /// Which.
        fault: String,
    },
    /// It is gone.
    FaultUndone {
        /// Which.
        fault: String,
        /// Last moment with it.
        from: Moment,
        /// First moment without it.
        to: Moment,
        /// Why its place had ended it before it was told to; None when the run's own undo did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_by: Option<UndoCause>,
    },
    /// It could not be undone yet; this is tried again.
    UndoFailed {
        /// Which.
        fault: String,
        /// Why.
        reason: String,
    },
    /// Something will be done to the drill's own ExternalSecrets.
    DeedOrdered {
        /// The probe that watches them.
        probe: String,
        /// What.
        deed: Deed,
    },
    /// It is done.
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
    /// It is not, or only in part; this is tried again.
    DeedFailed {
        /// The probe that watches them.
        probe: String,
        /// What.
        deed: Deed,
        /// Why.
        reason: String,
    },
    /// The run is ended early: what is broken is undone now.
    Aborting {
        /// Why.
        cause: AbortCause,
    },
    /// It ended.
    Finished {
        /// What it says.
        verdict: Verdict,
        /// Faults that could not be undone within their lease; `drill doctor` goes on with them.
        outstanding: Vec<String>,
    },
}

impl Record {
    /// The record in words, for the event log and the progress display.
    pub fn message(&self) -> String {
        match self {
            Self::Started { plan, .. } => format!("drill {} began", plan.drill),
            Self::PhaseEntered { phase } => format!("phase {}", phase.word()),
            Self::BacklogForetold { forecast } => forecast.message(),
            Self::HeldBack {
                cluster,
                begin,
                lives,
            } => {
                let lives = seconds(*lives);
                format!(
                    "the outage waits until {begin}, the worst moment: then the metrics of {cluster} live about {lives}"
                )
            }
            Self::FaultIntended { fault, deadline } => format!("injecting {fault}, lease until {deadline}"),
            Self::FaultInjected { fault, .. } => format!("{fault} took hold"),
            Self::FaultFailed { fault, reason } => format!("{fault} could not be injected: {reason}"),
            Self::UndoIntended { fault } => format!("undoing {fault}"),
            Self::FaultUndone {
                fault,
                ended_by: Some(cause),
                from,
                ..
            } => format!("{fault} was over already: its place ended it at {from} ({cause})"),
            Self::FaultUndone { fault, .. } => format!("{fault} is undone"),
            Self::UndoFailed { fault, reason } => format!("{fault} is not undone yet: {reason}"),
            Self::DeedOrdered { probe, deed } => format!("{probe}: {}", deed.text()),
            Self::DeedDone { probe, deed, .. } => format!("{probe}: {}: done", deed.text()),
            Self::DeedFailed { probe, deed, reason } => format!("{probe}: {}: {reason}", deed.text()),
            Self::Aborting { cause } => format!("ending early: {}", cause.message()),
            Self::Finished { verdict, outstanding } if outstanding.is_empty() => format!("verdict {verdict}"),
            Self::Finished { verdict, outstanding } => {
                format!("verdict {verdict}; not undone: {}", outstanding.join(", "))
            }
        }
    }

    /// The word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::PhaseEntered { .. } => "phase_entered",
            Self::BacklogForetold { .. } => "backlog_foretold",
            Self::HeldBack { .. } => "held_back",
            Self::FaultIntended { .. } => "fault_intended",
            Self::FaultInjected { .. } => "fault_injected",
            Self::FaultFailed { .. } => "fault_failed",
            Self::UndoIntended { .. } => "undo_intended",
            Self::FaultUndone { .. } => "fault_undone",
            Self::UndoFailed { .. } => "undo_failed",
            Self::DeedOrdered { .. } => "deed_ordered",
            Self::DeedDone { .. } => "deed_done",
            Self::DeedFailed { .. } => "deed_failed",
            Self::Aborting { .. } => "aborting",
            Self::Finished { .. } => "finished",
        }
    }
}
