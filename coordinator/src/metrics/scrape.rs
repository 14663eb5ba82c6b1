//! What is looked up when somebody asks: states that would be stale if they were kept.

use super::instruments::{Instruments, Metrics, one, two};
use crate::certs;
use crate::clock;
use crate::engine::EngineHandle;
use crate::journal::JournalReader;
use crate::net::AcceptMetrics;
use crate::places::Places;
use crate::session_grpc::AgentHub;
use crate::subscribers::Subscribers;
use domain::certs::Renewal;
use domain::state::{Link, State};
use domain::wait::{self, Blocker};
use model::lab::Lab;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// An open listener: its name, and what it counts.
pub type Opened = (&'static str, Arc<AcceptMetrics>);

/// Where the figures of a scrape come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The instruments.
    pub metrics: Metrics,
    /// The lab.
    pub lab: Arc<Lab>,
    /// Folders.
    pub places: Arc<Places>,
    /// The loop.
    pub engine: EngineHandle,
    /// The log.
    pub log: JournalReader,
    /// Sessions.
    pub hub: AgentHub,
    /// Who reads the log.
    pub subscribers: Subscribers,
    /// Each listener's name and counters; they come after the routes.
    pub listeners: Arc<Mutex<Vec<Opened>>>,
}

/// What is read from the state.
struct Known {
    epoch: u64,
    agents: BTreeMap<&'static str, usize>,
    waits: BTreeMap<&'static str, usize>,
    leases: usize,
}

impl Sources {
    /// Looks everything up and leaves it in the instruments.
    pub(super) async fn refresh(&self) {
        let all = &self.metrics.0;
        let head = self.log.head();
        all.revision.set(signed(head.0));
        all.oldest.set(signed(self.log.oldest().0));
        let (count, slowest) = self.subscribers.look();
        all.subscribers.set(int(count));
        all.subscriber_lag
            .set(signed(slowest.map_or(0, |at| head.0.saturating_sub(at.0))));
        all.sessions.set(int(self.hub.connected().len()));
        let lab = Arc::clone(&self.lab);
        if let Some(known) = self.engine.ask(move |state| known(state, &lab)).await {
            show(all, &known);
        }
        for (name, counters) in self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            for (result, counter) in [
                ("completed", &counters.completed),
                ("refused", &counters.refused),
                ("failed", &counters.failed),
                ("timed_out", &counters.timed_out),
            ] {
                let labels = two("listener", *name, "result", result);
                all.handshakes
                    .get_or_create(&labels)
                    .inner()
                    .store(counter.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.certificates().await;
    }

    /// Files only: a scrape connects to nobody.
    async fn certificates(&self) {
        let (lab, places) = (Arc::clone(&self.lab), Arc::clone(&self.places));
        let Ok(seen) = tokio::task::spawn_blocking(move || certs::files(&lab, &places)).await else {
            return;
        };
        let now = clock::now();
        for (renewal, word) in [(Renewal::Automatic, "automatic"), (Renewal::Manual, "manual")] {
            let ends = seen.certificates.iter().filter(|c| c.renewal == renewal);
            if let Some(end) = ends.map(|c| c.not_after).min() {
                let seconds = end.0.saturating_sub(now.0) / 1_000_000;
                self.metrics
                    .0
                    .certificates
                    .get_or_create(&one("renewal", word))
                    .set(seconds);
            }
        }
    }
}

fn known(state: &State, lab: &Lab) -> Known {
    let mut agents = BTreeMap::from(LINKS.map(|word| (word, 0)));
    for (_, node) in lab.nodes() {
        let link = state
            .nodes
            .get(&node.name)
            .map(|node| node.link)
            .unwrap_or_default();
        *agents.entry(link_word(link)).or_default() += 1;
    }
    let mut waits = BTreeMap::from(BLOCKERS.map(|word| (word, 0)));
    for wait in wait::waits(state, clock::now()) {
        *waits.entry(blocker_word(&wait.blocker)).or_default() += 1;
    }
    Known {
        epoch: state.epoch.0,
        agents,
        waits,
        leases: state.leases.iter().count(),
    }
}

fn show(all: &Instruments, known: &Known) {
    all.epoch.set(signed(known.epoch));
    all.leases.set(int(known.leases));
    for (word, count) in &known.agents {
        all.agents.get_or_create(&one("state", *word)).set(int(*count));
    }
    for (word, count) in &known.waits {
        all.waits.get_or_create(&one("blocker", *word)).set(int(*count));
    }
}

const LINKS: [&str; 4] = ["connected", "suspect", "lost", "never_seen"];

fn link_word(link: Link) -> &'static str {
    let [connected, suspect, lost, never_seen] = LINKS;
    match link {
        Link::Connected => connected,
        Link::Suspect => suspect,
        Link::Lost => lost,
        Link::NeverSeen => never_seen,
    }
}

const BLOCKERS: [&str; 9] = [
    "running", "probing", "pause", "needs", "agent", "lane", "gate", "decision", "nothing",
];

fn blocker_word(blocker: &Blocker) -> &'static str {
    let [
        running,
        probing,
        pause,
        needs,
        agent,
        lane,
        gate,
        decision,
        nothing,
    ] = BLOCKERS;
    match blocker {
        Blocker::Running { .. } => running,
        Blocker::Probing { .. } => probing,
        Blocker::Pause { .. } => pause,
        Blocker::Needs { .. } => needs,
        Blocker::Agent { .. } => agent,
        Blocker::Lane { .. } => lane,
        Blocker::Gate { .. } => gate,
        Blocker::Decision { .. } => decision,
        Blocker::Nothing => nothing,
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn int(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
