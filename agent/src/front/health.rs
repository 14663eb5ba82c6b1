//! Every five seconds: a sample of the node's facts, conditions that changed, jumps of the clock; and a sign of life.

use super::conditions::Conditions;
use super::context::{Context, Failure};
use super::look::Look;
use super::vitals::Vitals;
use crate::journal::Batch;
use crate::paths::Paths;
use crate::{clock, notify};
use model::event::NodeEventKind;
use model::moment::Moment;
use model::step::Role;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(5);
/// A larger shift between wall and monotonic clock from one look to the next is a jump.
const JUMP_MS: i64 = 2000;

/// Runs for good.
pub(super) async fn watch(context: Context, paths: Paths, role: Role) {
    let vitals = Vitals::new(&paths);
    let mut conditions = Conditions::default();
    let mut walls = WallClock::new(clock::now(), clock::monotonic_ms());
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        notify::alive();
        let look = Look::at(&vitals, &context, role).await;
        let mut kinds: Vec<NodeEventKind> = Vec::new();
        let jump = walls.jump(clock::now(), clock::monotonic_ms());
        kinds.extend(jump.map(|shift_ms| NodeEventKind::ClockJump { shift_ms }));
        let changed = conditions.update(&look, clock::now());
        kinds.extend(
            changed
                .into_iter()
                .map(|condition| NodeEventKind::ConditionChanged { condition }),
        );
        kinds.push(NodeEventKind::Health { facts: look.facts });
        let events = kinds.into_iter().map(|kind| context.draft(kind)).collect();
        match context
            .append(Batch {
                events,
                ..Batch::default()
            })
            .await
        {
            // Samples are what goes first.
            Ok(()) | Err(Failure::Full) => {}
            Err(failure) => return context.fail(failure),
        }
    }
}

/// How the wall clock stood to the monotonic one, which nobody sets, at the last look. Pure.
#[derive(Debug)]
struct WallClock {
    offset_ms: i64,
}

impl WallClock {
    fn new(wall: Moment, monotonic_ms: u64) -> Self {
        Self {
            offset_ms: offset_ms(wall, monotonic_ms),
        }
    }

    /// By how many milliseconds the wall clock was set since the last look; None when it was not. A clock that is slewed, or
    /// drifts, moves by milliseconds between two looks: however far that leads in a day, it is no jump.
    fn jump(&mut self, wall: Moment, monotonic_ms: u64) -> Option<i64> {
        let offset_ms = offset_ms(wall, monotonic_ms);
        let shift_ms = offset_ms.saturating_sub(self.offset_ms);
        self.offset_ms = offset_ms;
        (shift_ms.saturating_abs() > JUMP_MS).then_some(shift_ms)
    }
}

fn offset_ms(wall: Moment, monotonic_ms: u64) -> i64 {
    (wall.0 / 1000).saturating_sub(i64::try_from(monotonic_ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every five seconds; in between the wall clock is set by so many milliseconds.
    fn looks(shifts: &[i64]) -> Vec<Option<i64>> {
        let (mut wall, mut monotonic) = (1_790_000_000_000, 77_000);
        let mut clock = WallClock::new(Moment(wall * 1000), monotonic);
        let each = shifts.iter().map(|shift| {
            monotonic += 5_000;
            wall += 5_000 + *shift;
            clock.jump(Moment(wall * 1000), monotonic)
        });
        each.collect()
    }

    #[test]
    fn a_clock_that_is_set_jumps_once_in_either_direction() {
        assert_eq!(
            looks(&[0, 3_000, 0, -3_000, 0]),
            [None, Some(3_000), None, Some(-3_000), None]
        );
        assert_eq!(looks(&[2_000, -2_000, 2_001]), [None, None, Some(2_001)]);
    }

    #[test]
    fn a_clock_that_is_slewed_never_does() {
        assert!(looks(&[50; 2_000]).iter().all(Option::is_none), "100 s in all");
    }
}
