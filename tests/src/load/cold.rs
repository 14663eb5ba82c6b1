//! A long log, written by the real engine, and how long a daemon needs from its start on it to the first accepted session.

use super::fleet::event;
use super::{Fleet, Outcome, Yard};
use coordinator::clock;
use coordinator::engine::Engine;
use coordinator::envelope::Stamper;
use coordinator::journal::{Journal, RedbJournal};
use domain::event::{Event, SessionId};
use model::event::NodeEvent;
use model::ids::{BootId, Incarnation, LogId, NodeName, Seq};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes that the log speaks of.
const NODES: usize = 6;

/// Events that a node tells together.
const TOGETHER: u64 = 256;

/// Longest start.
const PATIENCE: Duration = Duration::from_secs(300);

/// A start on a long log.
#[derive(Debug, Clone, Copy)]
pub struct Cold {
    /// From starting the process to the first agent's welcome.
    pub took: Duration,
    /// Bytes of the log's file.
    pub file: u64,
}

/// Lets the engine write what nodes tell until the entries have `bytes`; how many there are then.
pub fn fill_log(home: &Path, bytes: u64) -> Outcome<u64> {
    let path = home.join("log.redb");
    let journal = RedbJournal::open(&path, LogId([7; 16]))?;
    let (epoch, reader) = (journal.epoch(), journal.reader());
    let (mut engine, handle, effects) = Engine::open(Box::new(journal), Stamper::default(), |_| None)?;
    drop(effects);
    handle.submit(Event::Started { epoch });
    let boot = BootId([1; 16]);
    let life = |node: usize| Incarnation([u8::try_from(node).unwrap_or(u8::MAX); 16]);
    let name = |node: usize| NodeName::new(format!("old-{node}"));
    for node in 0..NODES {
        handle.submit(Event::AgentConnected {
            node: name(node)?,
            session: SessionId(1),
            version: "1".into(),
            boot,
            incarnation: life(node),
            first_unacked: Seq(1),
            last_seq: Seq(0),
        });
    }
    while engine.turn()? {}
    let mut seq = 1;
    loop {
        for node in 0..NODES {
            let event = |seq: u64| NodeEvent {
                incarnation: life(node),
                seq: Seq(seq),
                time: clock::now(),
                monotonic_ms: clock::monotonic_ms(),
                boot,
                kind: event(),
            };
            handle.submit(Event::NodeEvents {
                node: name(node)?,
                session: SessionId(1),
                events: (seq..seq + TOGETHER).map(event).collect(),
            });
        }
        seq += TOGETHER;
        while engine.turn()? {}
        if engine.log_size() >= bytes {
            return Ok(reader.head().0);
        }
    }
}

/// Starts the daemon of `yard`, whose log is long, and waits for the first of its agents. With `forgotten` the system's cache forgets the
/// file before.
pub async fn cold_start(yard: &mut Yard, fleet: &Fleet, forgotten: bool) -> Outcome<Cold> {
    let path = yard.home().join("log.redb");
    let file = File::open(&path)?;
    if forgotten {
        file.sync_all()?;
        let all = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        nix::fcntl::posix_fadvise(file.as_fd(), 0, 0, all)?;
    }
    let begun = Instant::now();
    yard.serve()?;
    fleet
        .connected(PATIENCE)
        .await
        .map_err(|e| format!("{e}; {}", yard.said()))?;
    Ok(Cold {
        took: begun.elapsed(),
        file: file.metadata()?.len(),
    })
}
