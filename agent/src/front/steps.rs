//! The steps this node was ordered to do: accepted, dispatched to the root helper, reported. One task per attempt.
//!
//! Every transition is in the journal before its visible effect, so a restart finds each step where it was left and goes
//! on from there ([`Steps::recover`]).

use super::attempt::Attempt;
use super::context::{Context, Failure};
use super::ledger::{self, Verdict};
use crate::codes;
use crate::exec::protocol::{Push, Request};
use crate::failpoint::{Arrow, reach};
use crate::journal::{Batch, REMEMBERED_STEPS, StepPhase, StepRecord};
use crate::step::StepResult;
use model::event::NodeEventKind;
use model::ids::{Epoch, StepId};
use model::step::{Lane, StepOrder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// All steps of this node.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    pub(super) context: Context,
    state: Arc<Mutex<State>>,
    lanes: Arc<HashMap<Lane, tokio::sync::Mutex<()>>>,
}

#[derive(Debug, Default)]
struct State {
    epoch: Epoch,
    records: HashMap<StepId, StepRecord>,
    active: HashMap<StepId, Active>,
}

/// The ends of a running attempt's task that others hold.
#[derive(Debug)]
struct Active {
    attempt: model::ids::Attempt,
    results: mpsc::UnboundedSender<StepResult>,
    cancel: watch::Sender<bool>,
}

impl State {
    /// Whether a later attempt has taken the place of this one.
    fn is_superseded(&self, record: &StepRecord) -> bool {
        let known = self.records.get(&record.step());
        known.is_some_and(|known| known.attempt() > record.attempt())
    }

    /// Takes over what was written. An older attempt touches nothing of a newer one.
    fn written(&mut self, record: &StepRecord, forgotten: &[StepId]) {
        if !self.is_superseded(record) {
            self.records.insert(record.step(), record.clone());
        }
        self.records.retain(|step, _| !forgotten.contains(step));
        let own = |active: &Active| active.attempt == record.attempt();
        if matches!(record.phase, StepPhase::Reported { .. })
            && self.active.get(&record.step()).is_some_and(own)
        {
            self.active.remove(&record.step());
        }
    }
}

impl Steps {
    /// Takes up what the journal knows, and goes on with what is not reported.
    pub(super) fn recover(context: Context, records: Vec<StepRecord>, epoch: Epoch) -> Self {
        let lanes =
            [Lane::Kubeadm, Lane::Images, Lane::Faults].map(|lane| (lane, tokio::sync::Mutex::new(())));
        let mut open: Vec<StepRecord> = records
            .iter()
            .filter(|r| !matches!(r.phase, StepPhase::Reported { .. }))
            .cloned()
            .collect();
        // What runs takes its lane before what waits for one; among those, the older first.
        open.sort_by_key(|r| (r.phase == StepPhase::Accepted, r.at));
        let records = records.into_iter().map(|r| (r.step(), r)).collect();
        let state = State {
            epoch,
            records,
            active: HashMap::new(),
        };
        let steps = Self {
            context,
            state: Arc::new(Mutex::new(state)),
            lanes: Arc::new(HashMap::from(lanes)),
        };
        for record in open {
            steps.drive(record);
        }
        steps
    }

    /// The highest epoch obeyed.
    pub(super) fn epoch(&self) -> Epoch {
        self.state().epoch
    }

    /// The latest attempt of each step.
    pub(super) fn records(&self) -> Vec<StepRecord> {
        self.state().records.values().cloned().collect()
    }

    /// Obeys a higher epoch from now on; `false` for a lower one.
    pub(super) async fn obey(&self, epoch: Epoch) -> Result<bool, Failure> {
        let known = self.epoch();
        if epoch > known {
            self.context
                .append(Batch {
                    epoch: Some(epoch),
                    ..Batch::default()
                })
                .await?;
            self.state().epoch = epoch;
        }
        Ok(epoch >= known)
    }

