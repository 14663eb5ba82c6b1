//! Many subscribers of which some never read: what the others notice, and what it costs the daemon.

use super::stream::drive;
use super::subscriber::open;
use super::{Delays, Fleet, Memory, Outcome, Pace, Subscriber, Yard};
use std::time::{Duration, Instant};

/// Longest wait for the last event after the last append.
const DRAIN: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug)]
pub struct Crowd {
    /// From an event's being due to each of those that read.
    pub delays: Delays,
    /// The daemon's memory at the end, while all are connected.
    pub memory: Memory,
}

/// `all` subscribers of which `stalled` never read, and events at this pace.
pub async fn crowd(yard: &Yard, fleet: &Fleet, all: usize, stalled: usize, pace: Pace) -> Outcome<Crowd> {
    let before = fleet.appended();
    let mut idle = Vec::new();
    for _ in 0..stalled {
        idle.push(open(yard, fleet.checked().0).await?);
    }
    let mut lively = Vec::new();
    for _ in stalled..all {
        lively.push(Subscriber::start(yard, fleet).await?);
    }
    for subscriber in &lively {
        tokio::time::timeout(DRAIN, subscriber.reaches(before)).await?;
    }
    drive(fleet, pace, Instant::now()).await?;
    let total = fleet.appended();
    for subscriber in &lively {
        tokio::time::timeout(DRAIN, subscriber.reaches(total)).await?;
    }
    let memory = yard.memory()?;
    let mut delays = Vec::new();
    for subscriber in lively {
        let seen = tokio::time::timeout(DRAIN, subscriber.finish(total, before)).await??;
        delays.extend(seen.into_iter());
    }
    drop(idle);
    Ok(Crowd {
        delays: Delays::new(delays),
        memory,
    })
}
