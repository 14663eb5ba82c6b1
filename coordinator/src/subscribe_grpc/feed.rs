//! What all subscribers have in common: an entry is read, understood and put into words once, however many want it.
//!
//! The newest lines stay in memory, bounded by count and by bytes, so whoever keeps up with the log takes them from there. Of
//! those who wait for the next ones a single one reads the log, on a thread where that may block; the others find what
//! it left. Whoever is further behind reads the log alone, and leaves nothing here.

use super::line::Line;
use crate::journal::{JournalError, JournalReader};
use crate::projection::Projection;
use domain::filter::Words;
use model::ids::Revision;
use model::lab::Lab;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that are read at once.
const BATCH: usize = 512;

/// Lines that stay in memory at most, and the bytes that they may have together.
const RECENT: usize = 2048;
const RECENT_BYTES: usize = 2 * 1024 * 1024;

/// The log as lines for subscribers. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    log: JournalReader,
    words: Projection,
    known: Words,
    recent: Mutex<Recent>,
    /// Held while the lines behind the recent ones are read.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Lines of consecutive revisions.
#[derive(Debug, Default)]
struct Recent {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

/// Where the lines after some revision are.
enum Place {
    /// Here they are.
    Kept(Vec<Arc<Line>>),
    /// Older than what is kept.
    Behind,
    /// Behind all that is kept: reading them serves everybody who comes after.
    Next,
}

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// The log could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The process is ending.
    #[error("the coordinator is ending")]
    Ending,
}

impl Feed {
    /// The lines of `log`, in the words of `lab`.
    pub fn new(log: JournalReader, lab: &Lab) -> Self {
        Self(Arc::new(Shared {
            log,
            words: Projection::new(lab),
            known: Words::of(lab),
            recent: Mutex::default(),
            turn: Arc::default(),
        }))
    }

    /// The log itself.
    pub fn log(&self) -> &JournalReader {
        &self.0.log
    }

    /// The words that a filter of them may have.
    pub(super) fn known(&self) -> &Words {
        &self.0.known
    }

    /// Some of the lines after `after`, in order and without a hole; none when that is the end of the log.
    pub(super) async fn lines(&self, after: Revision) -> Result<Vec<Arc<Line>>, FeedError> {
        if self.0.log.head() <= after {
            return Ok(Vec::new());
        }
        match self.0.look(after)? {
            Place::Kept(lines) => return Ok(lines),
            Place::Behind => return self.alone(after, BATCH).await,
            Place::Next => {}
        }
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        // Somebody else may have read them while this one waited.
        match self.0.look(after)? {
            Place::Kept(lines) => Ok(lines),
            Place::Behind => {
                drop(turn);
                self.alone(after, BATCH).await
            }
            Place::Next => self.next(after, turn).await,
        }
    }

    /// Begins to read what follows `after`, where that is not kept or being read yet, so that it is there when it is asked for.
    pub(super) fn read_ahead(&self, after: Revision) {
        if self.0.log.head() <= after {
            return;
        }
        let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() else {
            return;
        };
        if matches!(self.0.look(after), Ok(Place::Next)) {
            // Whoever asks for these lines meets the same error and tells it.
            drop(self.next(after, turn));
        }
    }

    /// The lines that end with `to`, at most a batch of them; none where the log begins behind it. They are not kept: what is
    /// that old is asked for once.
    pub(super) async fn lines_up_to(&self, to: Revision) -> Result<Vec<Arc<Line>>, FeedError> {
        let batch = u64::try_from(BATCH).unwrap_or(u64::MAX);
        let floor = self.0.log.oldest().0.saturating_sub(1);
        let after = to.0.saturating_sub(batch).max(floor);
        let count = usize::try_from(to.0.saturating_sub(after)).unwrap_or(BATCH);
        self.alone(Revision(after), count).await
    }

    /// For one that is far behind.
    async fn alone(&self, after: Revision, most: usize) -> Result<Vec<Arc<Line>>, FeedError> {
        let shared = Arc::clone(&self.0);
        on_thread(tokio::task::spawn_blocking(move || shared.read(after, most))).await
    }

    /// For everybody. It goes on when the one who asked goes away, and the turn ends with it.
    fn next(
        &self,
        after: Revision,
        turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> impl Future<Output = Result<Vec<Arc<Line>>, FeedError>> + use<> {
        let shared = Arc::clone(&self.0);
        on_thread(tokio::task::spawn_blocking(move || {
            let lines = shared.read(after, BATCH)?;
            shared.recent().keep(&lines);
            drop(turn);
            Ok(lines)
        }))
    }
}

async fn on_thread(
    task: tokio::task::JoinHandle<Result<Vec<Arc<Line>>, JournalError>>,
) -> Result<Vec<Arc<Line>>, FeedError> {
    match task.await {
        Ok(read) => Ok(read?),
        Err(_) => Err(FeedError::Ending),
    }
}

impl Shared {
    fn read(&self, after: Revision, most: usize) -> Result<Vec<Arc<Line>>, JournalError> {
        let entries = self.log.read(after, most)?;
        let lines = entries
            .iter()
            .map(|(revision, entry)| Arc::new(Line::new(self.words.view(*revision, entry))));
        Ok(lines.collect())
    }

    /// What retention took meanwhile is refused, as the log itself would.
    fn look(&self, after: Revision) -> Result<Place, JournalError> {
        let oldest = self.log.oldest();
        if after.next() < oldest {
            return Err(JournalError::Compacted { oldest });
        }
        Ok(self.recent().place(after))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn place(&self, after: Revision) -> Place {
        let (Some(first), Some(last)) = (self.lines.front(), self.lines.back()) else {
            return Place::Next;
        };
        if after >= last.revision() {
            return Place::Next;
        }
        let Some(skipped) = after.next().0.checked_sub(first.revision().0) else {
            return Place::Behind;
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        Place::Kept(self.lines.iter().skip(skipped).take(BATCH).cloned().collect())
    }

    /// Lines that do not follow those that are kept take their place: whoever reads furthest is followed.
    fn keep(&mut self, lines: &[Arc<Line>]) {
        let Some(first) = lines.first() else { return };
        if self
            .lines
            .back()
            .is_some_and(|last| last.revision().next() != first.revision())
        {
            *self = Self::default();
        }
        for line in lines {
            self.bytes = self.bytes.saturating_add(line.bytes());
            self.lines.push_back(Arc::clone(line));
        }
        while self.lines.len() > RECENT || self.bytes > RECENT_BYTES {
            let Some(gone) = self.lines.pop_front() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(gone.bytes());
        }
    }
}

#[cfg(test)]
mod tests;
