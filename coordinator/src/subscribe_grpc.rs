//! The log as a stream: what a subscriber asked for, from where it asked, with nothing missing that is not declared.
//!
//! A subscriber holds a cursor into the log and pointers to a few lines, never a queue of its own: a slow one falls behind
//! on disk and slows nobody. Bookmarks tell how far the log was read, also over what the filter left out.

mod feed;
mod line;
mod outlet;
mod request;
mod served;

pub use feed::Feed;
pub use outlet::{Items, Outlet, Sent};
pub use served::{SharedLines, Subscribe};

use crate::exit::chain;
use crate::journal::{JournalError, JournalReader};
use crate::subscribers::Position;
use domain::filter::Filter;
use feed::FeedError;
use line::Line;
use model::Invalid;
use model::ids::Revision;
use model::planted::{self, Bug};
use outlet::{Taken, Told};
use proto::v1::subscribe_response::Item;
use proto::v1::{self, SubscribeResponse};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How often a subscriber is told how far the log was read.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);

/// How long a subscriber may take no item before it is let go.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Times that tests make short.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest time between two bookmarks.
    pub bookmark_every: Duration,
    /// Longest time in which a subscriber takes nothing.
    pub stall_limit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            bookmark_every: BOOKMARK_EVERY,
            stall_limit: STALL_LIMIT,
        }
    }
}

/// A subscription that was understood.
#[derive(Debug)]
pub struct Subscription {
    feed: Feed,
    log: JournalReader,
    log_id: Vec<u8>,
    cursor: Revision,
    /// How many are wanted of the past; None for all.
    tail: Option<NonZeroU64>,
    follow: bool,
    filter: Filter,
    past: Past,
    pace: Pace,
    position: Option<Position>,
}

/// What was in the log when the subscriber came.
#[derive(Debug)]
struct Past {
    upto: Revision,
    without_samples: bool,
}

/// How one delivery ended.
enum End {
    /// The subscriber went away, or all was sent.
    Over,
    /// It took nothing for too long; the last revision that it was sent.
    Stalled(Revision),
}

impl Subscription {
    /// Reads the request; an unknown word in the filter is refused by its field.
    pub fn new(feed: Feed, wanted: v1::SubscribeRequest, pace: Pace) -> Result<Self, Invalid> {
        Ok(Self {
            log_id: wanted.log_id,
            cursor: Revision(
                wanted
                    .after
                    .saturating_add(u64::from(planted::is(Bug::ResumeOffByOne) && wanted.after > 0)),
            ),
            tail: NonZeroU64::new(wanted.tail),
            follow: wanted.follow,
            filter: request::filter(wanted.filter.unwrap_or_default(), feed.known())?,
            past: Past {
                upto: feed.log().head(),
                without_samples: wanted.past_without_samples,
            },
            log: feed.log().clone(),
            feed,
            pace,
            position: None,
        })
    }

