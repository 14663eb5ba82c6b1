//! Where the time of a run went: each step's own run time, the longest chain of them, and what coordination added.

use crate::plan::{Plan, PlannedStep, StepBody};
use crate::record::{Record, RunOutcome};
use model::ids::{Digest, RunId, StepId};
use model::moment::Moment;
use model::step::{InitPhase, JoinPhase, NodeStep};
use serde::Serialize;
use std::collections::BTreeMap;

/// The account of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// Run.
    pub run: RunId,
    /// Begin.
    pub started: Moment,
    /// Last phase that was asked for.
    pub through: u8,
    /// How it ended; None while it goes on, or when the log says no end.
    pub outcome: Option<RunOutcome>,
    /// From the request to the end, or to the last record.
    pub wall_ms: u64,
    /// The chain of steps that bounds the run, in order.
    pub critical_path: Vec<StepTime>,
    /// Run time along the path: units and host commands.
    pub critical_run_ms: u64,
    /// Waiting inside steps along the path: for agents, for an API server, for readiness.
    pub critical_wait_ms: u64,
    /// Wall time less the path's run time. A wait inside a step is not run time, so it counts here.
    pub overhead_ms: u64,
    /// `overhead_ms` in thousandths of the wall time.
    pub overhead_milli: u64,
    /// What of the overhead is no wait inside a step either: deciding, sending, fsync, and pauses between steps.
    pub between_ms: u64,
    /// `between_ms` in thousandths of the wall time.
    pub between_milli: u64,
    /// CPU milliseconds of all units together.
    pub cpu_ms: u64,
    /// Each step that was handed out or waited for, in order of its end.
    pub steps: Vec<StepTime>,
}

/// One step's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTime {
    /// Step.
    pub step: StepId,
    /// Name in the plan.
    pub name: String,
    /// When the last attempt was decided on, in milliseconds after the run's begin.
    pub from_ms: u64,
    /// When its success was durable.
    pub to_ms: u64,
    /// How long its unit or host command ran.
    pub run_ms: u64,
    /// CPU time of its unit; 0 when unknown.
    pub cpu_ms: u64,
    /// Whether it does nothing but wait for something.
    pub waits: bool,
    /// Attempts in this run.
    pub attempts: u64,
}

/// Accounts for the latest run in `records`; None when there is none.
pub fn account<'a>(records: impl IntoIterator<Item = (Moment, &'a Record)>, plan: &Plan) -> Option<Account> {
    let mut ledger = Ledger::default();
    for (at, record) in records {
        ledger.read(at, record);
    }
    ledger.account(plan)
}

/// Reads a log record by record and keeps the times of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    wanted: Option<RunId>,
    run: Option<Begun>,
    end: Option<(Moment, Option<RunOutcome>)>,
    last: Moment,
    begun: BTreeMap<StepId, (Moment, u64)>,
    ended: BTreeMap<StepId, (Moment, u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    run: RunId,
    at: Moment,
    through: u8,
    plan: Digest,
}

