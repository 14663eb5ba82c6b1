//! Random walks far longer and with more faults than the exhaustive search can afford, and whole plans at random.

use crate::fixtures::small_plan;
use crate::world::World;
use crate::world::actions::{Action, Fault};
use domain::history;
use proptest::prelude::*;

/// Walks as `choices` say, then lets faults stop and everything come to an end.
fn walk(choices: &[(u8, u8)]) -> Result<(), TestCaseError> {
    let mut world = World::new(small_plan(), 60);
    for (kind, which) in choices {
        let regular = world.actions();
        let faults = world.faults();
        // One choice in eight is a fault: often enough to meet in all places, rarely enough to get anywhere.
        let faulty = kind % 8 == 0 && !faults.is_empty() || regular.is_empty();
        let action = if faulty {
            faults
                .get(usize::from(*which) % faults.len().max(1))
                .cloned()
                .map(Action::Fault)
        } else {
            regular.get(usize::from(*which) % regular.len()).cloned()
        };
        let Some(action) = action else { break };
        world.act(&action);
        prop_assert!(
            world.violations.is_empty(),
            "{:?} after {action:?}",
            world.violations
        );
    }
    settle(&mut world)
}

fn settle(world: &mut World) -> Result<(), TestCaseError> {
    world.faults_left = 0;
    for _ in 0..3_000 {
        let Some(action) = world.actions().into_iter().next() else {
            break;
        };
        world.act(&action);
        prop_assert!(
            world.violations.is_empty(),
            "{:?} after {action:?}",
            world.violations
        );
    }
    prop_assert!(
        world.finished(),
        "faults stopped and the run does not end: {:?}",
        world.actions()
    );
    let lines = world.coordinator.lines();
    prop_assert_eq!(&world.coordinator.replayed(), &world.coordinator.state);
    prop_assert!(history::check(&lines).is_ok(), "{:#?}", history::check(&lines));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_walks_with_many_faults_break_no_promise(choices in prop::collection::vec((0u8..=255, 0u8..=255), 0..250)) {
        walk(&choices)?;
    }
}

/// Found by the walks: an order of a dead coordinator reached an agent whose store, and with it the knowledge of having run it,
/// was gone. No order can: it was in a session of the process that ended.
#[test]
fn an_order_on_its_way_ends_with_the_process_it_was_sent_to() {
    let name = crate::fixtures::node("mgmt-cp");
    let may_arrive = |then: Option<Fault>| {
        let mut world = World::new(small_plan(), 60);
        let (up, down) = (Action::DeliverUp(name.clone()), Action::DeliverDown(name.clone()));
        // Hello, welcome, question and ledger; then the first order is on its way.
        for action in [&Action::Connect(name.clone()), &up, &down, &down, &up] {
            world.act(action);
        }
        let died = Fault::CoordinatorDies {
            host_work_was_done: false,
        };
        for fault in std::iter::once(died).chain(then) {
            world.act(&Action::Fault(fault));
        }
        world.faults().contains(&Fault::StaleOrder)
    };
    assert!(may_arrive(None));
    assert!(!may_arrive(Some(Fault::StoreLost(name.clone()))));
    assert!(!may_arrive(Some(Fault::Reboot(name.clone()))));
    assert!(may_arrive(Some(Fault::Reboot(crate::fixtures::node(
        "mgmt-worker"
    )))));
}
