//! Every five seconds: a sample of the node's facts, conditions that changed, jumps of the clock; and a sign of life.

use super::conditions::Conditions;
use super::context::{Context, Failure};
use super::look::Look;
use super::vitals::Vitals;
use crate::journal::Batch;
use crate::paths::Paths;
use crate::{clock, notify};
use model::event::NodeEventKind;
use model::step::Role;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(5);
/// A larger shift between wall and monotonic clock is a jump.
const JUMP_MS: i64 = 2000;

/// Runs for good.
pub(super) async fn watch(context: Context, paths: Paths, role: Role) {
    let vitals = Vitals::new(&paths);
    let mut conditions = Conditions::default();
    let mut offset = clock_offset_ms();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        notify::alive();
        let look = Look::at(&vitals, &context, role).await;
        let mut kinds: Vec<NodeEventKind> = Vec::new();
        let shift_ms = clock_offset_ms() - offset;
        if shift_ms.abs() > JUMP_MS {
            offset += shift_ms;
            kinds.push(NodeEventKind::ClockJump { shift_ms });
        }
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

fn clock_offset_ms() -> i64 {
    clock::now().0 / 1000 - i64::try_from(clock::monotonic_ms()).unwrap_or(0)
}
