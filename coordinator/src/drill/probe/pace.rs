//! How often a probe asks: at its own rate while something changes, faster while what it watches comes back, and seldom otherwise.
//!
//! The width of an edge is one period and one request. Asking fast all the time would load the nodes for nothing, so what is
//! to go and come back is asked fast around the moments at which it can. When that is, the run's phases say and no answer
//! does, but for one: who has been good for a while is not in a hurry any more. It stays open loop. What must stay good, and what is
//! only observed, is asked at its own rate around those moments and seldom otherwise too; the share of good answers is one of time, not of requests.
//! What must stay good and does not is asked at its own rate from that answer on: how long its outage was is known to one period.

use domain::drill::record::{Phase, Record};
use domain::drill::scenario::{Expectation, Look, Probe, Via};
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long something may happen after a fault was ordered.
const CHANGING: Duration = Duration::from_secs(10);

/// Good answers in a row after which nobody is in a hurry any more.
const ENOUGH: u32 = 50;

/// The same of a look that starts a program in each Cilium agent.
const ENOUGH_LOOKS: u32 = 3;

/// Period of a query to a store while it comes back.
const FAST_QUERY: Duration = Duration::from_millis(50);

/// Period, where the probe's own is shorter, while nothing happens to what it asks. The dearer a request is to a cluster that the
/// drill spares, the longer: what a request costs is in `docs/drills/results.md`.
fn calm(probe: &Probe) -> Duration {
    use Expectation::{ComesBack, StaysGood};
    let seconds = match (probe.expect, &probe.look) {
        // Two requests in one: the pod is asked, and asks.
        (
            StaysGood,
            Look::Http {
                via: Via::Pod { .. } | Via::Mesh { .. },
                ..
            },
        ) => 4,
        (StaysGood, Look::Http { .. } | Look::ApiReady {}) => 2,
        (
            ComesBack,
            Look::Http {
                via: Via::Pod { .. } | Via::Mesh { .. },
                ..
            },
        ) => 5,
        (ComesBack, Look::Http { .. } | Look::ApiReady {} | Look::NodesReady {}) => 1,
        (ComesBack, Look::CanaryStored { .. } | Look::LogCanaryStored { .. }) => 1,
        (ComesBack, Look::Mesh { .. }) => 30,
        // Three requests, two of them for lists.
        (_, Look::SecretCanary { .. }) => 2,
        (_, Look::SecretAge {}) => 5,
        // Each asks the policies' webhook.
        (_, Look::PodRefused { .. }) => 15,
        // A log, of which nothing is missed: a look reads what came since the last one.
        (_, Look::CanaryServed { .. }) => 15,
        // A page of a hundred kilobytes, of which counters are kept.
        (_, Look::Metrics { .. }) => 30,
        _ => 0,
    };
    Duration::from_secs(seconds)
}

/// The same before the first fault: an outage begins once every service was good ten times and more in a row, and is not to wait long for
/// that.
fn steady(probe: &Probe) -> Duration {
    match probe.look {
        Look::Http { .. } => calm(probe).min(Duration::from_secs(2)),
        _ => calm(probe),
    }
}

/// Period, where the probe's own is longer, while what it asks comes back.
fn fast(probe: &Probe) -> Duration {
    let millis = match (probe.expect, &probe.look) {
        // A pod that is told to ask waits up to 5 s for what does not answer, whoever waits for it. So a hundred requests hang at a
        // time and not 250: it is the pod of an application that must stay good.
        (
            Expectation::ComesBack,
            Look::Http {
                via: Via::Pod { .. } | Via::Mesh { .. },
                ..
            },
        ) => 50,
        (Expectation::ComesBack, Look::Http { .. } | Look::ApiReady {}) => 20,
        (Expectation::ComesBack, Look::CanaryStored { .. } | Look::LogCanaryStored { .. }) => {
            return FAST_QUERY;
        }
        // Two lists a time; four objects.
        (Expectation::ComesBack, Look::NodesReady {} | Look::Pki { .. }) => 100,
        (Expectation::ComesBack, Look::Mesh { .. }) => 2_000,
        _ => return Duration::MAX,
    };
    Duration::from_millis(millis)
}

