//! The coordinator dies at every durable arrow: before each write of its log, and between each write and what follows from
//! it. The real engine over the real log; agents and host are as small as a promise allows, and count what they run.
//!
//! Each life goes on from the log of the one before. In the end the run has succeeded, nothing ran twice in one attempt,
//! and the recorded history keeps every promise.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use coordinator::engine::{Engine, EngineHandle};
use coordinator::envelope::Stamper;
use coordinator::journal::{Entry, Journal, JournalError, JournalReader, RedbJournal};
use domain::effect::Effect;
use domain::event::{AgentPhase, AgentStep, Event, SessionId};
use domain::history::{self, Line};
use domain::plan::{Plan, plan};
use domain::record::RunOutcome;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, Epoch, Incarnation, LogId, NodeName, Revision, RunId, Seq, StepId};
use model::lab::Lab;
use model::moment::Moment;
use model::step::{ProbeResult, StepOutcome};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use tokio::sync::mpsc;

/// Where a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrow {
    /// The decision is lost with everything that follows from it.
    BeforeWrite,
    /// The decision is on disk and nobody was told.
    AfterWrite,
}

/// The real log, which fails once.
struct Mortal {
    inner: RedbJournal,
    arrow: Arrow,
    left: u32,
}

impl Journal for Mortal {
    fn log_id(&self) -> LogId {
        self.inner.log_id()
    }
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
    fn head(&self) -> Revision {
        self.inner.head()
    }
    fn oldest(&self) -> Revision {
        self.inner.oldest()
    }
    fn append(&mut self, batch: &[Entry]) -> Result<Revision, JournalError> {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return self.inner.append(batch);
        }
        if self.arrow == Arrow::AfterWrite {
            self.inner.append(batch)?;
        }
        Err(JournalError::Poisoned)
    }
    fn read(&self, after: Revision, max: usize) -> Result<Vec<(Revision, Entry)>, JournalError> {
        self.inner.read(after, max)
    }
    fn compact(&mut self, oldest: Revision, base: &[u8]) -> Result<(), JournalError> {
        self.inner.compact(oldest, base)
    }
    fn base(&self) -> Result<Option<(Revision, Vec<u8>)>, JournalError> {
        self.inner.base()
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn reader(&self) -> JournalReader {
        self.inner.reader()
    }
}

/// An agent that survives every coordinator: ledger, numbered events, and what it ran.
#[derive(Default)]
struct Agent {
    ledger: BTreeMap<StepId, (Attempt, StepOutcome)>,
    told: Vec<NodeEvent>,
    session: u64,
}

impl Agent {
    fn tell(&mut self, kind: NodeEventKind) {
        let seq = Seq(u64::try_from(self.told.len()).expect("few") + 1);
        self.told.push(NodeEvent {
            incarnation: INCARNATION,
            seq,
            time: Moment(0),
            monotonic_ms: 0,
            boot: BOOT,
            kind,
        });
    }
}

const INCARNATION: Incarnation = Incarnation([1; 16]);
const BOOT: BootId = BootId([2; 16]);
const DONE: StepOutcome = StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 };

/// What outlives coordinators.
struct World {
    agents: BTreeMap<NodeName, Agent>,
    host: BTreeSet<StepId>,
    ran: BTreeMap<(StepId, Attempt), u32>,
    plan: Plan,
}

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Died,
    Finished(RunOutcome),
}

impl World {
    fn new() -> Self {
        let mut lab = Lab::default();
        lab.clusters.truncate(1);
        let nodes = lab.nodes().map(|(_, node)| (node.name.clone(), Agent::default()));
        Self {
            agents: nodes.collect(),
            host: BTreeSet::new(),
            ran: BTreeMap::new(),
            plan: plan(&lab, &[], 2).expect("a plan"),
        }
    }

