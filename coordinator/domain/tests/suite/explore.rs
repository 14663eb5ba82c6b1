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

/// Where a state was first reached from, and by which of the actions there.
type Parent = (u32, u16);

/// Searches everything reachable with the faults that `start` allows. An error holds the shortest path to what is wrong.
fn search(start: &World) -> Result<Seen, String> {
    let mut ids: HashMap<u64, u32> = HashMap::from([(start.fingerprint(), 0)]);
    let mut parents: Vec<Parent> = vec![(0, 0)];
    let mut edges: Vec<(u32, u32)> = vec![];
    let mut goals: Vec<u32> = vec![];
    let mut queue = VecDeque::from([(0u32, start.clone())]);
    let mut seen = Seen::default();
    while let Some((id, world)) = queue.pop_front() {
        seen.states += 1;
        let regular = world.actions().len();
        if world.finished() {
            goals.push(id);
            seen.succeeded += usize::from(outcome(&world) == Some(RunOutcome::Succeeded));
            if regular == 0 {
                seen.ended += 1;
                let lines = world.coordinator.lines();
                history::check(&lines)
                    .map_err(|broken| tell(start, &parents, id, &format!("history: {broken:#?}")))?;
            }
        }
        for (i, action) in all(&world).into_iter().enumerate() {
            seen.transitions += 1;
            let mut next = world.clone();
            next.act(&action);
            let by = (id, u16::try_from(i).expect("few actions"));
            if !next.violations.is_empty() {
                parents.push(by);
                let last = u32::try_from(parents.len() - 1).expect("fits");
                return Err(tell(start, &parents, last, &next.violations.join("; ")));
            }
            let fresh = u32::try_from(ids.len()).expect("fewer than 2^32 states");
            let to = *ids.entry(next.fingerprint()).or_insert(fresh);
            if to == fresh {
                parents.push(by);
                queue.push_back((to, next));
            }
            if i < regular {
                edges.push((to, id));
            }
        }
    }
    every_state_reaches_an_end(start, &parents, edges, goals)?;
    Ok(seen)
}

fn all(world: &World) -> Vec<Action> {
    let mut actions = world.actions();
    actions.extend(world.faults().into_iter().map(Action::Fault));
    actions
}

fn outcome(world: &World) -> Option<RunOutcome> {
    Some(world.coordinator.state.run.as_ref()?.finished.as_ref()?.outcome)
}

/// Once faults stop, a run ends: from every state some end can be reached without any further fault.
fn every_state_reaches_an_end(
    start: &World,
    parents: &[Parent],
    mut edges: Vec<(u32, u32)>,
    mut queue: Vec<u32>,
) -> Result<(), String> {
    edges.sort_unstable();
    let at = |id: u32| usize::try_from(id).expect("fits");
    let mut reaches = vec![false; parents.len()];
    queue.iter().for_each(|id| reaches[at(*id)] = true);
    while let Some(id) = queue.pop() {
        let first = edges.partition_point(|(to, _)| *to < id);
        for (_, before) in edges[first..].iter().take_while(|(to, _)| *to == id) {
            if !std::mem::replace(&mut reaches[at(*before)], true) {
                queue.push(*before);
            }
        }
    }
    match reaches.iter().position(|reaches| !reaches) {
        Some(stuck) => Err(tell(
            start,
            parents,
            u32::try_from(stuck).expect("fits"),
            "from here no run ever ends",
        )),
        None => Ok(()),
    }
}

/// Walks the path again to name its actions.
fn tell(start: &World, parents: &[Parent], mut id: u32, what: &str) -> String {
    let mut path = Vec::new();
    while id != 0 {
        let (before, action) = parents[usize::try_from(id).expect("fits")];
        path.push(usize::from(action));
        id = before;
    }
    let mut world = start.clone();
    let mut text = format!("{what}\nafter:");
    for i in path.into_iter().rev() {
        let action = all(&world).swap_remove(i);
        text.push_str(&format!("\n  {action:?}"));
        world.act(&action);
    }
    for line in world.coordinator.lines() {
        text.push_str(&format!(
            "\n  {} {}: {}",
            line.revision,
            line.record.kind(),
            line.record.message()
        ));
    }
    text
}

fn explore(faults: u8) {
    let since = Instant::now();
    match search(&World::new(small_plan(), faults)) {
        Ok(seen) => {
            println!(
                "{faults} fault(s): {seen:?} in {:.1} s",
                since.elapsed().as_secs_f64()
            );
            assert!(
                seen.succeeded > 0 && seen.ended > 0,
                "nothing ever ends well: {seen:?}"
            );
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
    let found = search(&world).expect_err("the planted defect must be found");
    assert!(found.contains("twice"), "{found}");
}

/// Minutes of work: `cargo test --release -p domain -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn with_two_faults_anywhere_no_promise_is_broken() {
    explore(2);
}
