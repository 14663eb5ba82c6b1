//! The WAL forecast and the loss ledger against the real Prometheus, many scaled twins side by side.
//!
//! ```text
//! cargo test -p tests --test twins -- --ignored --nocapture forecast          40 twins at 10 s
//! cargo test -p tests --test twins -- --ignored --nocapture three_hundred     300 of them, nine minutes
//! cargo test -p tests --test twins -- --ignored --nocapture sixty_seconds     40 twins at 60 s, twelve minutes
//! cargo test -p tests --test twins -- --ignored --nocapture six_hundred       40 twins at 600 s, two hours
//! DRILLYARD_SEED=7 cargo test ...                                             the same twins again
//! DRILLYARD_TWINS=12 cargo test ...                                           so many of them
//! ```

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod logs;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tests::dice::Dice;
use tests::twin::plan::{Plan, plan};
use tests::twin::prometheus::{Program, find_or_skip, receiver};
use tests::twin::run::{Finding, run};

/// Twins at once: an idle agent takes one hundredth of a core and 50 MB.
const SIDE_BY_SIDE: usize = 40;

/// Runs all of them, `SIDE_BY_SIDE` at a time, and returns what they found and why some could not run.
fn run_all(program: &Program, plans: Vec<Plan>) -> (Vec<Finding>, Vec<String>) {
    let folder = tempfile::Builder::new()
        .prefix("drillyard-twins-")
        .tempdir()
        .expect("a folder");
    let there = folder.path().join("receiver");
    std::fs::create_dir(&there).expect("a folder");
    let receiver = receiver(program, &there).expect("a receiver");
    let (left, done) = (Mutex::new(plans), Mutex::new((Vec::new(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some(plan) = next else { return };
                    let own = folder.path().join(format!("{:016x}", plan.seed));
                    let found = run(program, receiver.address, plan, &own);
                    let _ = std::fs::remove_dir_all(own.join("data"));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match found {
                        Ok(finding) => {
                            // Said at once: a run of hours may be cut short, and what ended is known then.
                            tell(&finding);
                            done.0.push(finding);
                        }
                        Err(reason) => done.1.push(format!("{plan:?}: {reason}")),
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn tell(f: &Finding) {
    println!(
        "{:016x} T={:>3} s, {:>7} B/scrape, outage {:>7} ms, {:?}: foretold {:?} lost, {} lost, tick off by {:?} ms, \
         {} lost at start",
        f.plan.seed,
        f.plan.period_s,
        f.plan.filler,
        f.outage_ms,
        f.outcome,
        f.foretold_lost,
        f.lost,
        f.tick_error_ms,
        f.lost_at_start,
    );
}

/// Runs `many` twins with ticks of `period_s` seconds, unless `DRILLYARD_TWINS` says another number, and judges what they found.
fn check(what: &str, many: u64, period_s: u64) {
    let seed = Dice::new().seed;
    let wanted = std::env::var("DRILLYARD_TWINS").ok();
    let many = wanted.and_then(|n| n.parse().ok()).unwrap_or(many);
    let plans: Vec<Plan> = (0..many)
        .map(|nth| plan(seed ^ period_s, nth, period_s))
        .collect();
    let Some(program) = find_or_skip() else { return };
    let (since, all) = (Instant::now(), plans.len());
    let (findings, failures) = run_all(&program, plans);
    let wrong: Vec<_> = findings.iter().filter(|f| !f.problems.is_empty()).collect();
    let lost = findings.iter().filter(|f| f.lost > 0).count();
    let worst = findings
        .iter()
        .filter_map(|f| f.tick_error_ms)
        .map(i64::abs)
        .max();
    println!(
        "{what}: prometheus {}, seed {seed}: {} of {all} twins as foretold, {lost} of them with loss, ticks off by at most \
         {worst:?} ms, {} s",
        program.version,
        findings.len() - wrong.len(),
        since.elapsed().as_secs(),
    );
    for f in &wrong {
        println!("WRONG {:016x} {:?}", f.plan.seed, f.problems);
    }
    assert!(failures.is_empty(), "seed {seed}: could not run: {failures:#?}");
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    assert!(
        findings.len() == all && lost > 0 && lost < all,
        "seed {seed}: one sided"
    );
}

#[test]
#[ignore = "two and a half minutes, on a host with little else to do"]
fn forecast_and_ledger_hold_against_the_real_prometheus() {
    check("short", 40, 10);
}

#[test]
#[ignore = "nine minutes"]
fn three_hundred_twins() {
    check("long", 300, 10);
}

/// The rule scales: the same at six times the period.
#[test]
#[ignore = "twelve minutes"]
fn forty_twins_at_sixty_seconds() {
    check("at 60 s", 40, 60);
}

/// And at sixty times.
#[test]
#[ignore = "two hours"]
fn forty_twins_at_six_hundred_seconds() {
    check("at 600 s", 40, 600);
}
