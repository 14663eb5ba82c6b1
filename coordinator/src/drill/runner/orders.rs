//! Orders to the world: one after another for each fault, side by side for different ones, every answer an event.

use crate::drill::stage::{Between, Stage, Undone};
use crate::drill::timeline::Timeline;
use domain::drill::deed::Deed;
use domain::drill::phases::{Effect, Event, Run};
use domain::drill::plan::PlannedFault;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::TaskTracker;

/// Gives orders.
pub(super) struct Orders {
    stage: Arc<dyn Stage>,
    timeline: Timeline,
    events: mpsc::UnboundedSender<Event>,
    /// An undo that is ordered while the injection is under way waits for it.
    turns: BTreeMap<String, Arc<Mutex<()>>>,
    /// Probes that still ask.
    asking: TaskTracker,
}

impl Orders {
    pub(super) fn new(
        stage: Arc<dyn Stage>,
        timeline: Timeline,
        events: mpsc::UnboundedSender<Event>,
        asking: TaskTracker,
    ) -> Self {
        Self {
            asking,
            stage,
            timeline,
            events,
            turns: BTreeMap::new(),
        }
    }

    pub(super) fn answer(&self, event: Event) {
        // The receiver is the run itself; it is gone only when the run has ended.
        let _ = self.events.send(event);
    }

    /// Gives one order; the answer comes as an event.
    pub(super) fn give(&mut self, run: &Run, effect: Effect) {
        let (stage, timeline, events) = (Arc::clone(&self.stage), self.timeline, self.events.clone());
        let planned = |name: &str| run.plan.as_ref().and_then(|plan| plan.fault(name)).cloned();
        match effect {
            Effect::CheckGuards => {
                tokio::spawn(async move {
                    let _ = events.send(Event::GuardsChecked(stage.guards().await));
                });
            }
            Effect::Inject { fault, deadline } => {
                let (turn, planned) = (self.turn(&fault), planned(&fault));
                tokio::spawn(async move {
                    let _turn = turn.lock().await;
                    let from = timeline.now();
                    let done = match &planned {
                        Some(planned) => stage.inject(planned, deadline).await,
                        None => Err("the plan does not have it".into()),
                    };
                    let to = timeline.now();
                    let _ = events.send(match done {
                        Ok(known) => {
                            let (from, to) = narrowed((from, to), known);
                            Event::Injected { fault, from, to }
                        }
                        Err(reason) => Event::InjectFailed { fault, reason },
                    });
                });
            }
            Effect::Undo { fault } => {
                let (turn, planned) = (self.turn(&fault), planned(&fault));
                tokio::spawn(async move {
                    let _turn = turn.lock().await;
                    let from = timeline.now();
                    let done = match &planned {
                        Some(planned) => stage.undo(planned).await,
                        None => Ok(Undone::default()),
                    };
                    let to = timeline.now();
                    let _ = events.send(match done {
                        Ok(known) => {
                            let ended_by = known.ended_by;
                            let (from, to) = gone((from, to), known);
                            Event::Undone {
                                fault,
                                from,
                                to,
                                ended_by,
                            }
                        }
                        Err(reason) => Event::UndoFailed { fault, reason },
                    });
                });
            }
            Effect::Perform { probe, deed } => {
                let turn = self.turn(&format!("probe {probe}"));
                let planned = run.plan.as_ref().and_then(|plan| {
                    let mut probes = plan.active_probes();
                    probes.find(|p| p.name == probe).cloned()
                });
                let asking = self.asking.clone();
                tokio::spawn(async move {
                    // A look at what is being taken away would be told as a failure.
                    if deed == Deed::Clear {
                        asking.wait().await;
                    }
                    let _turn = turn.lock().await;
                    let from = timeline.now();
                    let done = match &planned {
                        Some(planned) => stage.perform(planned, deed).await,
                        None => Err("the plan does not have it".into()),
                    };
                    let to = timeline.now();
                    let _ = events.send(match done {
                        Ok(known) => {
                            let (from, to) = narrowed((from, to), known);
                            Event::DeedDone {
                                probe,
                                deed,
                                from,
                                to,
                            }
                        }
                        Err(reason) => Event::DeedFailed { probe, deed, reason },
                    });
                });
            }
            // The run performs these itself.
            Effect::StartProbes | Effect::Judge => {}
        }
    }

    /// Undoes everything that is outstanding, when nothing can be recorded any more.
    pub(super) async fn undo_all(&mut self, run: &Run) {
        let open: Vec<PlannedFault> = run
            .outstanding()
            .into_iter()
            .filter_map(|(name, _)| run.plan.as_ref()?.fault(name).cloned())
            .collect();
        for fault in open {
            let turn = self.turn(&fault.name);
            let _turn = turn.lock().await;
            if let Err(reason) = self.stage.undo(&fault).await {
                tracing::error!(fault = fault.name, reason, "not undone; its lease will end it");
            }
        }
    }

    fn turn(&mut self, fault: &str) -> Arc<Mutex<()>> {
        Arc::clone(self.turns.entry(fault.to_owned()).or_default())
    }
}

/// The call bounds the change; what its place says of it may bound it closer. Where the two contradict each other, a clock
/// was set meanwhile, and the call is what holds.
fn narrowed(call: Between, known: Option<Between>) -> Between {
    let Some(known) = known else { return call };
    let (from, to) = (call.0.max(known.0), call.1.min(known.1));
    if from <= to { (from, to) } else { call }
}

/// When a fault went: within the call that undid it, or before it where its place had ended it, in whole or in part.
fn gone(call: Between, known: Undone) -> Between {
    match (known.ended_by, known.at) {
        (Some(_), Some((from, to))) => (from.min(call.1), to.min(call.1)),
        _ => narrowed(call, known.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lease::UndoCause;
    use model::moment::Moment;

    #[test]
    fn the_place_narrows_the_call_and_never_widens_or_contradicts_it() {
        let span = |from, to| (Moment(from), Moment(to));
        for (known, expected) in [
            (None, span(10, 90)),
            (Some(span(40, 50)), span(40, 50)),
            (Some(span(0, 50)), span(10, 50)),
            (Some(span(95, 99)), span(10, 90)),
        ] {
            assert_eq!(narrowed(span(10, 90), known), expected, "{known:?}");
        }
    }

    #[test]
    fn what_its_place_ended_went_before_the_call() {
        let span = |from, to| (Moment(from), Moment(to));
        let by_place = |at| Undone {
            at,
            ended_by: Some(UndoCause::AgentStart),
        };
        for (known, expected) in [
            (by_place(Some(span(1, 2))), span(1, 2)),
            // One of its parts was there until the call.
            (by_place(Some(span(1, 50))), span(1, 50)),
            (by_place(None), span(10, 90)),
            (
                Undone {
                    at: Some(span(1, 50)),
                    ..Undone::default()
                },
                span(10, 50),
            ),
        ] {
            assert_eq!(gone(span(10, 90), known), expected, "{known:?}");
        }
    }
}
