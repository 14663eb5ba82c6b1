//! Records in, finished spans out. Nothing here knows a wire.

use crate::journal::Entry;
use domain::plan::Plan;
use domain::record::{Record, RunOutcome, Source};
use model::ids::{Attempt, Digest, NodeName, RunId, StepId};
use model::moment::Moment;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};

/// A span that is over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: String,
    /// The node whose agent it is about; None for the coordinator's own.
    pub(super) node: Option<NodeName>,
    pub(super) from: Moment,
    pub(super) to: Moment,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// An attempt that is not over.
struct Open {
    name: String,
    from: Moment,
    agent_from: Option<Moment>,
}

/// A run that is not over.
struct Run {
    id: RunId,
    from: Moment,
    phase_of: HashMap<StepId, u8>,
    phases: BTreeMap<u8, Moment>,
    open: HashMap<(StepId, Attempt), Open>,
}

type LoadPlan = Box<dyn Fn(Digest) -> Option<Plan> + Send>;

/// Follows the latest run.
pub(super) struct Fold {
    load: LoadPlan,
    run: Option<Run>,
}

impl Fold {
    /// `load` finds a run's plan, which says to which phase a step belongs.
    pub(super) fn new(load: LoadPlan) -> Self {
        Self { load, run: None }
    }

    /// Takes the next record; the spans that ended with it.
    pub(super) fn take(&mut self, entry: &Entry) -> Vec<Span> {
        let Ok(record) = entry.record() else {
            return Vec::new();
        };
        match &*record {
            Record::RunStarted { run, plan_digest, .. } => {
                let steps = (self.load)(*plan_digest)
                    .map(|plan| plan.steps)
                    .unwrap_or_default();
                self.run = Some(Run {
                    id: *run,
                    from: entry.time,
                    phase_of: steps.iter().map(|step| (step.id, step.phase)).collect(),
                    phases: BTreeMap::new(),
                    open: HashMap::new(),
                });
                Vec::new()
            }
            Record::RunFinished { run, outcome, .. } => match self.run.take_if(|open| open.id == *run) {
                Some(run) => run.finish(entry.time, *outcome),
                None => Vec::new(),
            },
            _ => self
                .run
                .as_mut()
                .map(|run| run.take(entry, &record))
                .unwrap_or_default(),
        }
    }
}

impl Run {
    fn take(&mut self, entry: &Entry, record: &Record) -> Vec<Span> {
        let at = entry.time;
        match record {
            Record::StepIntended {
                step, attempt, name, ..
            } => {
                if let Some(phase) = self.phase_of.get(step) {
                    self.phases.entry(*phase).or_insert(at);
                }
                let open = Open {
                    name: name.clone(),
                    from: at,
                    agent_from: None,
                };
                self.open.insert((*step, *attempt), open);
                Vec::new()
            }
            Record::StepRunning { source, .. } => {
                let told = source.as_ref().map(|source| ours(entry, source));
                if let Some(open) = record.step().and_then(|key| self.open.get_mut(&key)) {
                    open.agent_from = open.agent_from.or(told);
                }
                Vec::new()
            }
            Record::StepSucceeded { source, .. } => {
                self.end(entry, record, "succeeded", source.as_ref(), None)
            }
            Record::StepFailed {
                source,
                code,
                message,
                ..
            } => {
                let error = Some(format!("{code}: {message}"));
                self.end(entry, record, "failed", source.as_ref(), error)
            }
            Record::StepUnknown { source, reason, .. } => {
                self.end(entry, record, "unknown", source.as_ref(), Some(reason.clone()))
            }
            Record::StepCancelled { source, .. } => {
                self.end(entry, record, "cancelled", source.as_ref(), None)
            }
            Record::GateReached { run, phase, .. } if *run == self.id => {
                let from = self.phases.remove(phase).unwrap_or(at);
                vec![self.phase(*phase, from, at)]
            }
            _ => Vec::new(),
        }
    }

    /// An attempt is over: its span, and the node's part of it.
    fn end(
        &mut self,
        entry: &Entry,
        record: &Record,
        outcome: &str,
        source: Option<&Source>,
        error: Option<String>,
    ) -> Vec<Span> {
        let Some((step, attempt)) = record.step() else {
            return Vec::new();
        };
        let Some(open) = self.open.remove(&(step, attempt)) else {
            return Vec::new();
        };
        let parent = match self.phase_of.get(&step) {
            Some(phase) => self.phase_id(*phase),
            None => self.root(),
        };
        let id = short(&[b"step", &self.id.0, &step.0, &attempt.0.to_be_bytes()]);
        let span = Span {
            trace: self.id.0,
            id,
            parent: Some(parent),
            name: open.name.clone(),
            node: None,
            from: open.from,
            to: entry.time,
            error: error.clone(),
            attributes: vec![
                ("drillyard.step", step.to_string()),
                ("drillyard.attempt", attempt.to_string()),
                ("drillyard.outcome", outcome.to_owned()),
            ],
        };
        let mut spans = vec![span];
        if let (Some(from), Some(source)) = (open.agent_from, source) {
            let label = open
                .name
                .split_once(' ')
                .map_or(open.name.as_str(), |(_, label)| label);
            spans.push(Span {
                trace: self.id.0,
                id: short(&[b"agent", &self.id.0, &step.0, &attempt.0.to_be_bytes()]),
                parent: Some(id),
                name: format!("run {label}"),
                node: Some(source.node.clone()),
                from,
                to: ours(entry, source).max(from),
                error,
                attributes: vec![("drillyard.attempt", attempt.to_string())],
            });
        }
        spans
    }

    /// The run is over, and with it every phase that no gate ended.
    fn finish(self, at: Moment, outcome: RunOutcome) -> Vec<Span> {
        let mut spans: Vec<_> = self
            .phases
            .iter()
            .map(|(phase, from)| self.phase(*phase, *from, at))
            .collect();
        let word = serde_json::to_value(outcome).unwrap_or_default();
        let word = word.as_str().unwrap_or_default().to_owned();
        spans.push(Span {
            trace: self.id.0,
            id: self.root(),
            parent: None,
            name: "up".into(),
            node: None,
            from: self.from,
            to: at,
            error: (outcome == RunOutcome::NeedsDecision).then(|| word.clone()),
            attributes: vec![
                ("drillyard.run", self.id.to_string()),
                ("drillyard.outcome", word),
            ],
        });
        spans
    }

    fn phase(&self, phase: u8, from: Moment, to: Moment) -> Span {
        Span {
            trace: self.id.0,
            id: self.phase_id(phase),
            parent: Some(self.root()),
            name: format!("phase {phase}"),
            node: None,
            from,
            to,
            error: None,
            attributes: vec![("drillyard.phase", phase.to_string())],
        }
    }

    fn root(&self) -> [u8; 8] {
        short(&[b"run", &self.id.0])
    }

    fn phase_id(&self, phase: u8) -> [u8; 8] {
        short(&[b"phase", &self.id.0, &[phase]])
    }
}

/// A node's time on the coordinator's clock, as far as the offset was known.
fn ours(entry: &Entry, source: &Source) -> Moment {
    entry
        .stamp()
        .clock
        .map_or(source.time, |clock| clock.ours(source.time))
}

/// Eight bytes that stand for the parts; never all zero, which would mean none.
fn short(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut id = [0; 8];
    id.iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    if id == [0; 8] { [1; 8] } else { id }
}
