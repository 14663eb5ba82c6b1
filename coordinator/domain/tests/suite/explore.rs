//! Breadth-first search over every order of events and faults in the small world.

use crate::fixtures::small_plan;
use crate::world::World;
use crate::world::actions::Action;
use domain::history;
use domain::record::RunOutcome;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// What a search saw.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    transitions: usize,
    ended: usize,
    succeeded: usize,
}

/// Searches everything reachable with at most `faults` faults. Panics with the shortest path to a broken promise.
fn search(start: World) -> Result<Seen, String> {
    let mut ids: HashMap<u64, usize> = HashMap::from([(start.fingerprint(), 0)]);
    let mut parents: Vec<Option<(usize, Action)>> = vec![None];
    let mut backward: Vec<Vec<u32>> = vec![vec![]];
    let mut goals: Vec<usize> = vec![];
    let mut queue = VecDeque::from([(0usize, start)]);
    let mut seen = Seen::default();
    while let Some((id, world)) = queue.pop_front() {
        seen.states += 1;
        let regular = world.actions();
        if world.finished() {
            goals.push(id);
            seen.succeeded += usize::from(outcome(&world) == Some(RunOutcome::Succeeded));
            if regular.is_empty() {
                seen.ended += 1;
                let lines = world.coordinator.lines();
                history::check(&lines).map_err(|broken| tell(&parents, id, &format!("history: {broken:#?}")))?;
            }
        }
        let faults = world.faults().into_iter().map(Action::Fault);
        for action in regular.into_iter().chain(faults) {
            seen.transitions += 1;
            let mut next = world.clone();
            next.act(&action);
            if !next.violations.is_empty() {
                parents.push(Some((id, action)));
                return Err(tell(&parents, parents.len() - 1, &next.violations.join("; ")));
            }
            let fresh = ids.len();
            let to = *ids.entry(next.fingerprint()).or_insert(fresh);
            if to == fresh {
                parents.push(Some((id, action.clone())));
                backward.push(vec![]);
                queue.push_back((to, next));
            }
            if !matches!(action, Action::Fault(_)) {
                backward[to].push(u32::try_from(id).expect("fewer than 2^32 states"));
            }
        }
    }
    every_state_reaches_an_end(&parents, &backward, goals)?;
    Ok(seen)
}

fn outcome(world: &World) -> Option<RunOutcome> {
    Some(world.coordinator.state.run.as_ref()?.finished.as_ref()?.outcome)
}

/// Once faults stop, a run ends: from every state some end can be reached without any further fault.
fn every_state_reaches_an_end(
    parents: &[Option<(usize, Action)>],
    backward: &[Vec<u32>],
    mut queue: Vec<usize>,
) -> Result<(), String> {
    let mut reaches = vec![false; backward.len()];
    queue.iter().for_each(|id| reaches[*id] = true);
    while let Some(id) = queue.pop() {
        for before in &backward[id] {
            let before = usize::try_from(*before).expect("fits");
            if !reaches[before] {
                reaches[before] = true;
                queue.push(before);
            }
        }
    }
    match reaches.iter().position(|reaches| !reaches) {
        Some(stuck) => Err(tell(parents, stuck, "from here no run ever ends")),
        None => Ok(()),
    }
}

fn tell(parents: &[Option<(usize, Action)>], mut id: usize, what: &str) -> String {
    let mut path = Vec::new();
    while let Some(Some((before, action))) = parents.get(id) {
        path.push(format!("{action:?}"));
        id = *before;
    }
    path.reverse();
    format!("{what}\nafter:\n  {}", path.join("\n  "))
}

fn explore(faults: u8) {
    let since = Instant::now();
    match search(World::new(small_plan(), faults)) {
        Ok(seen) => {
            println!("{faults} fault(s): {seen:?} in {:.1} s", since.elapsed().as_secs_f64());
            assert!(seen.succeeded > 0 && seen.ended > 0, "nothing ever ends well: {seen:?}");
        }
        Err(text) => panic!("{text}"),
    }
}

#[test]
fn without_faults_every_order_ends_well() {
    explore(0);
}

#[test]
fn with_one_fault_anywhere_no_promise_is_broken() {
    explore(1);
}

#[test]
fn an_agent_that_forgets_what_it_did_is_found_out() {
    let mut world = World::new(small_plan(), 1);
    world.no_dedup = true;
    let found = search(world).expect_err("the planted defect must be found");
    assert!(found.contains("twice"), "{found}");
}

/// Minutes of work: `cargo test --release -p domain -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn with_two_faults_anywhere_no_promise_is_broken() {
    explore(2);
}
