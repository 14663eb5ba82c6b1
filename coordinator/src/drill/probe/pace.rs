//! How often a probe asks: at its own rate while something changes, faster while what it watches comes back, and seldom otherwise.
//!
//! The width of an edge is one period and one request. Asking fast all the time would load the nodes for nothing, so what is
//! to go and come back is asked fast around the moments at which it can. When that is, the run's phases say and no answer
//! does, but for one: who has been good for a while is not in a hurry any more. It stays open loop. What must stay good is asked at its own
//! rate around those moments and seldom otherwise too; the share of its good answers is one of time, not of requests.

use domain::drill::scenario::{Expectation, Look, Probe};
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Period of what nothing happens to, where its own is shorter.
const CALM: Duration = Duration::from_secs(1);

/// The same of a request that must be answered all the time, each of which costs its cluster a third of a percent of a core.
const CALM_STEADY: Duration = Duration::from_secs(2);

/// The same of a look into every Cilium agent, which starts a program in each.
const CALM_LOOK: Duration = Duration::from_secs(30);

/// How long something may happen after a fault was ordered.
const CHANGING: Duration = Duration::from_secs(10);

/// Period of an HTTP request while its subject comes back.
const FAST: Duration = Duration::from_millis(20);

/// Period of a list of nodes and their leases while they come back: two lists a time.
const FAST_LIST: Duration = Duration::from_millis(100);

/// Period of a query to a store while it comes back.
const FAST_QUERY: Duration = Duration::from_millis(50);

/// Good answers in a row after which nobody is in a hurry any more.
const ENOUGH: u32 = 50;

/// What a run goes through, for all its probes.
#[derive(Debug)]
pub struct Tempo(watch::Sender<Mood>);

/// Of one probe.
#[derive(Debug)]
pub struct Pace {
    mood: watch::Receiver<Mood>,
    good_in_row: u32,
    /// The period that was last waited for.
    last: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Calm,
    Changing { until: Instant },
    Returning,
}

impl Default for Tempo {
    fn default() -> Self {
        Self(watch::channel(Mood::Calm).0)
    }
}

impl Tempo {
    /// For one more probe of the run.
    pub fn pace(&self) -> Pace {
        Pace {
            mood: self.0.subscribe(),
            good_in_row: 0,
            last: Duration::ZERO,
        }
    }

    /// Faults are about to be injected.
    pub fn breaking(&self) {
        let until = Instant::now() + CHANGING;
        self.0.send_replace(Mood::Changing { until });
    }

    /// Undoing begins: from here on every probe of the run hurries until it was good for a while.
    pub fn undoing(&self) {
        self.0.send_replace(Mood::Returning);
    }
}

impl Pace {
    /// Waits until the next request is due and answers when that was: at `due`, or at once when the run goes over to asking faster, so
    /// that the last answer of before a change is as young as can be.
    pub(super) async fn wait(&mut self, probe: &Probe, due: Instant) -> Instant {
        loop {
            tokio::select! {
                biased;
                () = changed(&mut self.mood) => {
                    let now = Instant::now();
                    if self.period_at(probe, now) < self.last {
                        return due.min(now);
                    }
                }
                () = tokio::time::sleep_until(due) => return due,
            }
        }
    }

    /// Takes in how a request ended.
    pub(super) fn saw(&mut self, good: bool) {
        let counts = good && matches!(*self.mood.borrow(), Mood::Returning);
        self.good_in_row = if counts {
            self.good_in_row.saturating_add(1)
        } else {
            0
        };
    }

    /// Time until the next request.
    pub(super) fn period(&mut self, probe: &Probe) -> Duration {
        self.last = self.period_at(probe, Instant::now());
        self.last
    }

    fn period_at(&self, probe: &Probe, now: Instant) -> Duration {
        let own = Duration::from_millis(probe.period_ms);
        let (calm, fast) = match (probe.expect, &probe.look) {
            (Expectation::StaysGood, Look::Http { .. } | Look::ApiReady {}) => (CALM_STEADY, own),
            (Expectation::ComesBack, Look::Http { .. } | Look::ApiReady {}) => (CALM, FAST),
            (Expectation::ComesBack, Look::NodesReady {}) => (CALM, FAST_LIST),
            (Expectation::ComesBack, Look::CanaryStored { .. } | Look::LogCanaryStored { .. }) => {
                (CALM, FAST_QUERY)
            }
            (Expectation::ComesBack, Look::Mesh { .. }) => (CALM_LOOK, own),
            _ => return own,
        };
        match *self.mood.borrow() {
            Mood::Returning if self.good_in_row < enough(&probe.look) => own.min(fast),
            Mood::Changing { until } if now < until => own,
            _ => own.max(calm),
        }
    }
}

/// Good answers in a row after which nobody is in a hurry any more. A store is good again while what it has is not older than so
/// much, and when it has everything shows only after that.
fn enough(look: &Look) -> u32 {
    let (Look::CanaryStored { fresh_ms, .. } | Look::LogCanaryStored { fresh_ms, .. }) = look else {
        return ENOUGH;
    };
    let until_whole = u128::from(*fresh_ms) / FAST_QUERY.as_millis();
    ENOUGH.saturating_add(u32::try_from(until_whole).unwrap_or(u32::MAX))
}

