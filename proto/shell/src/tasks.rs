//! Named tasks under one tracker and one token: the only place that spawns.
//!
//! A task that panics is logged by name, and an essential one takes the daemon down with it instead of leaving it half
//! alive.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// All tasks of one daemon. Clones share the tracker and the token.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Tasks {
    /// Tasks that stop when `cancel` is cancelled.
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            cancel,
        }
    }

    /// The token that every task should watch.
    pub fn token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Spawns a task that may come and go; a panic is logged under `name`.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let span = tracing::info_span!("task", name);
        self.tracker.spawn(
            async move {
                let output = CatchUnwind(Box::pin(future)).await;
                if output.is_none() {
                    tracing::error!(task = name, "task panicked");
                }
                output
            }
            .instrument(span),
        )
    }

    /// Spawns a task without which the daemon is useless: when it ends or panics, all others are cancelled.
    pub fn spawn_essential<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let guard = self.cancel.clone();
        self.spawn(name, async move {
            let _cancel_when_done = guard.drop_guard();
            future.await
        })
    }

    /// Cancels everything and waits at most `grace`; false when something did not stop in time.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

/// `None` after a panic. Boxed, because a task is made once and polled often.
struct CatchUnwind<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for CatchUnwind<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn an_essential_panic_cancels_the_rest() {
        let tasks = Tasks::default();
        let token = tasks.token().clone();
        let waiter = tasks.spawn("waiter", async move { token.cancelled().await });
        tasks.spawn_essential("fragile", async { panic!("planted") });
        let joined = tokio::time::timeout(Duration::from_secs(5), waiter)
            .await
            .expect("cancelled in time");
        assert_eq!(joined.expect("joined"), Some(()));
        assert!(tasks.stop(Duration::from_secs(1)).await);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn stop_says_when_something_hangs() {
        let tasks = Tasks::default();
        tasks.spawn("deaf", std::future::pending::<()>());
        assert!(!tasks.stop(Duration::from_millis(20)).await);
    }
}