    /// Tells `position` how far the log was read for it.
    #[must_use]
    pub(crate) fn watched(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// The two ends of what is under way to a subscriber.
    pub fn channel() -> (Outlet, Items) {
        outlet::pair()
    }

    /// Sends until the subscriber has all it asked for, goes away or stalls.
    pub async fn run(self, outlet: Outlet) {
        self.run_until(outlet, CancellationToken::new()).await;
    }

    /// The same until `stop`, of which the subscriber is told: a stream that just ends could be taken for all there is.
    pub async fn run_until(mut self, outlet: Outlet, stop: CancellationToken) {
        // Held from the start, so that a subscriber that never reads still gets to know why it was let go.
        let Some(last_place) = outlet.last_place().await else {
            return;
        };
        let said = match stop.run_until_cancelled(self.deliver(&outlet)).await {
            Some(Ok(End::Over)) => return,
            Some(Ok(End::Stalled(last))) => Item::TooSlow(v1::TooSlow { last: last.0 }).into(),
            Some(Err(last_word)) => last_word,
            None => last_word(FeedError::Ending),
        };
        last_place.send(said);
    }

    /// The error is the last thing to say.
    async fn deliver(&mut self, outlet: &Outlet) -> Result<End, Told> {
        let log_id = self.log.log_id().0.to_vec();
        let head = self.log.head();
        let foreign = !self.log_id.is_empty() && self.log_id != log_id;
        // A position beyond the end is one of another log, or of this one before it lost its end.
        if foreign || self.cursor > head {
            return Err(Item::LogReset(v1::LogReset { log_id }).into());
        }
        if let Some(tail) = self.tail {
            self.cursor = self.before_the_newest(tail, outlet).await?;
        }
        let mut sent = self.cursor;
        let mut next_bookmark = Instant::now() + self.pace.bookmark_every;
        let mut is_live = false;
        loop {
            let lines = self.read().await?;
            let caught_up = lines.is_empty();
            if let Some(last) = lines.last() {
                // While these are sent, the next ones are read.
                self.feed.read_ahead(last.revision());
            }
            if let Some(last) = lines.last().filter(|_| planted::is(Bug::BookmarkEarly)) {
                let revision = last.revision().0;
                let log_id = log_id.clone();
                let early = v1::Bookmark { revision, log_id };
                self.send(outlet, Item::Bookmark(early)).await;
            }
            for line in lines {
                if self.wants(&line) {
                    match self.send(outlet, Arc::clone(&line)).await {
                        Taken::Yes => sent = line.revision(),
                        Taken::Gone => return Ok(End::Over),
                        Taken::Stalled => return Ok(End::Stalled(sent)),
                    }
                }
                self.cursor = line.revision();
            }
            if let Some(position) = &self.position {
                position.moved(self.cursor);
            }
            // At the end of what there was, and now and then: while idle, and on the way through what is left out.
            if Instant::now() >= next_bookmark || (caught_up && !is_live) {
                is_live |= caught_up;
                next_bookmark = Instant::now() + self.pace.bookmark_every;
                let bookmark = v1::Bookmark {
                    revision: self.cursor.0,
                    log_id: log_id.clone(),
                };
                match self.send(outlet, Item::Bookmark(bookmark)).await {
                    Taken::Yes => sent = self.cursor,
                    Taken::Gone => return Ok(End::Over),
                    Taken::Stalled => return Ok(End::Stalled(sent)),
                }
            }
            if !caught_up {
                continue;
            }
            if !self.follow {
                return Ok(End::Over);
            }
            let cursor = self.cursor;
            tokio::select! {
                more = self.log.wait_beyond(cursor) => if !more { return Ok(End::Over) },
                () = tokio::time::sleep_until(next_bookmark) => {}
                () = outlet.closed() => return Ok(End::Over),
            }
        }
    }

    fn wants(&self, line: &Line) -> bool {
        let subject = line.subject();
        let is_past = line.revision() <= self.past.upto;
        self.filter.admits(&subject) && !(is_past && self.past.without_samples && subject.is_sample())
    }

    /// Where the newest `wanted` lines of the past begin, looked for from its end down; the cursor and the oldest entry that is
    /// kept are the ends of the search.
    async fn before_the_newest(&self, wanted: NonZeroU64, outlet: &Outlet) -> Result<Revision, Told> {
        let (mut found, mut end) = (0, self.past.upto);
        while end > self.cursor && !outlet.is_closed() {
            let lines = match self.feed.lines_up_to(end).await {
                // Retention came from below while this was read: what is above is still there.
                Err(FeedError::Journal(JournalError::Compacted { .. })) => break,
                read => read.map_err(last_word)?,
            };
            let admitted = lines.iter().rev().filter(|line| self.wants(line));
            for line in admitted.take_while(|line| line.revision() > self.cursor) {
                found += 1;
                if found == wanted.get() {
                    return Ok(Revision(line.revision().0.saturating_sub(1)));
                }
            }
            let Some(first) = lines.first() else { break };
            end = Revision(first.revision().0.saturating_sub(1));
        }
        Ok(self.cursor.max(Revision(self.log.oldest().0.saturating_sub(1))))
    }

    /// The next lines; none at the end of the log.
    async fn read(&self) -> Result<Vec<Arc<Line>>, Told> {
        self.feed.lines(self.cursor).await.map_err(last_word)
    }

    async fn send(&self, outlet: &Outlet, told: impl Into<Told>) -> Taken {
        outlet.send(told.into(), self.pace.stall_limit).await
    }
}

/// What is said last to whom nothing more can be read for.
fn last_word(error: FeedError) -> Told {
    match error {
        FeedError::Journal(JournalError::Compacted { oldest }) => {
            Item::Compacted(v1::Compacted { oldest: oldest.0 }).into()
        }
        FeedError::Journal(error) => Status::internal(chain(&error)).into(),
        FeedError::Ending => Status::unavailable(error.to_string()).into(),
    }
}

fn item(item: Item) -> SubscribeResponse {
    SubscribeResponse { item: Some(item) }
}

#[cfg(test)]
mod tests;
