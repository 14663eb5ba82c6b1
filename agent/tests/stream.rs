//! The event stream under SIGKILL: a real coordinator and six real agents with sled on loopback, killed at random, and
//! subscribers that go on from their last revision. What producers were promised and what subscribers saw is judged by
//! `domain::watched`: nothing acknowledged lost, nothing twice, nothing missing without a word.
//!
//! `cargo test -p agent --features failpoints --test stream`; the long form with `-- --ignored --nocapture`,
//! `DRILLYARD_KILLS` and `DRILLYARD_SEED` set its length and its dice.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/clock_step.rs"]
mod clock_step;
mod support;
#[path = "support/yard.rs"]
#[expect(dead_code, reason = "the yard's fault drills are not run here")]
mod yard;

use coordinator::daemon_record::DaemonRecord;
use coordinator::operator_auth::connect_operator;
use domain::watched::{Figures, History, Produced, Seen, Subscriber, check};
use proto::v1::operator_client::OperatorClient;
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, SubscribeRequest};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use yard::{Prey, Yard};

/// How long the last events may take to everybody after the last kill.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a subscriber is made of: its record, and how it goes on.
struct Watcher {
    record: Subscriber,
    position: u64,
    log_id: Vec<u8>,
}

/// A yard has the process's name: one at a time.
static ONE_YARD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

type Shared = Arc<Mutex<Watcher>>;

