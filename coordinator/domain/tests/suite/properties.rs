//! Random walks far longer and with more faults than the exhaustive search can afford, and whole plans at random.

use crate::fixtures::small_plan;
use crate::world::World;
use crate::world::actions::Action;
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
