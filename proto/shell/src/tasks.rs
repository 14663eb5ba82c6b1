//! Named tasks under one tracker and one token: the only place that spawns.
//!
//! A task that panics is logged by name, and an essential one takes the daemon down with it instead of leaving it half
//! alive.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    running: Arc<Names>,
}

impl Tasks {
    /// Tasks that stop when `cancel` is cancelled.
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            ..Self::default()
        }
    }

    /// The token that every task should watch.
    pub fn token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// `future` until everything is cancelled, then None: for what has nothing to bring to an end.
    pub fn until_stop<F: Future>(&self, future: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        self.cancel.clone().run_until_cancelled_owned(future)
    }

    /// Spawns a task that may come and go; a panic is logged under `name`.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let span = tracing::info_span!("task", name);
        let entry = Names::enter(&self.running, name);
        self.tracker.spawn(
            async move {
                let _entry = entry;
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

    /// Cancels everything and waits at most `grace`. The error names what did not stop in time.
    pub async fn stop(&self, grace: Duration) -> Result<(), Unstopped> {
        self.cancel.cancel();
        self.tracker.close();
        let stopped = tokio::time::timeout(grace, self.tracker.wait()).await;
        stopped.map_err(|_| Unstopped(self.running.lock().keys().copied().collect()))
    }
}

/// Names of tasks that did not stop in time, each once.
#[derive(Debug, thiserror::Error)]
#[error("{} did not end in time", .0.join(", "))]
pub struct Unstopped(Vec<&'static str>);

/// How many tasks of each name run.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeMap<&'static str, usize>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(names: &Arc<Self>, name: &'static str) -> Entry {
        *names.lock().entry(name).or_default() += 1;
        let names = Arc::clone(names);
        Entry { names, name }
    }
}

/// Counts one task as long as it lives, whatever its end.
struct Entry {
    names: Arc<Names>,
    name: &'static str,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut names = self.names.lock();
        if let Some(count) = names.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(self.name);
            }
        }
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
        tasks.stop(Duration::from_secs(1)).await.expect("all stopped");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn stop_says_when_something_hangs() {
        let tasks = Tasks::default();
        tasks.spawn("over", async {});
        tasks.spawn("deaf", std::future::pending::<()>());
        tasks.spawn("heeds", tasks.until_stop(std::future::pending::<()>()));
        let error = tasks
            .stop(Duration::from_millis(20))
            .await
            .expect_err("one is deaf");
        assert_eq!(error.to_string(), "deaf did not end in time");
    }
}
