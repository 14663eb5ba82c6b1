//! From one phase to the next.

use super::fold::{FaultStatus, Run};
use super::{Decision, Effect, GIVE_UP_MS, LEASE_RESERVE_MS, UNDO_RETRY_MS};
use crate::drill::live::Live;
use crate::drill::measure::span::Span;
use crate::drill::measure::wal::limits::must_abort;
use crate::drill::measure::wal::start::WorstStart;
use crate::drill::plan::DrillPlan;
use crate::drill::record::{AbortCause, Phase, Record};
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::{AbortRule, Expectation, Probe};
use model::ids::ClusterName;
use model::moment::Moment;
use std::sync::Arc;

/// A decision in the making: records are applied to a copy of the run as they are added.
pub(super) struct Draft {
    pub(super) run: Run,
    pub(super) now: Moment,
    pub(super) decision: Decision,
}

impl Draft {
    pub(super) fn new(run: &Run, now: Moment) -> Self {
        Self {
            run: run.clone(),
            now,
            decision: Decision::default(),
        }
    }

    pub(super) fn record(&mut self, record: Record) {
        self.run.apply(&record, self.now);
        self.decision.records.push(record);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    fn enter(&mut self, phase: Phase) {
        self.record(Record::PhaseEntered { phase });
    }

    /// A run that ends early already has its cause, and another one is on record only where it changes what may be concluded.
    fn abort(&mut self, cause: AbortCause) {
        if cause.outweighs(self.run.abort.as_ref()) {
            self.record(Record::Aborting { cause });
        }
    }

    /// Nothing that this process had begun is under way any more. What was broken is undone; the evidence has a hole.
    pub(super) fn restarted(&mut self) {
        self.forget_orders();
        if self.run.phase == Some(Phase::Verdict) {
            if self.all_clear() {
                self.effect(Effect::Judge);
            }
            return;
        }
        // Recorded even when the run was aborting already: it is what frees orders that were under way.
        self.record(Record::Aborting {
            cause: AbortCause::CoordinatorLost {},
        });
        if self.run.phase == Some(Phase::Verify) {
            self.judge();
        }
    }

    pub(super) fn guards_checked(&mut self, mut failed: Vec<String>) {
        if self.run.phase != Some(Phase::Guard) || self.run.abort.is_some() {
            return;
        }
        failed.extend(self.run.plan.iter().flat_map(|plan| plan.impossible()));
        if failed.is_empty() {
            self.enter(Phase::Steady);
            self.effect(Effect::StartProbes);
        } else {
            self.abort(AbortCause::Guard { failed });
        }
    }

    pub(super) fn inject_failed(&mut self, fault: String, reason: String) {
        self.record(Record::FaultFailed {
            fault: fault.clone(),
            reason: reason.clone(),
        });
        self.abort(AbortCause::Injection { fault, reason });
    }

    /// The first request undoes; a second one while recovery is watched ends the watching.
    pub(super) fn abort_requested(&mut self) {
        if self.run.phase == Some(Phase::Verify) {
            self.abort(AbortCause::Operator {});
            self.judge();
        } else if self.run.phase != Some(Phase::Verdict) {
            self.abort(AbortCause::Operator {});
        }
    }

    pub(super) fn judged(&mut self, verdict: Verdict) {
        if self.run.phase != Some(Phase::Verdict) {
            return;
        }
        let outstanding = self
            .run
            .outstanding()
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect();
        self.record(Record::Finished { verdict, outstanding });
    }

    pub(super) fn tick(&mut self, live: &Live) {
        let Some(plan) = self.run.plan.clone() else { return };
        let phases = plan.scenario.phases;
        let waited = self.now.millis_since(self.run.phase_since);
        match self.run.phase {
            Some(Phase::Steady) if self.run.abort.is_none() && waited >= phases.steady_seconds * 1000 => {
                match not_good(&plan, live).or_else(|| unforeseen(&plan, live, self.now)) {
                    // What would have to be ended at once is not begun.
                    None => match doomed(&plan, live, self.now) {
                        Some(reason) => self.abort(AbortCause::Rule { reason }),
                        None if self.held_back(&plan, live, waited) => {}
                        None => self.begin_outage(&plan, live),
                    },
                    Some(waiting) if waited >= (phases.steady_seconds * 3 + 30) * 1000 => {
                        self.abort(AbortCause::NotSteady { waiting });
                    }
                    Some(_) => {}
                }
            }
            Some(Phase::Inject | Phase::Observe) => {
                if let Some(reason) = broken_rule(&plan, live, self.now) {
                    self.abort(AbortCause::Rule { reason });
                }
            }
            Some(Phase::Verify)
                if (not_good(&plan, live).is_none() && self.all_written() && !live.is_owed())
                    || waited >= phases.verify_seconds * 1000 =>
            {
                self.judge();
            }
            _ => {}
        }
    }

    /// Whether the outage waits for the worst moment; that it does is told once.
    fn held_back(&mut self, plan: &DrillPlan, live: &Live, waited_ms: u64) -> bool {
        let phases = plan.scenario.phases;
        let over_ms = waited_ms.saturating_sub(phases.steady_seconds * 1000);
        let left = Span::from_secs(phases.worst_start_seconds).minus(Span::from_millis(over_ms));
        let Some((cluster, start)) = worst_start(plan, live, left.after(self.now)) else {
            return false;
        };
        let holds = start.begin > SOON.after(self.now);
        if holds && !self.run.held_back {
            let (begin, lives) = (start.begin.into(), start.lives.seconds());
            self.record(Record::HeldBack {
                cluster,
                begin,
                lives,
            });
        }
        holds
    }

    fn begin_outage(&mut self, plan: &Arc<DrillPlan>, live: &Live) {
        for probe in plan.active_probes() {
            let tracker = live.backlogs.get(&probe.name);
            if let Some(forecast) = tracker.and_then(|t| t.foretell(&probe.cluster, self.now)) {
                let forecast = Box::new(forecast);
                self.record(Record::BacklogForetold { forecast });
            }
        }
        self.enter(Phase::Inject);
        for fault in plan.faults.iter().filter(|f| f.at_ms == 0) {
            self.inject(&fault.name, fault.lease_ms);
        }
    }

    fn inject(&mut self, fault: &str, lease_ms: u64) {
        let deadline = self.now.plus_millis(lease_ms);
        let fault = fault.to_owned();
        self.record(Record::FaultIntended {
            fault: fault.clone(),
            deadline,
        });
        self.effect(Effect::Inject { fault, deadline });
    }

    fn judge(&mut self) {
        self.enter(Phase::Verdict);
        if self.all_clear() {
            self.effect(Effect::Judge);
        }
    }

    /// What follows from the state alone; runs after every event.
    pub(super) fn advance(&mut self) {
        let Some(plan) = self.run.plan.clone() else { return };
        if self.run.abort.is_some() && self.run.finished.is_none() {
            match self.run.phase {
                None | Some(Phase::Guard | Phase::Steady) => self.judge(),
                Some(Phase::Inject | Phase::Observe) => self.enter(Phase::Revert),
                _ => {}
            }
        }
        if self.run.phase == Some(Phase::Inject) {
            let injected = |f: &_| matches!(f, FaultStatus::Injected);
            if self.run.faults.values().all(|f| injected(&f.status)) {
                self.enter(Phase::Observe);
            }
        }
        if self.run.phase == Some(Phase::Observe) {
            self.observe(&plan);
        }
        if self.run.phase == Some(Phase::Revert) {
            self.revert();
        }
        self.deeds(&plan);
    }

    fn observe(&mut self, plan: &Arc<DrillPlan>) {
        let since = self.now.millis_since(self.run.phase_since);
        for fault in plan.faults.iter().filter(|f| f.at_ms > 0 && f.at_ms <= since) {
            if !self.run.faults.contains_key(&fault.name) {
                self.inject(&fault.name, fault.lease_ms);
            }
        }
        let reserve = self.now.plus_millis(LEASE_RESERVE_MS);
        let first = self
            .run
            .outstanding()
            .into_iter()
            .map(|(_, state)| state.deadline)
            .min();
        if since >= plan.scenario.phases.observe_seconds * 1000 || first.is_some_and(|end| end <= reserve) {
            self.enter(Phase::Revert);
        }
    }

    fn revert(&mut self) {
        let mut open = false;
        let due: Vec<String> = self
            .run
            .outstanding()
            .into_iter()
            .filter_map(|(name, state)| {
                if self.now > state.deadline.plus_millis(GIVE_UP_MS) {
                    return None;
                }
                open = true;
                let ready = match state.status {
                    FaultStatus::Undoing | FaultStatus::Undone => false,
                    FaultStatus::UndoFailed(at) => self.now >= at.plus_millis(UNDO_RETRY_MS),
                    FaultStatus::Intended | FaultStatus::Injected | FaultStatus::Failed => true,
                };
                ready.then(|| name.to_owned())
            })
            .collect();
        for fault in due {
            self.record(Record::UndoIntended { fault: fault.clone() });
            self.effect(Effect::Undo { fault });
        }
        if !open {
            // Nobody watches any more after a restart: recovery cannot be seen, only the undo is certain.
            if self.run.unwatched {
                self.judge();
            } else {
                self.enter(Phase::Verify);
            }
        }
    }
}

/// A moment this near is now: the machine hears of time five times a second.
const SOON: Span = Span::from_millis(500);

/// The worst begin for any of the backlogs that comes before `limit`, with the cluster whose it is.
fn worst_start(plan: &DrillPlan, live: &Live, limit: Moment) -> Option<(ClusterName, WorstStart)> {
    let starts = plan.active_probes().filter_map(|probe| {
        let outlook = live.backlogs.get(&probe.name)?.outlook()?;
        Some((probe.cluster.clone(), outlook.worst_start()?))
    });
    let worst = starts.min_by_key(|(_, start)| (start.lives, start.begin))?;
    (worst.1.begin <= limit).then_some(worst)
}

/// The first probe that is not as it should be, in words.
fn not_good(plan: &DrillPlan, live: &Live) -> Option<String> {
    let waits = |probe: &&Probe| {
        let wanted = plan.scenario.consecutive_good(probe);
        probe.expect != Expectation::Observes
            && live
                .probes
                .get(&probe.name)
                .is_none_or(|l| l.good_in_row < wanted)
    };
    plan.active_probes().find(waits).map(|probe| {
        let detail = live
            .probes
            .get(&probe.name)
            .map_or("no answer yet", |l| l.detail.as_str());
        format!("{}: {detail}", probe.name)
    })
}

fn broken_rule(plan: &DrillPlan, live: &Live, now: Moment) -> Option<String> {
    plan.scenario.abort.iter().find_map(|rule| match rule {
        AbortRule::ProbeBadFor { probe, seconds } => {
            let since = live.probes.get(probe)?.bad_since?;
            let over = now.millis_since(since) >= seconds * 1000;
            over.then(|| format!("{probe} had no good answer for {seconds} s"))
        }
        AbortRule::ValueBelow {
            probe,
            value,
            threshold,
        } => {
            let found = *live.probes.get(probe)?.values.get(value)?;
            (found < *threshold).then(|| format!("{value} of {probe} is {found}, below {threshold}"))
        }
        AbortRule::BacklogDiesWithin { .. } => dies_too_soon(rule, live, now),
    })
}

/// Why an outage must not begin: a backlog would die before it could be saved.
fn doomed(plan: &DrillPlan, live: &Live, now: Moment) -> Option<String> {
    let mut rules = plan.scenario.abort.iter();
    rules.find_map(|rule| dies_too_soon(rule, live, now))
}

/// The first rule that could never end the outage: when the backlog that it watches dies cannot be told. A probe that is not started
/// watches none.
fn unforeseen(plan: &DrillPlan, live: &Live, now: Moment) -> Option<String> {
    plan.scenario.abort.iter().find_map(|rule| {
        let AbortRule::BacklogDiesWithin { probe, .. } = rule else {
            return None;
        };
        let tracker = live.backlogs.get(probe)?;
        let trouble = match tracker.trouble.as_str() {
            "" => "no look could be used",
            trouble => trouble,
        };
        let told = tracker.left(None, now).is_some();
        (!told).then(|| format!("{probe}: nothing tells when the backlog dies: {trouble}"))
    })
}

fn dies_too_soon(rule: &AbortRule, live: &Live, now: Moment) -> Option<String> {
    let AbortRule::BacklogDiesWithin {
        probe,
        undo_seconds,
        margin_seconds,
    } = rule
    else {
        return None;
    };
    let left = live.backlogs.get(probe)?.left(live.began, now)?;
    let (undo, margin) = (Span::from_secs(*undo_seconds), Span::from_secs(*margin_seconds));
    must_abort(left, undo, margin).then(|| {
        format!(
            "the backlog that {probe} watches dies in {left}; undoing takes {undo} and {margin} are kept on top"
        )
    })
}
