//! Tells the root helper that the coordinator is there, as long as there is a session with it: faults end without.

use super::context::Context;
use crate::exec::protocol::Request;
use std::time::Duration;

/// A quarter of the shortest grace that a lease may have.
const EVERY: Duration = Duration::from_millis(500);

pub(super) async fn tell(context: Context) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if context.link.borrow().is_some() {
            // A helper that does not answer is being restarted, and undoes everything then.
            let _ = context.helper.ask(&Request::Seen).await;
        }
    }
}
