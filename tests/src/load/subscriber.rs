//! A subscriber that follows the log and checks every entry: revisions without a hole, each agent's numbers once and in order.

use super::{Delays, Fleet, Outcome, Yard};
use proto::v1::subscribe_response::Item;
use proto::v1::{LogEntry, SubscribeRequest, SubscribeResponse};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Streaming;

/// How long nothing may come while something is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// A subscription that is read in a task of its own.
#[derive(Debug)]
pub struct Subscriber {
    task: JoinHandle<Outcome<Vec<Duration>>>,
    /// Events of agents that came.
    got: watch::Receiver<usize>,
    /// How many of them it waits for before it ends.
    wanted: watch::Sender<Option<usize>>,
}

/// Opens a subscription over a connection of its own to all after `after`.
pub(super) async fn open(yard: &Yard, after: u64) -> Outcome<Streaming<SubscribeResponse>> {
    let request = SubscribeRequest {
        after,
        follow: true,
        ..SubscribeRequest::default()
    };
    Ok(yard.operator().await?.subscribe(request).await?.into_inner())
}

impl Subscriber {
    /// Follows the log from where the last subscriber that finished has checked it to.
    pub async fn start(yard: &Yard, fleet: &Fleet) -> Outcome<Self> {
        let (last, numbers) = fleet.checked();
        let stream = open(yard, last).await?;
        let before = usize::try_from(numbers.iter().sum::<u64>())?;
        let (count, got) = watch::channel(before);
        let (wanted, asked) = watch::channel(None);
        let reader = Reader {
            fleet: fleet.clone(),
            last,
            numbers,
            before,
            delays: Vec::new(),
            count,
            wanted: asked,
        };
        Ok(Self {
            task: tokio::spawn(reader.run(stream)),
            got,
            wanted,
        })
    }

    /// Events of agents that came so far.
    pub fn got(&self) -> usize {
        *self.got.borrow()
    }

    /// Waits until `count` events of agents have come in all; an error ends the wait too.
    pub async fn reaches(&self, count: usize) {
        let mut got = self.got.clone();
        drop(got.wait_for(|got| *got >= count).await);
    }

    /// Waits until all that the fleet appended has come; the delays of those from number `from` on, counted over all agents.
    pub async fn finish(self, total: usize, from: usize) -> Outcome<Delays> {
        self.wanted.send_replace(Some(total));
        let mut delays = self.task.await??;
        let skipped = delays.len().saturating_sub(total.saturating_sub(from));
        Ok(Delays::new(delays.split_off(skipped)))
    }
}

struct Reader {
    fleet: Fleet,
    last: u64,
    numbers: Vec<u64>,
    /// Events that came to others before this one began.
    before: usize,
    delays: Vec<Duration>,
    count: watch::Sender<usize>,
    wanted: watch::Receiver<Option<usize>>,
}

impl Reader {
    async fn run(mut self, mut stream: Streaming<SubscribeResponse>) -> Outcome<Vec<Duration>> {
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if wanted.is_some_and(|wanted| self.got() >= wanted) {
                self.fleet.check(self.last, self.numbers);
                return Ok(self.delays);
            }
            let next = tokio::select! {
                next = tokio::time::timeout(PATIENCE, stream.message()) => next,
                Ok(()) = self.wanted.changed() => continue,
            };
            match next {
                Ok(Ok(Some(SubscribeResponse { item: Some(item) }))) => self.take(item)?,
                Ok(Ok(_)) => return Err("the stream ended".into()),
                Ok(Err(status)) => return Err(status.message().to_owned().into()),
                Err(_) if wanted.is_some() => {
                    return Err(format!("{} of {wanted:?} events came, then none", self.got()).into());
                }
                Err(_) => {}
            }
        }
    }

    fn got(&self) -> usize {
        self.before + self.delays.len()
    }

    fn take(&mut self, item: Item) -> Outcome<()> {
        match item {
            Item::Entry(entry) => self.entry(&entry),
            Item::Bookmark(bookmark) if bookmark.revision < self.last => {
                Err(format!("a bookmark at {} after {}", bookmark.revision, self.last).into())
            }
            Item::Bookmark(_) => Ok(()),
            other => Err(format!("{other:?} after revision {}", self.last).into()),
        }
    }

    fn entry(&mut self, entry: &LogEntry) -> Outcome<()> {
        if entry.revision != self.last.saturating_add(1) {
            return Err(format!("revision {} follows {}", entry.revision, self.last).into());
        }
        self.last = entry.revision;
        let Some(meta) = &entry.meta else {
            return Err(format!("revision {} says nothing of itself", entry.revision).into());
        };
        let Some(origin) = &meta.origin else {
            return Ok(());
        };
        let at = self.fleet.find(&meta.node).ok_or("an unknown node")?;
        let number = self.numbers.get_mut(at).ok_or("an unknown node")?;
        if origin.seq != *number + 1 {
            return Err(format!("{}: event {} follows {number}", meta.node, origin.seq).into());
        }
        *number = origin.seq;
        let delay = self.fleet.age(at, origin.seq);
        self.delays.push(delay.ok_or("an event that nobody appended")?);
        self.count.send_replace(self.got());
        Ok(())
    }
}