    /// Takes an order.
    pub(super) async fn order(&self, epoch: Epoch, order: StepOrder) -> Result<(), Failure> {
        let verdict = {
            let state = self.state();
            let known = state.records.get(&order.step);
            ledger::judge(
                known,
                &order,
                epoch,
                state.epoch,
                &self.context.lab,
                &self.context.node,
            )
        };
        let (step, attempt) = (order.step, order.attempt);
        if !matches!(&verdict, Verdict::Refuse(..)) {
            self.obey(epoch).await?;
        }
        match verdict {
            Verdict::Ignore => Ok(()),
            Verdict::Repeat(outcome) => {
                self.context
                    .tell(NodeEventKind::StepFinished {
                        step,
                        attempt,
                        outcome,
                    })
                    .await
            }
            Verdict::Refuse(code, reason) => self.refuse(&order, code, reason).await,
            Verdict::Accept => {
                let record = StepRecord {
                    order,
                    phase: StepPhase::Accepted,
                    at: crate::clock::now(),
                };
                let event = self.context.draft(NodeEventKind::StepAccepted { step, attempt });
                let batch = Batch {
                    events: vec![event],
                    steps: vec![record.clone()],
                    ..Batch::default()
                };
                match self.context.append(batch).await {
                    Err(Failure::Full) => {
                        let reason = "the node's disk or buffer is full".to_owned();
                        self.refuse(&record.order, codes::FULL, reason).await
                    }
                    Err(other) => Err(other),
                    Ok(()) => {
                        reach(Arrow::Accepted);
                        self.state().records.insert(step, record.clone());
                        self.drive(record);
                        Ok(())
                    }
                }
            }
        }
    }

    async fn refuse(&self, order: &StepOrder, code: &str, reason: String) -> Result<(), Failure> {
        let (step, attempt) = (order.step, order.attempt);
        tracing::warn!(step = %step.short(), %attempt, code, reason, "order refused");
        match self
            .context
            .tell(NodeEventKind::StepRefused {
                step,
                attempt,
                code: code.into(),
                reason,
            })
            .await
        {
            // Nothing can be written: the coordinator hears of the full disk by the condition.
            Err(Failure::Full) => Ok(()),
            other => other,
        }
    }

    /// Ends an attempt, whether it runs or still waits.
    pub(super) async fn cancel(
        &self,
        epoch: Epoch,
        step: StepId,
        attempt: model::ids::Attempt,
    ) -> Result<(), Failure> {
        if !self.obey(epoch).await? {
            return Ok(());
        }
        let running = {
            let state = self.state();
            let active = state.active.get(&step).filter(|a| a.attempt == attempt);
            active.map(|active| active.cancel.send_replace(true)).is_some()
        };
        if running {
            self.context
                .helper
                .ask_until(&Request::Cancel { step, attempt })
                .await;
        }
        Ok(())
    }

    /// The helper noticed something.
    pub(super) async fn pushed(&self, push: Push) -> Result<(), Failure> {
        match push {
            Push::Finished { result } => {
                if let Some(active) = self.state().active.get(&result.step) {
                    // The attempt's task may just have ended by its own look.
                    let _ = active.results.send(result);
                }
                Ok(())
            }
            Push::Lease { status } => {
                let (lease, state) = (status.lease, status.state);
                match self.context.tell(NodeEventKind::LeaseChanged { status }).await {
                    // Told when there is room again: the helper says it at every new connection until it was.
                    Err(Failure::Full) => return Ok(()),
                    other => other?,
                }
                let told = self
                    .context
                    .helper
                    .ask(&Request::LeaseTold { lease, state })
                    .await;
                if let Err(error) = told {
                    tracing::debug!(%error, "a lease's state will be told twice");
                }
                Ok(())
            }
            Push::Progress {
                step,
                attempt,
                message,
            } => {
                match self
                    .context
                    .tell(NodeEventKind::StepProgress {
                        step,
                        attempt,
                        message,
                    })
                    .await
                {
                    Err(Failure::Full) => Ok(()),
                    other => other,
                }
            }
        }
    }

    /// Starts the task of an attempt.
    fn drive(&self, record: StepRecord) {
        let (results, ended) = mpsc::unbounded_channel();
        let (cancel, cancelled) = watch::channel(false);
        let active = Active {
            attempt: record.attempt(),
            results,
            cancel,
        };
        self.state().active.insert(record.step(), active);
        let steps = self.clone();
        tokio::spawn(async move {
            let mut attempt = Attempt {
                steps: steps.clone(),
                record,
                ended,
                cancelled,
            };
            if let Err(failure) = attempt.run().await {
                steps.context.fail(failure);
            }
        });
    }

