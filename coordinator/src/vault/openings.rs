//! The first opening of a Vault is never broken off: its answer holds the only keys and comes once. An orderly stop waits for it.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

/// How long a stop waits. On a host that starts three clusters an opening took 5.1 s; a supervisor waits for 90 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// The opening that is under way, shared by the keeper and by who ends the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Openings {
    one: Arc<Mutex<()>>,
    stop: CancellationToken,
}

impl Openings {
    /// None begins once `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            one: Arc::default(),
            stop,
        }
    }

    /// What ends the keeper.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Lets one begin; it is over when what is returned is dropped. None when everything stops.
    pub(super) async fn begin(&self) -> Option<OwnedMutexGuard<()>> {
        let one = Arc::clone(&self.one).lock_owned().await;
        // Looked at last: whoever stops everything does that first and waits for the lock then.
        (!self.stop.is_cancelled()).then_some(one)
    }

    /// Waits for the one that is under way, after everything was told to stop.
    pub(crate) async fn ended(&self) {
        if tokio::time::timeout(PATIENCE, self.one.lock()).await.is_err() {
            tracing::error!("the first opening of Vault did not end in time, and its keys are lost with it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_an_opening_and_lets_none_begin() {
        let openings = Openings::new(CancellationToken::new());
        let opening = openings.begin().await.expect("nothing stops");
        openings.stop.cancel();
        let took = Duration::from_secs(6);
        let began = Instant::now();
        tokio::join!(openings.ended(), async move {
            tokio::time::sleep(took).await;
            drop(opening);
        });
        assert!(began.elapsed() >= took && began.elapsed() < PATIENCE);
        assert!(openings.begin().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_holds_up_no_stop_for_ever() {
        let openings = Openings::new(CancellationToken::new());
        let _opening = openings.begin().await.expect("nothing stops");
        let began = Instant::now();
        openings.ended().await;
        assert!(began.elapsed() >= PATIENCE);
    }
}
