//! A hundred subscribers of which ten never read: the others get everything, in time, and what the ten cost is bounded.

use super::super::outlet::UNDER_WAY;
use super::*;
use std::sync::Mutex;
use std::time::Instant;

const ALL: usize = 100;

/// What the lively ones saw, and what was kept for the stalled ones.
struct Crowd {
    /// From before the write to its arrival, ascending.
    delays: Vec<Duration>,
    /// Items that waited for each stalled one, its last word included.
    kept: Vec<usize>,
    /// Growth of this process's resident memory.
    grown_kib: u64,
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// `writes` writes of five entries each, `every` apart, read by all but `stalled` of the crowd.
async fn gather(stalled: usize, writes: usize, every: Duration) -> Crowd {
    let home = tempfile::tempdir().expect("temp dir");
    let mut log = RedbJournal::open(&home.path().join("log.redb"), ID).expect("opens");
    // Readers that read are never given up, however busy the host is.
    let (pace, patient) = (
        Pace {
            stall_limit: Duration::from_millis(500),
            ..Pace::default()
        },
        Pace {
            stall_limit: Duration::from_secs(600),
            ..Pace::default()
        },
    );
    let before = resident_kib();
    let written: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let feed = Feed::new(log.reader(), &Lab::default());
    let idle: Vec<_> = (0..stalled)
        .map(|_| start_on(feed.clone(), wanted(0, true), pace))
        .collect();
    let total = writes * 5;
    let mut lively = Vec::new();
    for _ in stalled..ALL {
        let (mut stream, written) = (
            start_on(feed.clone(), wanted(0, true), patient),
            Arc::clone(&written),
        );
        lively.push(tokio::spawn(async move {
            let mut delays = Vec::new();
            while delays.len() < total {
                let item = next(&mut stream).await;
                assert!(!matches!(item, None | Some(Item::TooSlow(_))), "{item:?}");
                if let Some(Item::Entry(entry)) = item {
                    let at = usize::try_from(entry.revision).expect("small");
                    assert_eq!(at, delays.len() + 1, "in order, without a hole");
                    let begun = written.lock().expect("held shortly")[(at - 1) / 5];
                    delays.push(begun.elapsed());
                }
            }
            delays
        }));
    }
    let writer = std::thread::spawn(move || {
        for _ in 0..writes {
            written.lock().expect("held shortly").push(Instant::now());
            let batch: Vec<Entry> = (0..5).map(|_| entry(&served("app1"))).collect();
            log.append(&batch).expect("appended");
            std::thread::sleep(every);
        }
        log
    });
    let mut delays = Vec::new();
    for reader in lively {
        delays.extend(reader.await.expect("read to the end"));
    }
    delays.sort_unstable();
    let log = writer.join().expect("written");
    let grown_kib = resident_kib().saturating_sub(before);
    let mut kept = Vec::new();
    for mut stream in idle {
        // Given up long ago, or about to be; the log is still there.
        let mut items = Vec::new();
        tokio::time::sleep(pace.stall_limit).await;
        while let Some(item) = next(&mut stream).await {
            items.push(item);
        }
        assert!(
            matches!(items.last(), Some(Item::TooSlow(_))),
            "{:?}",
            items.last()
        );
        kept.push(items.len());
    }
    drop(log);
    Crowd {
        delays,
        kept,
        grown_kib,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_of_a_hundred_stall_and_the_others_get_everything() {
    let crowd = gather(10, 200, Duration::from_millis(1)).await;
    assert_eq!(crowd.delays.len(), 90 * 1000);
    assert_eq!(crowd.kept.len(), 10);
    assert!(
        crowd.kept.iter().all(|kept| *kept <= UNDER_WAY + 1),
        "{:?}",
        crowd.kept
    );
}

/// `cargo test -p coordinator --lib -- --ignored --nocapture figures_of_a_crowd`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: it says figures and judges none"]
async fn figures_of_a_crowd() {
    for stalled in [0, 10] {
        let crowd = gather(stalled, 1000, Duration::from_millis(5)).await;
        let at = |permille: usize| crowd.delays[crowd.delays.len() * permille / 1000];
        println!(
            "{stalled} of {ALL} stall: p50 {:?}, p99 {:?}, {} deliveries, at most {} items kept, {} KiB more memory",
            at(500),
            at(990),
            crowd.delays.len(),
            crowd.kept.iter().max().unwrap_or(&0),
            crowd.grown_kib
        );
    }
}
