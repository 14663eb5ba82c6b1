//! Several threads that go on in one moment: arming a lease starts a process, and nodes of one fault would else lose power
//! one after another, by as much as that takes.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Who comes is not held up for longer by one that failed on its way.
const PATIENCE: Duration = Duration::from_secs(2);

/// For a known number of threads.
#[derive(Debug)]
pub(super) struct Meeting {
    missing: Mutex<usize>,
    all: Condvar,
}

impl Meeting {
    pub(super) fn of(count: usize) -> Self {
        Self {
            missing: Mutex::new(count),
            all: Condvar::new(),
        }
    }

    /// Returns when all are here, or when this one has waited for [`PATIENCE`].
    pub(super) fn wait(&self) {
        self.wait_at_most(PATIENCE);
    }

    fn wait_at_most(&self, limit: Duration) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        self.all.notify_all();
        // Whether all came or not, what was ordered is done.
        let _ = self
            .all
            .wait_timeout_while(missing, limit, |missing| *missing > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_goes_on_before_all_are_here() {
        let meeting = Arc::new(Meeting::of(3));
        let (tell, told) = mpsc::channel();
        let come = || {
            let (meeting, tell) = (Arc::clone(&meeting), tell.clone());
            std::thread::spawn(move || {
                meeting.wait_at_most(LONG);
                tell.send(()).expect("listened to");
            })
        };
        let first = [come(), come()];
        // The mutex is free while they wait, so this sees both of them in.
        while *meeting.missing.lock().expect("whole") > 1 {
            std::thread::yield_now();
        }
        assert!(told.try_recv().is_err(), "one went on alone");
        come().join().expect("ends");
        first.into_iter().for_each(|one| one.join().expect("ends"));
        assert_eq!(told.try_iter().count(), 3);
    }

    #[test]
    fn one_that_does_not_come_holds_nobody_for_ever() {
        Meeting::of(2).wait_at_most(Duration::from_millis(20));
    }
}