impl Ledger {
    /// Keeps `wanted`, or the latest run when it is None.
    pub fn of(wanted: Option<RunId>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// The plan of the run that was kept, None when there is no such run.
    pub fn plan(&self) -> Option<Digest> {
        self.run.map(|run| run.plan)
    }

    /// Takes the next record.
    pub fn read(&mut self, at: Moment, record: &Record) {
        if let Record::RunStarted {
            run,
            through,
            plan_digest,
            ..
        } = record
        {
            return self.begin(Begun {
                run: *run,
                at,
                through: *through,
                plan: *plan_digest,
            });
        }
        if self.run.is_none() || self.end.is_some() {
            return;
        }
        self.last = self.last.max(at);
        match record {
            Record::RunFinished { outcome, .. } => self.end = Some((at, Some(*outcome))),
            Record::StepIntended { step, .. } => {
                let attempts = self.begun.get(step).map_or(0, |(_, attempts)| *attempts);
                self.begun.insert(*step, (at, attempts + 1));
                self.ended.remove(step);
            }
            Record::StepSucceeded {
                step, run_ms, cpu_ms, ..
            } => {
                self.ended.insert(*step, (at, *run_ms, *cpu_ms));
            }
            _ => {}
        }
    }

    fn begin(&mut self, begun: Begun) {
        match self.wanted {
            Some(wanted) if wanted != begun.run => {
                // Whatever comes now belongs to another run.
                if let Some(run) = self.run.filter(|_| self.end.is_none()) {
                    self.end = Some((self.last.max(run.at), None));
                }
            }
            wanted => {
                *self = Ledger {
                    wanted,
                    run: Some(begun),
                    last: begun.at,
                    ..Ledger::default()
                }
            }
        }
    }

    /// The account, with the steps of `plan`; None when the run was not seen.
    pub fn account(&self, plan: &Plan) -> Option<Account> {
        let begun = self.run?;
        let wall_ms = self.end.map_or(self.last, |(at, _)| at).millis_since(begun.at);
        let mut steps: Vec<StepTime> = plan
            .steps
            .iter()
            .filter_map(|step| self.time_of(step, begun.at))
            .collect();
        steps.sort_by_key(|step| (step.to_ms, step.from_ms));
        let critical_path = path(&steps, plan);
        let sum = |waits: bool| {
            let part = critical_path.iter().filter(|s| s.waits == waits);
            part.map(|s| s.run_ms).sum::<u64>()
        };
        let (critical_run_ms, critical_wait_ms) = (sum(false), sum(true));
        let overhead_ms = wall_ms.saturating_sub(critical_run_ms);
        let between_ms = overhead_ms.saturating_sub(critical_wait_ms);
        let milli = |part: u64| part.saturating_mul(1000).checked_div(wall_ms).unwrap_or(0);
        Some(Account {
            run: begun.run,
            started: begun.at,
            through: begun.through,
            outcome: self.end.and_then(|(_, outcome)| outcome),
            wall_ms,
            critical_path,
            critical_run_ms,
            critical_wait_ms,
            overhead_ms,
            overhead_milli: milli(overhead_ms),
            between_ms,
            between_milli: milli(between_ms),
            cpu_ms: steps.iter().map(|step| step.cpu_ms).sum(),
            steps,
        })
    }

    fn time_of(&self, step: &PlannedStep, began: Moment) -> Option<StepTime> {
        let (from, attempts) = self.begun.get(&step.id)?;
        let (to, run_ms, cpu_ms) = self.ended.get(&step.id)?;
        Some(StepTime {
            step: step.id,
            name: step.name.clone(),
            from_ms: from.millis_since(began),
            to_ms: to.millis_since(began),
            run_ms: *run_ms,
            cpu_ms: *cpu_ms,
            waits: is_wait(step),
            attempts: *attempts,
        })
    }
}

/// Steps whose run time is somebody else's work: they only wait for it.
fn is_wait(step: &PlannedStep) -> bool {
    match &step.body {
        StepBody::Node(NodeStep::KubeadmInit {
            phase: InitPhase::WaitControlPlane,
            ..
        })
        | StepBody::Node(NodeStep::KubeadmJoin {
            phase: JoinPhase::KubeletWaitBootstrap,
            ..
        }) => true,
        _ => step.is_wait(),
    }
}

/// Back from the step that ended last: each time to whichever step let it start, by need or by lane, and ended last.
fn path(steps: &[StepTime], plan: &Plan) -> Vec<StepTime> {
    let mut out: Vec<StepTime> = Vec::new();
    let mut at = steps.last();
    while let Some(current) = at {
        out.push(current.clone());
        let Some(planned) = plan.step(current.step) else {
            break;
        };
        let lets_start = |other: &&StepTime| {
            other.to_ms <= current.from_ms
                && other.step != current.step
                && !out.iter().any(|seen| seen.step == other.step)
                && plan
                    .step(other.step)
                    .is_some_and(|other| precedes(other, planned))
        };
        at = steps.iter().filter(lets_start).max_by_key(|other| other.to_ms);
    }
    out.reverse();
    out
}

fn precedes(earlier: &PlannedStep, later: &PlannedStep) -> bool {
    let provides = earlier
        .provides
        .iter()
        .any(|capability| later.needs.contains(capability));
    let same_lane =
        earlier.lane().is_some() && earlier.lane() == later.lane() && earlier.target == later.target;
    provides || same_lane
}