/// How long after a fault was ordered something may happen to what the probe asks.
fn changing(probe: &Probe) -> Duration {
    match probe.look {
        // The run acts on it by itself, later.
        Look::SecretCanary {
            act_after_seconds, ..
        } => CHANGING + Duration::from_secs(act_after_seconds),
        _ => CHANGING,
    }
}

/// Good answers in a row after which nobody is in a hurry any more. A store is good again while what it has is not older than so
/// much, and when it has everything shows only after that.
fn enough(probe: &Probe) -> u32 {
    match &probe.look {
        Look::CanaryStored { fresh_ms, .. } | Look::LogCanaryStored { fresh_ms, .. } => {
            let until_whole = u128::from(*fresh_ms) / FAST_QUERY.as_millis();
            ENOUGH.saturating_add(u32::try_from(until_whole).unwrap_or(u32::MAX))
        }
        Look::Mesh { .. } => ENOUGH_LOOKS,
        // It is good with the old value, and the run writes a new one when its source is back.
        Look::SecretCanary { .. } => u32::MAX,
        _ => ENOUGH,
    }
}

/// What a run goes through, for all its probes.
#[derive(Debug)]
pub struct Tempo(watch::Sender<Mood>);

/// Of one probe.
#[derive(Debug)]
pub struct Pace {
    mood: watch::Receiver<Mood>,
    good_in_row: u32,
    /// Good answers in a row after which an outage is over.
    consecutive_good: u32,
    /// Those that are still wanted since the last bad one.
    wanted: u32,
    /// The period that was last waited for.
    last: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Steady,
    Changing { since: Instant },
    Returning,
}

impl Default for Tempo {
    fn default() -> Self {
        Self(watch::channel(Mood::Steady).0)
    }
}

impl Tempo {
    /// For one more probe of the run, whose outages are over after so many good answers in a row.
    pub fn pace(&self, consecutive_good: u32) -> Pace {
        Pace {
            mood: self.0.subscribe(),
            good_in_row: 0,
            consecutive_good,
            wanted: 0,
            last: Duration::ZERO,
        }
    }

    /// Takes in what the run goes through. Each fault of its own begins a change: also one that comes later than the first.
    pub fn hears(&self, record: &Record) {
        match record {
            Record::FaultIntended { .. } => self.breaking(),
            Record::PhaseEntered { phase: Phase::Revert } => self.undoing(),
            _ => {}
        }
    }

    /// A fault is about to be injected.
    fn breaking(&self) {
        let since = Instant::now();
        self.0.send_replace(Mood::Changing { since });
    }

    /// Undoing begins: from here on every probe of the run hurries until it was good for a while.
    pub(super) fn undoing(&self) {
        self.0.send_replace(Mood::Returning);
    }
}

impl Pace {
    /// Waits until the next request is due and answers when that was: at `due`, or at once when the run or an answer that came in
    /// meanwhile makes it ask faster, so that the last answer of before a change is as young as can be.
    pub(super) async fn wait(
        &mut self,
        probe: &Probe,
        due: Instant,
        under_way: &mut JoinSet<bool>,
    ) -> Instant {
        loop {
            tokio::select! {
                biased;
                () = changed(&mut self.mood) => {}
                // None at all are waited for by nobody.
                Some(ended) = under_way.join_next() => self.saw(ended.unwrap_or_default()),
                () = tokio::time::sleep_until(due) => return due,
            }
            let now = Instant::now();
            if self.period_at(probe, now) < self.last {
                return due.min(now);
            }
        }
    }

    /// Takes in how a request ended.
    pub(super) fn saw(&mut self, good: bool) {
        self.wanted = if good {
            self.wanted.saturating_sub(1)
        } else {
            self.consecutive_good
        };
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
        match *self.mood.borrow() {
            Mood::Returning if self.good_in_row < enough(probe) => own.min(fast(probe)),
            Mood::Changing { since } if now < since + changing(probe) => own,
            _ if self.wanted > 0 && probe.expect == Expectation::StaysGood => own,
            Mood::Steady => own.max(steady(probe)),
            _ => own.max(calm(probe)),
        }
    }
}

