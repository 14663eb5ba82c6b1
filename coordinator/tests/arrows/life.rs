//! One coordinator's life: effects become what agents and host do, and that becomes events.

use crate::world::{BOOT, DONE, End, INCARNATION, World};
use coordinator::engine::EngineHandle;
use domain::effect::Effect;
use domain::event::{AgentPhase, AgentStep, Event, SessionId};
use model::event::NodeEventKind;
use model::ids::{Epoch, NodeName, RunId, Seq};
use model::moment::Moment;
use model::step::ProbeResult;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::mpsc;

pub(crate) struct Life<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) handle: EngineHandle,
    pub(crate) effects: mpsc::UnboundedReceiver<Effect>,
}

impl Life<'_> {
    /// None when the engine has ended.
    pub(crate) async fn run(&mut self, epoch: Epoch) -> Option<End> {
        let mut coming: VecDeque<Event> = VecDeque::from([
            Event::Started { epoch },
            Event::UpRequested {
                run: RunId(*uuid::Uuid::new_v4().as_bytes()),
                through: 2,
                yes: true,
                plan: self.world.plan.clone(),
            },
        ]);
        for (node, agent) in &mut self.world.agents {
            agent.session += 1;
            coming.push_back(Event::AgentConnected {
                node: node.clone(),
                session: SessionId(epoch.0 * 100 + agent.session),
                version: "1".into(),
                boot: BOOT,
                incarnation: INCARNATION,
                first_unacked: Seq(1),
                last_seq: Seq(u64::try_from(agent.told.len()).expect("few")),
            });
        }
        let sessions: BTreeMap<NodeName, SessionId> = coming
            .iter()
            .filter_map(|event| match event {
                Event::AgentConnected { node, session, .. } => Some((node.clone(), *session)),
                _ => None,
            })
            .collect();
        loop {
            while let Some(event) = coming.pop_front() {
                // One event, one write: every run meets the same arrows.
                let _ = self.handle.submit_and_wait(event).await?;
                while let Ok(effect) = self.effects.try_recv() {
                    self.perform(effect, &sessions, &mut coming).await?;
                }
            }
            let finished = self
                .handle
                .ask(|state| Some(state.run.as_ref()?.finished.as_ref()?.outcome))
                .await?;
            if let Some(outcome) = finished {
                return Some(End::Finished(outcome));
            }
            let last_seen = sessions
                .keys()
                .map(|node| (node.clone(), Moment(shell::clock::unix_micros())))
                .collect();
            coming.push_back(Event::Tick {
                last_seen,
                heartbeat_ms: 500,
            });
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn perform(
        &mut self,
        effect: Effect,
        sessions: &BTreeMap<NodeName, SessionId>,
        coming: &mut VecDeque<Event>,
    ) -> Option<()> {
        match effect {
            Effect::RunHost { step, attempt } => {
                self.world.run_once(step.id, attempt);
                self.world.host.insert(step.id);
                coming.push_back(Event::HostStepFinished {
                    step: step.id,
                    attempt,
                    outcome: DONE,
                });
            }
            Effect::ProbeHost { step, attempt } => {
                let done = self.world.host.contains(&step.id);
                let result = if done {
                    ProbeResult::Done
                } else {
                    ProbeResult::NotStarted
                };
                coming.push_back(Event::HostProbeAnswered {
                    step: step.id,
                    attempt,
                    result,
                });
            }
            Effect::ListSteps { node } => {
                let rows = self.world.agents[&node].ledger.iter();
                let states = rows.map(|(step, (attempt, _))| AgentStep {
                    step: *step,
                    attempt: *attempt,
                    phase: AgentPhase::Finished,
                });
                coming.push_back(Event::StepStates {
                    session: sessions[&node],
                    states: states.collect(),
                    node: node.clone(),
                });
                self.tell_rest(&node, sessions, coming).await?;
            }
            Effect::Dispatch { node, order } => {
                let (step, attempt) = (order.step, order.attempt);
                let known = self.world.agents[&node]
                    .ledger
                    .get(&step)
                    .map(|(known, _)| *known);
                if known < Some(attempt) {
                    self.world.run_once(step, attempt);
                }
                let agent = self.world.agents.get_mut(&node)?;
                if known < Some(attempt) {
                    agent.tell(NodeEventKind::StepAccepted { step, attempt });
                    let unit = "unit".into();
                    agent.tell(NodeEventKind::StepStarted { step, attempt, unit });
                    agent.ledger.insert(step, (attempt, DONE));
                }
                if known <= Some(attempt) {
                    agent.tell(NodeEventKind::StepFinished {
                        step,
                        attempt,
                        outcome: DONE,
                    });
                }
                self.tell_rest(&node, sessions, coming).await?;
            }
            Effect::Probe { node, order } => {
                let done = self.world.agents[&node].ledger.contains_key(&order.step);
                coming.push_back(Event::ProbeAnswered {
                    session: sessions[&node],
                    node,
                    step: order.step,
                    attempt: order.attempt,
                    result: if done {
                        ProbeResult::Done
                    } else {
                        ProbeResult::NotStarted
                    },
                });
            }
            _ => {}
        }
        Some(())
    }

    /// Sends, one by one, what the coordinator does not have yet.
    async fn tell_rest(
        &mut self,
        node: &NodeName,
        sessions: &BTreeMap<NodeName, SessionId>,
        coming: &mut VecDeque<Event>,
    ) -> Option<()> {
        let name = node.clone();
        let expected = self
            .handle
            .ask(move |state| state.expected_seq(&name, INCARNATION))
            .await?;
        let told = self.world.agents[node].told.iter();
        coming.extend(
            told.filter(|event| event.seq >= expected)
                .map(|event| Event::NodeEvents {
                    node: node.clone(),
                    session: sessions[node],
                    events: vec![event.clone()],
                }),
        );
        Some(())
    }
}
