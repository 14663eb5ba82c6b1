//! A closed loop: each of some agents appends, waits until that is durable at the coordinator, and appends again.

use super::figures::per_second;
use super::{Delays, Fleet, Outcome, Subscriber};
use std::time::{Duration, Instant};

/// Longest wait for the last event after the last append.
const DRAIN: Duration = Duration::from_secs(60);

/// What came of a closed loop.
#[derive(Debug)]
pub struct Closed {
    /// Events, or keys, per second from the first write to the last delivery.
    pub rate: f64,
    /// From the write to the subscriber, or the watcher.
    pub delays: Delays,
}

/// `writers` agents for that long, `together` events in each write.
pub async fn closed_loop(
    fleet: &Fleet,
    subscriber: Subscriber,
    writers: usize,
    together: usize,
    time: Duration,
) -> Outcome<Closed> {
    let before = fleet.appended();
    tokio::time::timeout(DRAIN, subscriber.reaches(before)).await?;
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for at in 0..writers.min(fleet.size()) {
        let fleet = fleet.clone();
        tasks.push(tokio::spawn(async move {
            while begun.elapsed() < time {
                fleet.append(at, together, Instant::now()).await?;
                fleet.acknowledged(at).await?;
            }
            Outcome::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let total = fleet.appended();
    let delays = tokio::time::timeout(DRAIN, subscriber.finish(total, before)).await??;
    Ok(Closed {
        rate: per_second(total - before, begun.elapsed()),
        delays,
    })
}
