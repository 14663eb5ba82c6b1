//! Events at a given pace from all agents, and how long each takes to a subscriber.

use super::figures::per_second;
use super::{Delays, Fleet, Outcome, Subscriber};
use std::time::{Duration, Instant};

/// Longest wait for the last event after the last append.
const DRAIN: Duration = Duration::from_secs(60);

/// An open loop: events are due by the clock, whatever became of the ones before.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Events per second over all agents.
    pub rate: usize,
    /// Events that an agent appends together.
    pub together: usize,
    /// For how long.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Streamed {
    /// Events appended, each of which was acknowledged, and delivered once and in order.
    pub events: usize,
    /// Events per second from the first append to the last delivery.
    pub rate: f64,
    /// From being due to the subscriber.
    pub delays: Delays,
}

/// Lets the agents append at this pace, in turn, and waits until all of it is acknowledged and came.
pub async fn stream(fleet: &Fleet, subscriber: Subscriber, pace: Pace) -> Outcome<Streamed> {
    let before = fleet.appended();
    tokio::time::timeout(DRAIN, subscriber.reaches(before)).await?;
    let begun = Instant::now();
    drive(fleet, pace, begun).await?;
    let total = fleet.appended();
    let drained = async {
        for at in 0..fleet.size() {
            fleet.acknowledged(at).await?;
        }
        subscriber.finish(total, before).await
    };
    let delays = tokio::time::timeout(DRAIN, drained).await??;
    let (events, took) = (total - before, begun.elapsed());
    if delays.count() != events {
        return Err(format!("{} of {events} events came", delays.count()).into());
    }
    Ok(Streamed {
        events,
        rate: per_second(events, took),
        delays,
    })
}

/// Appends what is due until the time is over.
pub(super) async fn drive(fleet: &Fleet, pace: Pace, begun: Instant) -> Outcome<()> {
    let together = pace.together.max(1);
    let groups = u32::try_from(pace.rate.div_ceil(together).max(1))?;
    let every = Duration::from_secs(1) / groups;
    let total = pace.time.as_nanos() / every.as_nanos().max(1);
    let mut at = 0;
    for group in 0..u32::try_from(total)? {
        let due = begun + every * group;
        tokio::time::sleep_until(due.into()).await;
        fleet.append(at, together, due).await?;
        at = (at + 1) % fleet.size().max(1);
    }
    Ok(())
}