fn lock(watcher: &Shared) -> std::sync::MutexGuard<'_, Watcher> {
    watcher.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(home: &Path, name: &str, node: Option<&str>) -> (Shared, JoinHandle<()>) {
    let shared = Arc::new(Mutex::new(Watcher {
        record: Subscriber {
            name: name.into(),
            nodes: node.map(|node| BTreeSet::from([node.to_owned()])),
            seen: Vec::new(),
        },
        position: 0,
        log_id: Vec::new(),
    }));
    let (watcher, home) = (Arc::clone(&shared), home.to_owned());
    let task = tokio::spawn(async move {
        loop {
            let _ = follow(&home, &watcher).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    (shared, task)
}

/// One stream until it breaks; whatever breaks it, the next one begins where this one was.
async fn follow(home: &Path, watcher: &Shared) -> Option<()> {
    let mut client = OperatorClient::new(connect_operator(home).await.ok()?);
    let request = {
        let watcher = lock(watcher);
        SubscribeRequest {
            log_id: watcher.log_id.clone(),
            after: watcher.position,
            follow: true,
            filter: Some(EventFilter {
                nodes: watcher.record.nodes.iter().flatten().cloned().collect(),
                ..EventFilter::default()
            }),
            ..SubscribeRequest::default()
        }
    };
    let after = request.after;
    let mut stream = client.subscribe(request).await.ok()?.into_inner();
    lock(watcher).record.seen.push(Seen::Asked(after));
    loop {
        let item = stream.message().await.ok()??.item?;
        let mut watcher = lock(watcher);
        let seen = tests::watched::seen(&item)?;
        watcher.position = match &seen {
            Seen::Entry(entry) | Seen::Gap { entry, .. } => entry.revision,
            Seen::Bookmark(revision) => *revision,
            Seen::Compacted(oldest) => oldest.saturating_sub(1),
            Seen::LogReset => 0,
            Seen::Asked(_) | Seen::TooSlow(_) => watcher.position,
        };
        if let Item::Bookmark(bookmark) = &item {
            if !watcher.log_id.is_empty() && watcher.log_id != bookmark.log_id {
                // Another log that nobody told of is one all the same.
                watcher.record.seen.push(Seen::LogReset);
            }
            watcher.log_id.clone_from(&bookmark.log_id);
        }
        if matches!(seen, Seen::LogReset) {
            watcher.log_id.clear();
        }
        watcher.record.seen.push(seen);
    }
}

/// What the producers wrote down: each attempt, and whether it was promised to be safe.
fn produced(roots: &[(String, PathBuf)]) -> Vec<Produced> {
    let mut all = Vec::new();
    for (node, root) in roots {
        let text = std::fs::read_to_string(root.join("produced")).unwrap_or_default();
        let kept: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("kept "))
            .collect();
        all.extend(
            text.lines()
                .filter_map(|l| l.strip_prefix("try "))
                .map(|mark| Produced {
                    node: node.clone(),
                    mark: mark.into(),
                    acknowledged: kept.contains(mark),
                    may_drop: false,
                }),
        );
    }
    all
}

fn marks(watcher: &Shared) -> BTreeSet<String> {
    let watcher = lock(watcher);
    let entries = watcher.record.seen.iter().filter_map(|seen| match seen {
        Seen::Entry(entry) => entry.mark.clone(),
        _ => None,
    });
    entries.collect()
}

/// Waits; false when it never came to pass.
async fn until(what: &str, mut done: impl FnMut() -> bool) -> bool {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > limit {
            eprintln!("{what} is still awaited");
            return false;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    true
}

async fn kill_and_watch(wanted: usize, seed: u64) -> Option<Figures> {
    let mut yard = Yard::new().await?;
    let roots: Vec<(String, PathBuf)> = yard
        .names()
        .iter()
        .map(|name| (name.to_string(), yard.document.with_file_name(name.as_str())))
        .collect();
    yard.ready().await;
    for (at, (_, root)) in roots.iter().enumerate() {
        std::fs::write(root.join("produced"), "").expect("written");
        // The producer begins with the next life.
        yard.kill(Prey::Front(at));
    }
    let home = yard.places.home.clone();
    let node = roots[1].0.clone();
    let watchers = [
        watch(&home, "all", None),
        watch(&home, "also all", None),
        watch(&home, "one node", Some(&node)),
    ];
    let mut dice = StdRng::seed_from_u64(seed);
    for kill in 1..=wanted {
        tokio::time::sleep(Duration::from_millis(dice.random_range(20..400))).await;
        let prey = if dice.random_ratio(1, 3) {
            Prey::Coordinator
        } else {
            Prey::Front(dice.random_range(0..roots.len()))
        };
        yard.kill(prey);
        if matches!(prey, Prey::Coordinator) {
            let places = yard.places.clone();
            let ended = until("the coordinator's end", || DaemonRecord::alive(&places).is_none()).await;
            assert!(ended, "a killed coordinator lives");
            yard.serve();
        }
        if kill % 50 == 0 {
            eprintln!("{kill} kills");
        }
    }
    for (_, root) in &roots {
        std::fs::write(root.join("quiet"), "").expect("written");
    }
    yard.ready().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let produced = produced(&roots);
    let due: BTreeSet<&str> = produced
        .iter()
        .filter(|p| p.acknowledged)
        .map(|p| p.mark.as_str())
        .collect();
    // Of what does not come to pass here the checker says what is missing, and where: all of it is due up to the head that
    // the coordinator itself tells, not up to where some subscriber got.
    until("the last acknowledged event", || {
        let seen = marks(&watchers[0].0);
        due.iter().all(|mark| seen.contains(*mark))
    })
    .await;
    let status = yard.status().await.expect("a coordinator that answers");
    let head = status["revision"].as_u64().expect("its head");
    until("all subscribers at the head", || {
        watchers.iter().all(|(watcher, _)| lock(watcher).position >= head)
    })
    .await;
    let subscribers = watchers.iter().map(|(watcher, task)| {
        task.abort();
        lock(watcher).record.clone()
    });
    let history = History {
        subscribers: subscribers.collect(),
        produced,
        head,
        // Nobody wipes the log here, and there is too little in it for retention: to be told of either is a loss.
        oldest: 1,
        resets: 0,
    };
    Some(check(&history).unwrap_or_else(|broken| panic!("seed {seed}, {wanted} kills: {broken}")))
}

async fn prove(wanted: usize) {
    let _alone = ONE_YARD.lock().await;
    let given = std::env::var("DRILLYARD_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    eprintln!("seed {seed}; DRILLYARD_SEED={seed} repeats the choices");
    let began = Instant::now();
    let Some(figures) = kill_and_watch(wanted, seed).await else {
        assert!(
            std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
            "network namespaces must be had here"
        );
        return;
    };
    println!(
        "{wanted} kills, {figures:?}, {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(
        figures.acknowledged > wanted && figures.streams > 3,
        "{figures:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_double_and_hide_nothing() {
    prove(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand kills take a quarter of an hour"]
async fn a_thousand_kills_lose_double_and_hide_nothing() {
    let wanted = std::env::var("DRILLYARD_KILLS").ok().and_then(|s| s.parse().ok());
    prove(wanted.unwrap_or(1_000)).await;
}
