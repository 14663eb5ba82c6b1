//! One thread, or task, owns the journal. Appends that wait together are written together: one sync for all of them.

use super::{Batch, Draft, Journal, JournalError, MemoryJournal, Position, StepRecord};
use model::event::NodeEvent;
use model::ids::{Epoch, Seq};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

const QUEUE: usize = 256;
type Answer<T> = oneshot::Sender<Result<T, Arc<JournalError>>>;

enum Command {
    Append(Batch, Answer<()>),
    Read(Seq, usize, Answer<Vec<NodeEvent>>),
    Ack(Seq),
    Renew(String, Box<Draft>, Answer<()>),
}

/// The thread's half.
pub struct Writer {
    journal: Box<dyn Journal>,
    commands: mpsc::Receiver<Command>,
    position: watch::Sender<Position>,
}

/// What everybody else holds.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    position: watch::Receiver<Position>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("position", &*self.position.borrow())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread; gives the handle, and what the journal held: ledger and highest epoch.
    pub fn start(journal: Box<dyn Journal>) -> (Handle, Vec<StepRecord>, Epoch) {
        let (writer, handle, steps, epoch) = Self::over(journal);
        std::thread::spawn(move || writer.run());
        (handle, steps, epoch)
    }

    /// As [`Self::start`], but in a task of the present runtime: for a journal that never waits for a disk.
    pub fn start_in_task(journal: MemoryJournal) -> Handle {
        let (writer, handle, _, _) = Self::over(Box::new(journal));
        tokio::spawn(writer.run_in_task());
        handle
    }

    fn over(journal: Box<dyn Journal>) -> (Self, Handle, Vec<StepRecord>, Epoch) {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let (position, watched) = watch::channel(journal.position());
        let (steps, epoch) = (journal.steps(), journal.epoch());
        let writer = Writer {
            journal,
            commands: receiver,
            position,
        };
        let handle = Handle {
            commands,
            position: watched,
        };
        (writer, handle, steps, epoch)
    }

    fn run(mut self) {
        while let Some(command) = self.commands.blocking_recv() {
            if !self.perform(command) {
                return;
            }
        }
    }

    async fn run_in_task(mut self) {
        while let Some(command) = self.commands.recv().await {
            if !self.perform(command) {
                return;
            }
        }
    }

    /// Performs the command and those that an append found behind it; false when the journal cannot be relied on any more.
    fn perform(&mut self, command: Command) -> bool {
        let mut held = Some(command);
        while let Some(command) = held.take() {
            let fatal = match command {
                Command::Append(batch, answer) => {
                    let (outcome, next) = self.append(batch, answer);
                    held = next;
                    outcome
                }
                Command::Read(from, max, answer) => {
                    let read = self.journal.read(from, max).map_err(Arc::new);
                    let fatal = read.as_ref().err().cloned();
                    let _ = answer.send(read);
                    fatal
                }
                Command::Ack(upto) => self.journal.ack(upto).err().map(Arc::new),
                Command::Renew(reason, stamp, answer) => {
                    let done = self.journal.renew(&reason, &stamp).map_err(Arc::new);
                    let fatal = done.as_ref().err().cloned();
                    let _ = answer.send(done);
                    fatal
                }
            };
            self.position
                .send_if_modified(|known| std::mem::replace(known, self.journal.position()) != *known);
            // After a failed write or sync nothing the store says can be relied on: the process ends, and begins anew.
            if fatal.is_some_and(|error| !matches!(*error, JournalError::Full | JournalError::Record(_))) {
                return false;
            }
        }
        true
    }

    /// Writes this batch with all others that wait; the first command that is none of them is handed back. What begins a step is
    /// written alone: a full buffer that refuses it would refuse what must never be lost with it.
    fn append(
        &mut self,
        mut batch: Batch,
        answer: Answer<()>,
    ) -> (Option<Arc<JournalError>>, Option<Command>) {
        let mut answers = vec![answer];
        let mut next = None;
        while !batch.begins()
            && let Ok(command) = self.commands.try_recv()
        {
            match command {
                Command::Append(more, answer) if !more.begins() => {
                    batch.join(more);
                    answers.push(answer);
                }
                other => {
                    next = Some(other);
                    break;
                }
            }
        }
        let written = self.journal.append(&batch).map(|_| ()).map_err(Arc::new);
        self.position
            .send_if_modified(|known| std::mem::replace(known, self.journal.position()) != *known);
        for answer in answers {
            let _ = answer.send(written.clone());
        }
        (written.err(), next)
    }
}

impl Handle {
    /// Writes a batch; durable when it returns.
    pub async fn append(&self, batch: Batch) -> Result<(), Arc<JournalError>> {
        self.ask(|answer| Command::Append(batch, answer)).await
    }

    /// Events from `from` on.
    pub async fn read(&self, from: Seq, max: usize) -> Result<Vec<NodeEvent>, Arc<JournalError>> {
        self.ask(|answer| Command::Read(from, max, answer)).await
    }

    /// Begins a new life.
    pub async fn renew(&self, reason: String, stamp: Draft) -> Result<(), Arc<JournalError>> {
        self.ask(|answer| Command::Renew(reason, Box::new(stamp), answer))
            .await
    }

    /// Events up to here are safe elsewhere.
    pub async fn ack(&self, upto: Seq) -> Result<(), Arc<JournalError>> {
        self.commands
            .send(Command::Ack(upto))
            .await
            .map_err(|_| Arc::new(JournalError::Ended))
    }

    /// Follows where the stream stands; every number in it is durable.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Arc<JournalError>> {
        let (answer, asked) = oneshot::channel();
        let ended = || Arc::new(JournalError::Ended);
        self.commands.send(command(answer)).await.map_err(|_| ended())?;
        asked.await.map_err(|_| ended())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FullBuffer, StepPhase};
    use model::event::NodeEventKind;
    use model::ids::{Attempt, BootId, Incarnation, StepId};
    use model::moment::Moment;
    use model::step::{NodeStep, Role, StepOrder};

    fn told(version: &str) -> Batch {
        let draft = Draft {
            time: Moment(0),
            monotonic_ms: 0,
            boot: BootId([1; 16]),
            kind: NodeEventKind::AgentStarted {
                version: version.into(),
            },
        };
        Batch {
            events: vec![draft],
            ..Batch::default()
        }
    }

    fn begun() -> Batch {
        let order = StepOrder {
            step: StepId([1; 32]),
            attempt: Attempt(1),
            body: NodeStep::ImportImages { role: Role::Worker },
            budget_ms: 1,
        };
        let record = StepRecord {
            order,
            phase: StepPhase::Accepted,
            at: Moment(0),
        };
        Batch {
            steps: vec![record],
            ..told("accepted")
        }
    }

    #[tokio::test]
    async fn a_step_that_a_full_buffer_refuses_takes_nothing_else_with_it() {
        let journal = FullBuffer(MemoryJournal::new(Incarnation([1; 16])));
        let (writer, handle, _, _) = Writer::over(Box::new(journal));
        let writes = [told("a"), begun(), told("b"), told("c")].map(|batch| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.append(batch).await.is_ok() })
        });
        // All of them wait before the writer looks.
        tokio::task::yield_now().await;
        tokio::spawn(writer.run_in_task());
        let mut written = Vec::new();
        for write in writes {
            written.push(write.await.expect("ended"));
        }
        assert_eq!(written, [true, false, true, true]);
        let kept = handle.read(Seq(1), 9).await.expect("read");
        assert_eq!(kept.len(), 3, "{kept:?}");
    }
}