/// A run that is over changes no more.
async fn changed(mood: &mut watch::Receiver<Mood>) {
    if mood.changed().await.is_err() {
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::Expectation::{ComesBack, Observes, StaysGood};
    use super::*;
    use model::ids::ClusterName;
    use model::moment::Moment;

    const OWN: Duration = Duration::from_millis(500);

    fn probe(expect: Expectation, look: Look) -> Probe {
        Probe {
            name: "p".into(),
            cluster: ClusterName::new("app1").expect("valid"),
            contract: None,
            expect,
            needs: None,
            look,
            period_ms: 500,
            timeout_ms: 900,
            consecutive_good: None,
        }
    }

    fn http(via: Via) -> Look {
        Look::Http {
            namespace: "demo".into(),
            service: "web".into(),
            path: "/".into(),
            contains: String::new(),
            via,
        }
    }

    fn from_pod() -> Look {
        http(Via::Pod {
            cluster: ClusterName::new("app2").expect("valid"),
            namespace: "demo".into(),
            service: "web".into(),
        })
    }

    fn secret_canary() -> Look {
        Look::SecretCanary {
            store: "vault".into(),
            refresh_seconds: 15,
            act_after_seconds: 20,
            deleted_counts: false,
        }
    }

    fn log_stored(fresh_ms: u64) -> Look {
        Look::LogCanaryStored {
            receiver: ClusterName::new("mgmt").expect("valid"),
            namespace: "monitoring".into(),
            service: "log-receiver".into(),
            container: "canary".into(),
            fresh_ms,
        }
    }

    /// Milliseconds of a period while nothing happens any more, while something changes, and from then on until it was good for long enough.
    type Periods = [u64; 3];

    #[test]
    fn each_look_is_asked_as_often_as_it_can_change_and_as_seldom_as_it_is_dear() {
        let metrics = || Look::Metrics {
            namespace: String::new(),
            selector: String::new(),
            port: 1,
            keep: vec![],
        };
        let table: [(Expectation, Look, Periods); 13] = [
            (ComesBack, Look::ApiReady {}, [1_000, 500, 20]),
            (ComesBack, http(Via::Host {}), [1_000, 500, 20]),
            (ComesBack, from_pod(), [5_000, 500, 50]),
            (ComesBack, Look::NodesReady {}, [1_000, 500, 100]),
            (ComesBack, log_stored(1), [1_000, 500, 50]),
            (ComesBack, Look::Mesh { peers: vec![] }, [30_000, 500, 500]),
            (StaysGood, http(Via::Host {}), [2_000, 500, 500]),
            (StaysGood, from_pod(), [4_000, 500, 500]),
            (StaysGood, Look::SecretAge {}, [5_000, 500, 500]),
            (Observes, metrics(), [30_000, 500, 500]),
            (ComesBack, secret_canary(), [2_000, 500, 500]),
            // What nothing is known of keeps its rate.
            (Observes, Look::NodesReady {}, [500, 500, 500]),
            (StaysGood, Look::Mesh { peers: vec![] }, [500, 500, 500]),
        ];
        for (expect, look, periods) in table {
            let probe = probe(expect, look);
            let tempo = Tempo::default();
            let mut pace = tempo.pace(1);
            let is = |pace: &Pace, millis: u64, what: &str| {
                let period = pace.period_at(&probe, Instant::now());
                assert_eq!(period, Duration::from_millis(millis), "{what}: {probe:?}");
            };
            pace.saw(true);
            let before = match &probe.look {
                Look::Http { .. } => periods[0].min(2_000),
                _ => periods[0],
            };
            is(&pace, before, "before the fault");
            tempo.breaking();
            is(&pace, periods[1], "changing");
            let later = Instant::now() + changing(&probe);
            assert_eq!(pace.period_at(&probe, later), Duration::from_millis(periods[0]));
            tempo.undoing();
            is(&pace, periods[2], "returning");
            let long = enough(&probe).min(100);
            (0..long).for_each(|_| pace.saw(true));
            let after = if long < 100 { periods[0] } else { periods[2] };
            is(&pace, after, "good for a while");
            pace.saw(false);
            is(&pace, periods[2], "bad once more");
            is(&tempo.pace(1), periods[2], "each probe counts for itself");
        }
    }

    #[test]
    fn what_the_run_does_to_secrets_later_is_watched_as_closely_as_the_fault() {
        let tempo = Tempo::default();
        let canary = probe(ComesBack, secret_canary());
        let pace = tempo.pace(1);
        tempo.breaking();
        let after = |seconds| pace.period_at(&canary, Instant::now() + Duration::from_secs(seconds));
        assert_eq!((after(20), after(29)), (OWN, OWN));
        assert_eq!(after(31), Duration::from_secs(2));
    }

    #[test]
    fn a_store_is_watched_until_it_may_have_everything() {
        let tempo = Tempo::default();
        let mut pace = tempo.pace(1);
        let store = probe(ComesBack, log_stored(12_000));
        tempo.undoing();
        // Twelve seconds of queries beyond what is enough elsewhere.
        (1..ENOUGH + 240).for_each(|_| pace.saw(true));
        assert_eq!(pace.period_at(&store, Instant::now()), FAST_QUERY);
        pace.saw(true);
        assert_eq!(pace.period_at(&store, Instant::now()), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn who_waits_calmly_is_woken_by_a_change() {
        let tempo = Tempo::default();
        let api = probe(ComesBack, Look::ApiReady {});
        let mut pace = tempo.pace(1);
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        assert_eq!(pace.period(&api), Duration::from_secs(1));
        tempo.breaking();
        let mut nobody = JoinSet::new();
        let due = pace.wait(&api, begun + hour, &mut nobody).await;
        assert!(due >= begun && due <= Instant::now());
        // What keeps its rate is not asked out of turn.
        let steady = probe(Observes, Look::ApiReady {});
        let mut pace = tempo.pace(1);
        assert_eq!(pace.period(&steady), OWN);
        tempo.undoing();
        let due = Instant::now() + OWN;
        assert_eq!(pace.wait(&steady, due, &mut nobody).await, due);
    }

    #[tokio::test]
    async fn a_fault_that_comes_later_is_watched_as_closely_as_the_first() {
        let tempo = Tempo::default();
        let mut pace = tempo.pace(1);
        let look = Look::CanaryServed {
            namespace: "monitoring".into(),
            selector: "app=agent".into(),
            container: "canary".into(),
        };
        let log = probe(Observes, look);
        // The first fault is half a minute ago.
        let long_ago = Instant::now().checked_sub(Duration::from_secs(30));
        let since = long_ago.expect("a clock that began before");
        tempo.0.send_replace(Mood::Changing { since });
        let calm = Duration::from_secs(15);
        assert_eq!(pace.period(&log), calm);
        tempo.hears(&Record::FaultIntended {
            fault: "agent-restart".into(),
            deadline: Moment(0),
        });
        // At once, before what is deleted is gone, and at its own rate from there on.
        let due = Instant::now() + calm;
        assert!(pace.wait(&log, due, &mut JoinSet::new()).await < due);
        assert_eq!(pace.period(&log), OWN);
        let phase = Phase::Revert;
        tempo.hears(&Record::PhaseEntered { phase });
        assert!(matches!(*pace.mood.borrow(), Mood::Returning));
    }

    #[tokio::test]
    async fn a_bad_answer_of_what_must_stay_good_hurries_until_it_is_good_again() {
        let app = probe(StaysGood, from_pod());
        let mut pace = Tempo::default().pace(2);
        let calm = Duration::from_secs(2);
        assert_eq!(pace.period(&app), calm);
        let mut asked = JoinSet::new();
        asked.spawn(async { false });
        let far = Instant::now() + Duration::from_secs(3600);
        assert!(pace.wait(&app, far, &mut asked).await <= Instant::now());
        assert_eq!(pace.period(&app), OWN);
        pace.saw(true);
        assert_eq!(pace.period(&app), OWN, "one of two");
        pace.saw(true);
        assert_eq!(pace.period(&app), calm);
        // What is lost anyway is not asked the more for it.
        let away = probe(ComesBack, from_pod());
        pace.saw(false);
        assert_eq!(pace.period(&away), calm);
    }

    #[tokio::test]
    async fn a_run_that_is_gone_wakes_nobody() {
        let mut pace = Tempo::default().pace(1);
        let due = Instant::now() + OWN;
        let api = probe(ComesBack, Look::ApiReady {});
        assert_eq!(pace.wait(&api, due, &mut JoinSet::new()).await, due);
        assert!(Instant::now() >= due);
    }
}