/// A run that is over changes no more.
async fn changed(mood: &mut watch::Receiver<Mood>) {
    if mood.changed().await.is_err() {
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::ClusterName;

    const OWN: Duration = Duration::from_millis(50);

    fn probe(expect: Expectation, look: Look) -> Probe {
        Probe {
            name: "p".into(),
            cluster: ClusterName::new("app1").expect("valid"),
            contract: None,
            expect,
            needs: None,
            look,
            period_ms: 50,
            timeout_ms: 900,
            consecutive_good: None,
        }
    }

    #[test]
    fn what_comes_back_is_asked_fast_only_when_it_can_change() {
        let tempo = Tempo::default();
        let api = probe(Expectation::ComesBack, Look::ApiReady {});
        let mut pace = tempo.pace();
        pace.saw(true);
        let period = |pace: &Pace| pace.period_at(&api, Instant::now());
        assert_eq!(period(&pace), CALM);
        tempo.breaking();
        assert_eq!(period(&pace), OWN);
        assert_eq!(pace.period_at(&api, Instant::now() + CHANGING), CALM);
        tempo.undoing();
        assert_eq!(period(&pace), FAST);
        (0..ENOUGH).for_each(|_| pace.saw(true));
        assert_eq!(period(&pace), CALM);
        pace.saw(false);
        assert_eq!(period(&pace), FAST);
        assert_eq!(period(&tempo.pace()), FAST, "each probe counts for itself");
    }

    #[test]
    fn the_dearer_a_look_is_the_calmer_it_waits() {
        let tempo = Tempo::default();
        let pace = tempo.pace();
        let mesh = probe(Expectation::ComesBack, Look::Mesh { peers: vec![] });
        let period = || pace.period_at(&mesh, Instant::now());
        assert_eq!(period(), CALM_LOOK);
        tempo.breaking();
        assert_eq!(period(), OWN);
        assert_eq!(pace.period_at(&mesh, Instant::now() + CHANGING), CALM_LOOK);
        tempo.undoing();
        assert_eq!(period(), OWN, "it is never asked more often than it says");
    }

    #[test]
    fn what_must_stay_good_is_asked_at_its_own_rate_when_something_can_change_and_seldom_otherwise() {
        let tempo = Tempo::default();
        let mut pace = tempo.pace();
        let api = probe(Expectation::StaysGood, Look::ApiReady {});
        let period = |pace: &Pace| pace.period_at(&api, Instant::now());
        assert_eq!(period(&pace), CALM_STEADY);
        tempo.breaking();
        assert_eq!(period(&pace), OWN);
        assert_eq!(pace.period_at(&api, Instant::now() + CHANGING), CALM_STEADY);
        tempo.undoing();
        assert_eq!(period(&pace), OWN);
        (0..ENOUGH).for_each(|_| pace.saw(true));
        assert_eq!(period(&pace), CALM_STEADY);
    }

    #[test]
    fn what_only_observes_and_what_costs_much_keep_their_rate() {
        let tempo = Tempo::default();
        let pace = tempo.pace();
        let rates = || {
            [
                (Expectation::Observes, Look::ApiReady {}),
                (Expectation::Observes, Look::NodesReady {}),
                (Expectation::StaysGood, Look::Mesh { peers: vec![] }),
                (
                    Expectation::ComesBack,
                    Look::Metrics {
                        namespace: String::new(),
                        selector: String::new(),
                        port: 1,
                        keep: vec![],
                    },
                ),
            ]
            .map(|(expect, look)| pace.period_at(&probe(expect, look), Instant::now()))
        };
        assert_eq!(rates(), [OWN; 4]);
        tempo.breaking();
        assert_eq!(rates(), [OWN; 4]);
        tempo.undoing();
        assert_eq!(rates(), [OWN; 4]);
    }

    #[test]
    fn a_store_is_watched_until_it_may_have_everything() {
        let tempo = Tempo::default();
        let mut pace = tempo.pace();
        let store = probe(
            Expectation::ComesBack,
            Look::LogCanaryStored {
                receiver: ClusterName::new("mgmt").expect("valid"),
                namespace: "monitoring".into(),
                service: "log-receiver".into(),
                container: "canary".into(),
                fresh_ms: 12_000,
            },
        );
        tempo.undoing();
        // Twelve seconds of queries beyond what is enough elsewhere.
        (1..ENOUGH + 240).for_each(|_| pace.saw(true));
        assert_eq!(pace.period_at(&store, Instant::now()), FAST_QUERY);
        pace.saw(true);
        assert_eq!(pace.period_at(&store, Instant::now()), CALM);
    }

    #[tokio::test]
    async fn who_waits_calmly_is_woken_by_a_change() {
        let tempo = Tempo::default();
        let api = probe(Expectation::ComesBack, Look::ApiReady {});
        let mut pace = tempo.pace();
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        assert_eq!(pace.period(&api), CALM);
        tempo.breaking();
        let due = pace.wait(&api, begun + hour).await;
        assert!(due >= begun && due <= Instant::now());
        // What keeps its rate is not asked out of turn.
        let steady = probe(Expectation::Observes, Look::ApiReady {});
        let mut pace = tempo.pace();
        assert_eq!(pace.period(&steady), OWN);
        tempo.undoing();
        let due = Instant::now() + OWN;
        assert_eq!(pace.wait(&steady, due).await, due);
    }

    #[tokio::test]
    async fn a_run_that_is_gone_wakes_nobody() {
        let mut pace = Tempo::default().pace();
        let due = Instant::now() + OWN;
        let api = probe(Expectation::ComesBack, Look::ApiReady {});
        assert_eq!(pace.wait(&api, due).await, due);
        assert!(Instant::now() >= due);
    }
}