    /// One coordinator's life: agents come, an operator says `up`, until the run or the coordinator ends.
    async fn live(&mut self, log: Box<dyn Journal>) -> End {
        let epoch = log.epoch();
        let wanted = self.plan.clone();
        let opened = Engine::open(log, Stamper::default(), move |digest| {
            (digest == wanted.digest).then(|| wanted.clone())
        });
        let (engine, handle, effects) = opened.expect("the log can be folded");
        let running = std::thread::spawn(move || engine.run());
        let mut life = Life {
            world: self,
            handle,
            effects,
        };
        let end = life.run(epoch).await.unwrap_or(End::Died);
        drop(life);
        let _ = running.join().expect("the engine does not panic");
        end
    }

    fn run_once(&mut self, step: StepId, attempt: Attempt) {
        *self.ran.entry((step, attempt)).or_default() += 1;
    }
}

struct Life<'a> {
    world: &'a mut World,
    handle: EngineHandle,
    effects: mpsc::UnboundedReceiver<Effect>,
}

impl Life<'_> {
    /// None when the engine has ended.
    async fn run(&mut self, epoch: Epoch) -> Option<End> {
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

fn open(path: &Path) -> RedbJournal {
    RedbJournal::open(path, LogId([9; 16])).expect("the log opens")
}

fn recorded(path: &Path) -> Vec<Line> {
    let log = open(path);
    let entries = log.read(Revision(0), usize::MAX).expect("readable");
    let line = |(revision, entry): (Revision, Entry)| Line {
        revision,
        time: entry.time,
        record: serde_json::from_slice(&entry.json).expect("a record"),
    };
    entries.into_iter().map(line).collect()
}

/// Dies at the `nth` write by `arrow`, lives again, and says what became of it: whether there was such a write, or what went
/// wrong. With `forgets`, agents lose their ledgers in between, which no promise allows.
async fn die_at(nth: u32, arrow: Arrow, forgets: bool) -> Result<bool, String> {
    // A killed process leaves what it wrote to the kernel: memory is as good as a disk here, and much faster.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("temp");
    let path = dir.path().join("log.redb");
    let mut world = World::new();
    let mortal = Mortal {
        inner: open(&path),
        arrow,
        left: nth,
    };
    if world.live(Box::new(mortal)).await != End::Died {
        return Ok(false);
    }
    if forgets {
        world.agents.values_mut().for_each(|agent| agent.ledger.clear());
    }
    let end = world.live(Box::new(open(&path))).await;
    judge(&world, &end, &recorded(&path)).map_err(|what| format!("write {nth}, {arrow:?}: {what}"))?;
    Ok(true)
}

fn judge(world: &World, end: &End, lines: &[Line]) -> Result<(), String> {
    if *end != End::Finished(RunOutcome::Succeeded) {
        return Err(format!("the run ended with {end:?}"));
    }
    for ((step, attempt), times) in &world.ran {
        if *times != 1 {
            return Err(format!(
                "step {} attempt {attempt} ran {times} times",
                step.short()
            ));
        }
        if *attempt > Attempt(1) && !world.host.contains(step) {
            return Err(format!("step {} was run again on its node", step.short()));
        }
    }
    match history::check(lines) {
        Ok(summary) if summary.finished && summary.claims == 1 => Ok(()),
        Ok(summary) => Err(format!("{summary:?}")),
        Err(broken) => Err(format!("{broken:#?}")),
    }
}

#[tokio::test]
async fn a_coordinator_that_dies_at_any_write_is_carried_on() {
    let mut writes = 0;
    for nth in 1.. {
        let (before, after) = tokio::join!(
            die_at(nth, Arrow::BeforeWrite, false),
            die_at(nth, Arrow::AfterWrite, false)
        );
        if !before.expect("no promise broken") && !after.expect("no promise broken") {
            break;
        }
        writes += 1;
    }
    println!("died before and after each of {writes} writes");
    assert!(
        writes > 40,
        "only {writes} writes: the run is too short to mean anything"
    );
}

/// The control: a defect that these tests are there to find.
#[tokio::test]
async fn agents_that_forget_what_they_did_are_found_out() {
    let mut found = false;
    for nth in 1..60 {
        found |= die_at(nth, Arrow::BeforeWrite, true).await.is_err();
        if found {
            break;
        }
    }
    assert!(found, "lost ledgers went unnoticed");
}
