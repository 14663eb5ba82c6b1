//! The one loop that owns the truth: event, decision, records durable, then effects.
//!
//! It runs on a thread of its own, because making records durable blocks. Events that queue up meanwhile are decided one
//! after another and share one write to the disk; no effect of any of them leaves before that write returned.

use crate::clock;
use crate::envelope::{self, Sealed, Stamper};
use crate::exit::chain;
use crate::journal::{Entry, Journal, JournalError, Retention};
use domain::effect::Effect;
use domain::event::Event;
use domain::machine::{Refused, advance};
use domain::plan::Plan;
use domain::state::{ApplyError, SnapshotError, State};
use model::ids::{Digest, Revision};
use model::moment::Moment;
use model::planted::{self, Bug};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Most events that share one write.
const BATCH: usize = 256;

/// Events of agents that may wait for the engine: enough for many writes, and a bound on memory while one of them takes long.
pub(crate) const FROM_AGENTS: usize = 16 * BATCH;

/// Entries read at once while the log is folded.
const FOLD: usize = 4096;

/// Retention is thought of after so many entries or so much time, whichever comes first.
const RETAIN_EACH: u64 = 4096;
const RETAIN_EVERY_MS: u64 = 60_000;

/// Entries that a start folds at most: after so many the state is left beside the log. At 600 bytes each it takes half a second
/// to fold them.
const CHECKPOINT_EACH: u64 = 65_536;

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
    /// What was known before the oldest entry cannot be understood.
    #[error("the base of the log cannot be understood")]
    Base(#[from] SnapshotError),
    /// Retention took entries and left nothing in their place: the log is not one that this program wrote.
    #[error("the log begins at revision {0} and has no base")]
    NoBase(Revision),
    /// The state cannot be kept.
    #[error("the state cannot be written")]
    Snapshot(#[source] serde_json::Error),
}

type Answer = oneshot::Sender<Result<Revision, Refused>>;
type Question = Box<dyn FnOnce(&State) + Send>;

enum Request {
    /// With whoever asked for it, where that is not told by the event itself, and the place that it takes up meanwhile.
    Event(
        Box<Event>,
        Option<String>,
        Option<Answer>,
        Option<OwnedSemaphorePermit>,
    ),
    Ask(Question),
}

/// How everybody else reaches the engine.
#[derive(Clone)]
pub struct EngineHandle {
    requests: mpsc::UnboundedSender<Request>,
    from_agents: Arc<Semaphore>,
}

/// Places for events of agents. Each is free again when the engine has taken the event in it, or with this when it has none.
#[derive(Debug)]
pub struct Room(Option<OwnedSemaphorePermit>);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineHandle")
    }
}

impl EngineHandle {
    /// Queues an event; what the engine cannot take any more after its end is dropped.
    pub fn submit(&self, event: Event) {
        self.queue(event, None);
    }

    /// Waits until that many events of agents have a place, of which there are a few thousand. The engine waits for no agent, so
    /// the places come as it goes on, and with its end.
    pub async fn room(&self, count: usize) -> Room {
        let count = u32::try_from(count.min(FROM_AGENTS)).unwrap_or(u32::MAX);
        Room(Arc::clone(&self.from_agents).acquire_many_owned(count).await.ok())
    }

    /// As [`Self::submit`], in one of the places.
    pub fn submit_in(&self, room: &mut Room, event: Event) {
        self.queue(event, room.0.as_mut().and_then(|places| places.split(1)));
    }

    fn queue(&self, event: Event, place: Option<OwnedSemaphorePermit>) {
        let _ = self
            .requests
            .send(Request::Event(Box::new(event), None, None, place));
    }

    /// Queues an event and waits until what it led to is durable: the log's head from before its records, or why the
    /// machine did not follow. None when the engine has ended.
    pub async fn submit_and_wait(&self, event: Event) -> Option<Result<Revision, Refused>> {
        let actor = envelope::actor_of(&event);
        self.submit_as(actor, event).await
    }

