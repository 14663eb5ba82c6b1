//! The one loop that owns the truth: event, decision, records durable, then effects.
//!
//! It runs on a thread of its own, because making records durable blocks. Events that queue up meanwhile are decided one
//! after another and share one write to the disk; no effect of any of them leaves before that write returned.

use crate::clock;
use crate::exit::chain;
use crate::journal::{Entry, Journal, JournalError};
use domain::effect::Effect;
use domain::event::Event;
use domain::machine::{Refused, step};
use domain::plan::Plan;
use domain::record::Record;
use domain::state::{ApplyError, State};
use model::ids::{Digest, Revision};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Most events that share one write.
const BATCH: usize = 256;

/// Entries read at once while the log is folded.
const FOLD: usize = 4096;

/// Why the engine could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log cannot be read or written.
    #[error("the durable log")]
    Journal(#[from] JournalError),
    /// A record of the log cannot be understood.
    #[error("revision {revision} of the log cannot be understood")]
    Record {
        /// Which.
        revision: Revision,
        /// First cause.
        #[source]
        source: serde_json::Error,
    },
    /// A record cannot follow the ones before it: the log is not one that this program wrote.
    #[error("revision {revision} of the log does not follow from what is before it")]
    Apply {
        /// Which.
        revision: Revision,
        /// First cause.
        #[source]
        source: ApplyError,
    },
}

type Answer = oneshot::Sender<Result<Revision, Refused>>;
type Question = Box<dyn FnOnce(&State) + Send>;

enum Request {
    Event(Box<Event>, Option<Answer>),
    Ask(Question),
}

/// How everybody else reaches the engine.
#[derive(Clone)]
pub struct EngineHandle {
    requests: mpsc::UnboundedSender<Request>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineHandle")
    }
}

impl EngineHandle {
    /// Queues an event; what the engine cannot take any more after its end is dropped.
    pub fn submit(&self, event: Event) {
        let _ = self.requests.send(Request::Event(Box::new(event), None));
    }

    /// Queues an event and waits until what it led to is durable: the log's head from before its records, or why the
    /// machine did not follow. None when the engine has ended.
    pub async fn submit_and_wait(&self, event: Event) -> Option<Result<Revision, Refused>> {
        let (answer, done) = oneshot::channel();
        self.requests
            .send(Request::Event(Box::new(event), Some(answer)))
            .ok()?;
        done.await.ok()
    }

    /// Looks at the state between two events.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, done) = oneshot::channel();
        let asked = Request::Ask(Box::new(move |state| {
            let _ = answer.send(question(state));
        }));
        self.requests.send(asked).ok()?;
        done.await.ok()
    }
}

/// The loop's own part.
pub struct Engine {
    state: State,
    journal: Box<dyn Journal>,
    requests: mpsc::UnboundedReceiver<Request>,
    effects: mpsc::UnboundedSender<Effect>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Folds the log. `load_plan` finds the plan that the log's last run names.
    pub fn open(
        journal: Box<dyn Journal>,
        load_plan: impl Fn(Digest) -> Option<Plan>,
    ) -> Result<(Self, EngineHandle, mpsc::UnboundedReceiver<Effect>), EngineError> {
        let mut state = State::default();
        let mut after = Revision(journal.oldest().0.saturating_sub(1));
        loop {
            let entries = journal.read(after, FOLD)?;
            let Some((last, _)) = entries.last() else { break };
            after = *last;
            for (revision, entry) in entries {
                let record: Record = serde_json::from_slice(&entry.json)
                    .map_err(|source| EngineError::Record { revision, source })?;
                state
                    .apply(revision, &record, entry.time)
                    .map_err(|source| EngineError::Apply { revision, source })?;
            }
        }
        if let Some(plan) = state.wanted_plan().and_then(load_plan) {
            state.offer_plan(Arc::new(plan));
        }
        let (request_sender, requests) = mpsc::unbounded_channel();
        let (effects, effect_receiver) = mpsc::unbounded_channel();
        let handle = EngineHandle {
            requests: request_sender,
        };
        Ok((
            Self {
                state,
                journal,
                requests,
                effects,
            },
            handle,
            effect_receiver,
        ))
    }

    /// Runs until every handle is gone. An error means that nothing more may be concluded: the process must end.
    pub fn run(mut self) -> Result<(), EngineError> {
        while let Some(first) = self.requests.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                let Ok(next) = self.requests.try_recv() else { break };
                batch.push(next);
            }
            self.decide(batch)?;
        }
        Ok(())
    }

    fn decide(&mut self, batch: Vec<Request>) -> Result<(), EngineError> {
        let mut entries = Vec::new();
        let mut effects = Vec::new();
        let mut answers = Vec::new();
        let mut questions: Vec<Question> = Vec::new();
        for request in batch {
            let (event, answer) = match request {
                Request::Event(event, answer) => (*event, answer),
                Request::Ask(question) => {
                    questions.push(question);
                    continue;
                }
            };
            let before = self.state.revision;
            let refused = self.conclude(event, &mut entries, &mut effects)?;
            if let Some(answer) = answer {
                answers.push((answer, refused.map_or(Ok(before), Err)));
            }
        }
        if !entries.is_empty() {
            self.journal.append(&entries)?;
        }
        for effect in effects {
            if self.effects.send(effect).is_err() {
                tracing::debug!("an effect after the end is dropped");
            }
        }
        for (answer, outcome) in answers {
            let _ = answer.send(outcome);
        }
        for question in questions {
            question(&self.state);
        }
        Ok(())
    }

    /// One decision, folded into the state; its records and effects wait for the common write.
    fn conclude(
        &mut self,
        event: Event,
        entries: &mut Vec<Entry>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Refused>, EngineError> {
        if let Event::UpRequested { plan, .. } = &event {
            self.state.offer_plan(Arc::new(plan.clone()));
        }
        let now = clock::now();
        let decision = step(&self.state, event, now);
        for record in &decision.records {
            let revision = self.state.revision.next();
            let json =
                serde_json::to_vec(record).map_err(|source| EngineError::Record { revision, source })?;
            self.state
                .apply(revision, record, now)
                .map_err(|source| EngineError::Apply { revision, source })?;
            entries.push(Entry { time: now, json });
        }
        effects.extend(decision.effects);
        Ok(decision.refused)
    }
}

/// The error with its causes, for the daemon's last words.
pub fn last_words(error: &EngineError) -> String {
    format!("the engine stopped: {}", chain(error))
}
