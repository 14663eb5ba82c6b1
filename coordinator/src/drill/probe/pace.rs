//! How often a probe asks: at its own rate, and faster while what it watches comes back.
//!
//! The width of a recovery's interval is one period and one request. Asking fast all the time would load the nodes for nothing;
//! so it is done from the moment when undoing begins until the subject was good for a while. It stays open loop.

use domain::drill::scenario::{Expectation, Look, Probe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Period of an HTTP request while its subject comes back.
const FAST: Duration = Duration::from_millis(20);

/// Period of a list of nodes and their leases while they come back: two lists a time.
const FAST_LIST: Duration = Duration::from_millis(100);

/// Good answers in a row after which nobody is in a hurry any more.
const ENOUGH: u32 = 50;

/// Of one probe. Clones of [`Pace::of_run`] hear the same call to hurry.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    hurry: Arc<AtomicBool>,
    good_in_row: Arc<std::sync::atomic::AtomicU32>,
}

impl Pace {
    /// A pace of its own for one more probe of the same run.
    #[must_use]
    pub fn of_run(&self) -> Self {
        Self {
            hurry: Arc::clone(&self.hurry),
            good_in_row: Arc::default(),
        }
    }

    /// Undoing begins: from here on every probe of the run hurries until it was good for a while.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// Takes in how a request ended.
    pub(super) fn saw(&self, good: bool) {
        if !self.hurry.load(Ordering::Relaxed) || !good {
            self.good_in_row.store(0, Ordering::Relaxed);
        } else {
            self.good_in_row.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Time until the next request.
    pub(super) fn period(&self, probe: &Probe) -> Duration {
        let own = Duration::from_millis(probe.period_ms);
        let hurries = probe.expect == Expectation::ComesBack
            && self.hurry.load(Ordering::Relaxed)
            && self.good_in_row.load(Ordering::Relaxed) < ENOUGH;
        if !hurries {
            return own;
        }
        match probe.look {
            Look::Http { .. } | Look::ApiReady {} => own.min(FAST),
            Look::NodesReady {} => own.min(FAST_LIST),
            // A look into every agent costs too much to be asked more often.
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::ClusterName;

    #[test]
    fn only_what_comes_back_hurries_and_only_until_it_is_back() {
        let probe = |expect, look| Probe {
            name: "p".into(),
            cluster: ClusterName::new("app1").expect("valid"),
            contract: None,
            expect,
            needs: None,
            look,
            period_ms: 500,
            timeout_ms: 900,
            consecutive_good: None,
        };
        let run = Pace::default();
        let api = probe(Expectation::ComesBack, Look::ApiReady {});
        let (pace, own) = (run.of_run(), Duration::from_millis(500));
        pace.saw(true);
        assert_eq!(pace.period(&api), own);
        run.hurry();
        assert_eq!(pace.period(&api), FAST);
        assert_eq!(
            pace.period(&probe(Expectation::StaysGood, Look::ApiReady {})),
            own
        );
        assert_eq!(
            pace.period(&probe(Expectation::ComesBack, Look::Mesh { peers: vec![] })),
            own
        );
        assert_eq!(
            pace.period(&probe(Expectation::ComesBack, Look::NodesReady {})),
            FAST_LIST
        );
        (0..ENOUGH).for_each(|_| pace.saw(true));
        assert_eq!(pace.period(&api), own);
        pace.saw(false);
        assert_eq!(pace.period(&api), FAST);
        assert_eq!(run.of_run().period(&api), FAST, "each probe counts for itself");
    }
}