    /// As [`Self::submit_and_wait`], in the name of whoever asked.
    pub async fn submit_as(&self, actor: String, event: Event) -> Option<Result<Revision, Refused>> {
        let (answer, done) = oneshot::channel();
        self.requests
            .send(Request::Event(Box::new(event), Some(actor), Some(answer), None))
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
    stamper: Stamper,
    journal: Box<dyn Journal>,
    requests: mpsc::UnboundedReceiver<Request>,
    effects: mpsc::UnboundedSender<Effect>,
    retention: Retention,
    /// When and where it was last asked what may go.
    retained: Moment,
    retained_at: Revision,
    /// Where a fold would begin.
    based_at: Revision,
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
        stamper: Stamper,
        load_plan: impl Fn(Digest) -> Option<Plan>,
    ) -> Result<(Self, EngineHandle, mpsc::UnboundedReceiver<Effect>), EngineError> {
        let mut state = match journal.base()? {
            Some((revision, bytes)) => State::restore(revision, &bytes)?,
            None if journal.oldest() > Revision(1) => return Err(EngineError::NoBase(journal.oldest())),
            None => State::default(),
        };
        let based_at = state.revision;
        let mut after = based_at;
        loop {
            let entries = journal.read(after, FOLD)?;
            let Some((last, _)) = entries.last() else { break };
            after = *last;
            for (revision, entry) in entries {
                let record = entry
                    .record()
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
            from_agents: Arc::new(Semaphore::new(FROM_AGENTS)),
        };
        Ok((
            Self {
                state,
                stamper,
                journal,
                requests,
                effects,
                retention: Retention::default(),
                retained: Moment::default(),
                retained_at: Revision(0),
                based_at,
            },
            handle,
            effect_receiver,
        ))
    }

    /// Keeps more or less of the log than by default.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Bytes of the entries that are kept.
    pub fn log_size(&self) -> u64 {
        self.journal.size()
    }

    /// Runs until every handle is gone. An error means that nothing more may be concluded: the process must end.
    pub fn run(mut self) -> Result<(), EngineError> {
        while let Some(first) = self.requests.blocking_recv() {
            self.round(first)?;
        }
        Ok(())
    }

    /// Decides what waits now, without waiting for more; false when nothing did. For simulations, which are their own clock.
    pub fn turn(&mut self) -> Result<bool, EngineError> {
        let Ok(first) = self.requests.try_recv() else {
            return Ok(false);
        };
        self.round(first).map(|()| true)
    }

    /// One write for `first` and whatever waits behind it.
    fn round(&mut self, first: Request) -> Result<(), EngineError> {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(next) = self.requests.try_recv() else { break };
            batch.push(next);
        }
        self.decide(batch)?;
        self.retain()
    }

    /// Drops what need not be kept any longer, now and then, once what it led to is kept as a snapshot.
    fn retain(&mut self) -> Result<(), EngineError> {
        let now = clock::now();
        if self.state.revision.0 < self.retained_at.0.saturating_add(RETAIN_EACH)
            && now.millis_since(self.retained) < RETAIN_EVERY_MS
        {
            return Ok(());
        }
        (self.retained, self.retained_at) = (now, self.state.revision);
        let oldest = self.retention.oldest_wanted(self.journal.as_ref(), now)?;
        if oldest.is_none() && self.state.revision.0 < self.based_at.0.saturating_add(CHECKPOINT_EACH) {
            return Ok(());
        }
        let base = self.state.snapshot().map_err(EngineError::Snapshot)?;
        match oldest {
            Some(oldest) => {
                self.journal.compact(oldest, &base)?;
                tracing::info!(%oldest, "retention shortened the log");
            }
            None => self.journal.checkpoint(&base)?,
        }
        self.based_at = self.state.revision;
        Ok(())
    }

    fn decide(&mut self, batch: Vec<Request>) -> Result<(), EngineError> {
        let mut entries = Vec::new();
        let mut effects = Vec::new();
        let mut answers = Vec::new();
        let mut questions: Vec<Question> = Vec::new();
        for request in batch {
            let (event, actor, answer) = match request {
                Request::Event(event, actor, answer, _place) => (*event, actor, answer),
                Request::Ask(question) => {
                    questions.push(question);
                    continue;
                }
            };
            let before = self.state.revision;
            let actor = actor.unwrap_or_else(|| envelope::actor_of(&event));
            let refused = self.conclude(event, &actor, &mut entries, &mut effects)?;
            if let Some(answer) = answer {
                answers.push((answer, refused.map_or(Ok(before), Err)));
            }
        }
        if planted::is(Bug::AcknowledgeBeforeFsync) {
            self.hand_over(std::mem::take(&mut effects));
        }
        if !entries.is_empty() {
            self.journal.append(&entries)?;
        }
        self.hand_over(effects);
        for (answer, outcome) in answers {
            let _ = answer.send(outcome);
        }
        for question in questions {
            question(&self.state);
        }
        Ok(())
    }

    fn hand_over(&self, effects: Vec<Effect>) {
        for effect in effects {
            if self.effects.send(effect).is_err() {
                tracing::debug!("an effect after the end is dropped");
            }
        }
    }

    /// One decision, folded into the state; its records and effects wait for the common write.
    fn conclude(
        &mut self,
        event: Event,
        actor: &str,
        entries: &mut Vec<Entry>,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Refused>, EngineError> {
        if let Event::UpRequested { plan, .. } = &event {
            self.state.offer_plan(Arc::new(plan.clone()));
        }
        let now = clock::now();
        let (stamper, mut stamps) = (&self.stamper, Vec::new());
        let decision = advance(&mut self.state, event, now, |state, record| {
            stamps.push((state.revision, stamper.stamp(state, record, actor)));
        });
        for (record, (revision, stamp)) in decision.records.into_iter().zip(stamps) {
            let entry = Entry::sealed(now, Sealed { record, stamp })
                .map_err(|source| EngineError::Record { revision, source })?;
            entries.push(entry);
        }
        effects.extend(decision.effects);
        Ok(decision.refused)
    }
}

/// The error with its causes, for the daemon's last words.
pub fn last_words(error: &EngineError) -> String {
    format!("the engine stopped: {}", chain(error))
}

#[cfg(test)]
mod tests;
