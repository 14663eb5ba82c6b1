//! The benchmark's parts with small figures: every event is acknowledged and comes exactly once and in order, whatever is
//! done to the daemon and beside whatever reader. No root and no lab are needed.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::time::Duration;
use tests::load::{
    Closed, Etcd, Fleet, Nats, Pace, Rival as _, Subscriber, Yard, closed_loop, cold_start, crowd, fill_log,
    stream,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The slowest that a busy machine makes of it; the figures themselves are the benchmark's.
const SANE: Duration = Duration::from_secs(20);

const PACE: Pace = Pace {
    rate: 200,
    together: 2,
    time: Duration::from_secs(2),
};

async fn running(agents: usize) -> (Yard, Fleet) {
    let program = tests::lab::program().expect("the program");
    let mut yard = Yard::new(&program, agents).expect("a yard");
    let fleet = Fleet::start(&yard).expect("a fleet");
    yard.serve().expect("served");
    fleet
        .connected(PATIENCE)
        .await
        .expect("all enrolled and connected");
    (yard, fleet)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_come_back_after_a_kill_and_every_event_comes_once_and_in_order() {
    let (mut yard, fleet) = running(20).await;
    let subscriber = Subscriber::start(&yard, &fleet).await.expect("subscribed");
    let seen = stream(&fleet, subscriber, PACE).await.expect("exact");
    assert_eq!((seen.events, seen.delays.count()), (400, 400));
    assert!(seen.delays.permille(1000) < SANE, "{}", seen.delays.words());

    yard.kill().expect("killed");
    fleet.cut_off().await;
    // What is appended while nobody listens comes too.
    let due = std::time::Instant::now();
    for at in 0..fleet.size() {
        fleet.append(at, 3, due).await.expect("appended");
    }
    yard.serve().expect("served again");
    fleet.connected(PATIENCE).await.expect("all came back");
    let subscriber = Subscriber::start(&yard, &fleet).await.expect("subscribed");
    let seen = closed_loop(&fleet, subscriber, 5, 4, Duration::from_secs(1))
        .await
        .expect("exact");
    assert!(seen.delays.count() >= 20, "{}", seen.delays.count());
    let memory = yard.memory().expect("it runs");
    assert!(memory.peak_kib < 512 * 1024, "{memory:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stall_are_nobodys_loss_but_their_own() {
    let (yard, fleet) = running(4).await;
    let seen = crowd(&yard, &fleet, 6, 2, PACE).await.expect("exact");
    assert_eq!(seen.delays.count(), 4 * 400);
    assert!(seen.delays.permille(1000) < SANE, "{}", seen.delays.words());
}

/// Where a program that is compared with is, if somebody said so.
fn rival(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: {variable} names no program");
    }
    found
}

fn judge(one: &Closed, ten: &Closed, paced: &Closed) {
    assert!(one.delays.count() >= 5 && ten.delays.count() >= 50);
    assert_eq!(paced.delays.count(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_does_the_same_work() {
    let Some(program) = rival("DRILLYARD_ETCD") else {
        return;
    };
    let etcd = Etcd::start(&program).await.expect("etcd");
    let time = Duration::from_secs(1);
    let one = etcd.closed_loop(5, 1, time).await.expect("one at a time");
    let ten = etcd.closed_loop(5, 10, time).await.expect("ten at a time");
    judge(&one, &ten, &etcd.paced(5, PACE).await.expect("paced"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_does_the_same_work() {
    let Some(program) = rival("DRILLYARD_NATS") else {
        return;
    };
    let nats = Nats::start(&program).await.expect("NATS");
    let time = Duration::from_secs(1);
    let one = nats.closed_loop(5, 1, time).await.expect("one at a time");
    let ten = nats.closed_loop(5, 10, time).await.expect("ten at a time");
    judge(&one, &ten, &nats.paced(5, PACE).await.expect("paced"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_starts_on_a_long_log_again_and_again() {
    let program = tests::lab::program().expect("the program");
    let mut yard = Yard::new(&program, 1).expect("a yard");
    let fleet = Fleet::start(&yard).expect("a fleet");
    let entries = fill_log(&yard.home(), 4 << 20).expect("written");
    assert!(entries > 4000, "{entries}");
    for forgotten in [true, false] {
        let cold = cold_start(&mut yard, &fleet, forgotten).await.expect("started");
        assert!(cold.file > 4 << 20, "{cold:?}");
        yard.kill().expect("killed");
        fleet.cut_off().await;
    }
}