    /// The lane's turn; in the order in which it was asked for.
    pub(super) async fn turn(&self, lane: Lane) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match self.lanes.get(&lane) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }

    /// Writes a record with an event, and forgets the oldest reported ones beyond the limit.
    pub(super) async fn write(
        &self,
        record: &StepRecord,
        event: Option<NodeEventKind>,
    ) -> Result<(), Failure> {
        let batch = self.transition(record, event);
        let forgotten = batch.forget.clone();
        self.context.append(batch).await?;
        self.state().written(record, &forgotten);
        Ok(())
    }

    /// What is written of a transition. Of an attempt that a later one followed it is the event alone.
    fn transition(&self, record: &StepRecord, event: Option<NodeEventKind>) -> Batch {
        let reported = matches!(record.phase, StepPhase::Reported { .. });
        let superseded = self.state().is_superseded(record);
        Batch {
            events: event.map(|kind| self.context.draft(kind)).into_iter().collect(),
            steps: (!superseded).then(|| record.clone()).into_iter().collect(),
            forget: if reported { self.surplus() } else { Vec::new() },
            epoch: None,
        }
    }

    fn surplus(&self) -> Vec<StepId> {
        let state = self.state();
        let surplus = state.records.len().saturating_sub(REMEMBERED_STEPS);
        if surplus == 0 {
            return Vec::new();
        }
        let done = |r: &&StepRecord| matches!(r.phase, StepPhase::Reported { .. });
        let mut ended: Vec<_> = state
            .records
            .values()
            .filter(done)
            .map(|r| (r.at, r.step()))
            .collect();
        ended.sort_unstable();
        ended.into_iter().take(surplus).map(|(_, step)| step).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::helper::Helper;
    use crate::journal::{FullBuffer, Handle, MemoryJournal, Writer};
    use model::ids::{BootId, Incarnation, NodeName, Seq};
    use model::moment::Moment;
    use model::step::{NodeStep, Role, StepOutcome};

    fn steps() -> Steps {
        let journal = MemoryJournal::new(Incarnation([1; 16]));
        steps_over(Writer::start_in_task(journal))
    }

    fn steps_over(journal: Handle) -> Steps {
        let context = Context {
            lab: "lab".into(),
            node: NodeName::new("a").expect("valid"),
            boot: BootId([1; 16]),
            source: None,
            journal,
            helper: Helper::none(),
            link: watch::channel(None).1,
            clock: watch::Sender::new(None),
            certificate: watch::Sender::new(None),
            failures: mpsc::unbounded_channel().0,
        };
        Steps::recover(context, Vec::new(), Epoch(1))
    }

    fn record(attempt: u64, phase: StepPhase) -> StepRecord {
        let order = StepOrder {
            step: StepId([1; 32]),
            attempt: model::ids::Attempt(attempt),
            body: NodeStep::ImportImages { role: Role::Worker },
            budget_ms: 1,
        };
        StepRecord {
            order,
            phase,
            at: Moment(0),
        }
    }

    /// Makes the record known as one whose task runs.
    fn runs(steps: &Steps, record: &StepRecord) {
        let active = Active {
            attempt: record.attempt(),
            results: mpsc::unbounded_channel().0,
            cancel: watch::channel(false).0,
        };
        let mut state = steps.state();
        state.records.insert(record.step(), record.clone());
        state.active.insert(record.step(), active);
    }

    #[tokio::test]
    async fn an_order_that_a_full_buffer_cannot_take_is_refused_by_its_code() {
        let journal = FullBuffer(MemoryJournal::new(Incarnation([1; 16])));
        let steps = steps_over(Writer::start(Box::new(journal)).0);
        let mut order = record(1, StepPhase::Accepted).order;
        order.step = order.body.id(&steps.context.lab, &steps.context.node);
        steps.order(Epoch(1), order.clone()).await.expect("answered");
        let told = steps.context.journal.read(Seq(1), 9).await.expect("read");
        let refusals: Vec<_> = told
            .iter()
            .filter_map(|event| match &event.kind {
                NodeEventKind::StepRefused { step, code, .. } => Some((*step, code.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(refusals, [(order.step, codes::FULL)]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(steps.records().is_empty(), "nothing began");
    }

    #[tokio::test]
    async fn an_older_attempt_touches_nothing_of_a_newer_one() {
        let steps = steps();
        let newer = record(2, StepPhase::Accepted);
        runs(&steps, &newer);
        let outcome = StepOutcome::Cancelled;
        let older = record(1, StepPhase::Reported { outcome });
        assert!(steps.transition(&older, None).steps.is_empty());
        steps.write(&older, None).await.expect("written");
        assert_eq!(steps.records(), std::slice::from_ref(&newer));
        assert_eq!(steps.state().active[&newer.step()].attempt, newer.attempt());
    }

    #[tokio::test]
    async fn a_reported_attempt_is_active_no_more() {
        let steps = steps();
        runs(&steps, &record(1, StepPhase::Accepted));
        let outcome = StepOutcome::Cancelled;
        let over = record(1, StepPhase::Reported { outcome });
        assert_eq!(steps.transition(&over, None).steps, std::slice::from_ref(&over));
        steps.write(&over, None).await.expect("written");
        assert_eq!(steps.records(), [over]);
        assert!(steps.state().active.is_empty());
    }
}
