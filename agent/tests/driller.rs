//! Kill the driller: a real coordinator and the real processes of six agents, SIGKILLed at random moments while faults are
//! injected on all of them and on the host, or while a drill runs. No fault may outlive its lease by more than two seconds, every
//! drill has its end on record afterwards, and at the end nothing may be broken, whatever anybody's records say: what is looked at
//! is the manifest, the unit and the packet filter.
//!
//! PID 1 is a script below a folder that the agents take for `/`; packet filters are real, in a network namespace per node.
//!
//! `cargo test -p agent --features failpoints --test driller`; the long form with `-- --ignored`, `DRILLYARD_KILLS` and
//! `DRILLYARD_SEED` set its length and its dice.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;
#[path = "support/yard.rs"]
mod yard;

use model::fault::{Fault, HostFault, NodeFault};
use model::fault_parts::{NodeUnit, Peers, StaticPod};
use model::ids::ClusterName;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tests::own_drills;
use yard::{Prey, Yard};

/// What no fault may outlive its deadline by.
const BOUND_MS: i64 = 2_000;

/// Every so many rounds a drill runs in place of the faults by hand, the first round among them.
const DRILL_EVERY: usize = 3;

/// A drill of the tests is in its outage or undone by then, milliseconds.
const DRILL_MS: u64 = 6_000;

/// Kills of one round, while its faults are on their way, in effect and being undone.
const KILLS: usize = 8;

fn seed() -> u64 {
    let given = std::env::var("DRILLYARD_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    eprintln!("seed {seed}; DRILLYARD_SEED={seed} repeats the choices");
    seed
}

fn some_fault(dice: &mut StdRng, node: &model::ids::NodeName) -> Fault {
    let inject = match dice.random_range(0..4) {
        0 => NodeFault::StopUnit {
            unit: NodeUnit::Kubelet,
        },
        1 => NodeFault::StopStaticPod { pod: StaticPod::Etcd },
        2 => NodeFault::DropDns {},
        _ => NodeFault::CutPeers {
            peers: Peers::new([[10, 77, 0, 9].into()]).expect("valid"),
        },
    };
    Fault::Node {
        node: node.clone(),
        inject,
    }
}

fn host_fault() -> Fault {
    let cluster = |name: &str| ClusterName::new(name).expect("valid");
    Fault::Host {
        inject: HostFault::CutClusters {
            one: cluster("app1"),
            other: cluster("app2"),
        },
    }
}

async fn kill_the_driller(wanted: usize) {
    let Some(mut yard) = Yard::new().await else {
        assert!(
            std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
            "network namespaces and packet filters must be had here"
        );
        return;
    };
    let mut dice = StdRng::seed_from_u64(seed());
    let (mut kills, mut rounds, mut leases, mut injected) = (0, 0_usize, 0, 0);
    let (mut drills, mut drillers) = (0, 0);
    let mut latest = i64::MIN;
    let began = Instant::now();
    while kills < wanted {
        let drilled = rounds.is_multiple_of(DRILL_EVERY);
        rounds += 1;
        yard.ready().await;
        let mut longest = dice.random_range(1_000..3_500);
        let mut calls = Vec::new();
        if drilled {
            longest = DRILL_MS;
            calls.push(yard.drill().await);
            drills += 1;
        } else {
            for node in yard.names() {
                let ttl = dice.random_range(600..=longest);
                calls.push(yard.inject(some_fault(&mut dice, &node), ttl));
            }
            calls.push(yard.inject(host_fault(), dice.random_range(600..=longest)));
        }
        let mut moments: Vec<u64> = (0..KILLS.min(wanted - kills))
            .map(|_| dice.random_range(0..longest))
            .collect();
        moments.sort_unstable();
        let start = Instant::now();
        for moment in moments {
            let due = start + Duration::from_millis(moment);
            tokio::time::sleep_until(due.into()).await;
            let prey = match dice.random_range(0..8) {
                0 => Prey::Coordinator,
                1 | 2 => Prey::Front(dice.random_range(0..6)),
                3 | 4 => Prey::Helper(dice.random_range(0..6)),
                _ => Prey::Step,
            };
            let killed = yard.kill(prey);
            kills += usize::from(killed);
            drillers += usize::from(killed && drilled && matches!(prey, Prey::Coordinator));
        }
        let found = yard.settle(BOUND_MS, &calls).await;
        for call in calls {
            injected += usize::from(call.await.is_ok_and(|ok| ok));
        }
        if drilled {
            yard.ready().await;
            let over = own_drills::all_over(&yard.places).expect("a finished history");
            assert_eq!(over, drills, "runs on record after {kills} kills");
        }
        leases += found.leases;
        latest = latest.max(found.latest_ms);
        assert!(
            found.violations.is_empty(),
            "after {kills} kills: {:#?}",
            found.violations
        );
        if rounds % 10 == 0 {
            eprintln!("{kills} kills, {leases} leases, the latest undo {latest} ms after its deadline");
        }
    }
    println!(
        "{kills} kills in {rounds} rounds, {leases} leases, {injected} calls answered, the latest undo {latest} ms after \
         its deadline, nothing left; {drills} drills, whose coordinator died {drillers} times, all with their end on record; {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(leases > 0 && injected > 0, "nothing was injected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_outlives_its_lease_when_the_driller_is_killed() {
    kill_the_driller(24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand kills take a quarter of an hour"]
async fn a_thousand_kills() {
    let wanted = std::env::var("DRILLYARD_KILLS").ok().and_then(|s| s.parse().ok());
    kill_the_driller(wanted.unwrap_or(1_000)).await;
}
