//! Probes: requests at a fixed rate, open loop. What a request meets never moves the ones after it.

mod admission;
mod canary;
mod cluster;
mod lines;
mod log;
pub(super) mod log_room;
mod nodes;
mod pace;
mod phantoms;
mod pki;
mod prepare;
mod question;
mod secret_canary;
mod secrets;
mod sentinel;
mod settings;
mod store;
mod units;

pub use pace::{Pace, Tempo};
pub use prepare::{Grounds, prepare};
pub(super) use prepare::{log_stored, sentinel, stored};
pub use question::{Question, Seen};
pub use secret_canary::SecretCanaryWatch;

use super::timeline::Timeline;
use domain::drill::history::{Answer, Sample};
use domain::drill::scenario::Probe;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long requests that are under way at the end may still take.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Requests of one probe that may be under way beyond those that its timeout explains.
const SPARE: usize = 8;

/// Asks until `stop`; every request becomes one sample, in the order in which they end.
pub async fn run(
    probe: Probe,
    question: Arc<Question>,
    timeline: Timeline,
    samples: mpsc::UnboundedSender<Sample>,
    mut pace: Pace,
    stop: CancellationToken,
) {
    let limit = Duration::from_millis(probe.timeout_ms);
    let name: Arc<str> = probe.name.as_str().into();
    let mut under_way = JoinSet::new();
    let mut due = Instant::now();
    let mut most = 0;
    for number in 0.. {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            at = pace.wait(&probe, due, &mut under_way) => due = at,
        }
        let period = pace.period(&probe);
        let in_flight = limit.as_millis() / period.as_millis().max(1);
        let explained = usize::try_from(in_flight)
            .unwrap_or(usize::MAX)
            .saturating_add(SPARE);
        // Those of a faster pace may still be under way when it slows down: they must not hold back what comes after them.
        most = most.max(explained);
        if under_way.len() < most {
            under_way.spawn(one(
                Arc::clone(&name),
                number,
                due,
                limit,
                Arc::clone(&question),
                timeline,
                samples.clone(),
            ));
        } else {
            let held_back = Sample {
                probe: name.to_string(),
                number,
                due: timeline.at(due),
                sent: None,
                done: timeline.now(),
                answer: Answer::NotSent,
                detail: format!("{most} requests are under way"),
                values: BTreeMap::new(),
            };
            let _ = samples.send(held_back);
        }
        due += period;
    }
    let _ = tokio::time::timeout(LAST_ANSWERS, async {
        while under_way.join_next().await.is_some() {}
    })
    .await;
}

async fn one(
    probe: Arc<str>,
    number: u64,
    due: Instant,
    limit: Duration,
    question: Arc<Question>,
    timeline: Timeline,
    samples: mpsc::UnboundedSender<Sample>,
) -> bool {
    let sent = timeline.now();
    let seen = match tokio::time::timeout(limit, question.ask(timeline)).await {
        Ok(seen) => seen,
        Err(_) => Seen::bad(format!("no answer within {} ms", limit.as_millis())),
    };
    let good = seen.good;
    let sample = seen.sample(probe.to_string(), number, (timeline.at(due), sent), timeline);
    // Nobody listens any more only when the run is over.
    let _ = samples.send(sample);
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::scenario::{Expectation, Look};
    use model::ids::ClusterName;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn probe(period_ms: u64, timeout_ms: u64) -> Probe {
        Probe {
            name: "p".into(),
            cluster: ClusterName::new("app1").expect("valid"),
            contract: None,
            // At its own rate, whatever happens.
            expect: Expectation::Observes,
            needs: None,
            look: Look::ApiReady {},
            period_ms,
            timeout_ms,
            consecutive_good: None,
        }
    }

    /// Requests that a stalling server lets wait.
    const STALLED: usize = 15;

    /// A server that answers at once, but takes `stall` over its first [`STALLED`] requests.
    async fn stalling(stall: Duration) -> Arc<Question> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                let slow = number < STALLED;
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    let _ = stream.read(&mut buffer).await;
                    if slow {
                        tokio::time::sleep(stall).await;
                    }
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                });
            }
        });
        Arc::new(Question::Http {
            address,
            host: "web".into(),
            path: "/".into(),
            contains: "ok".into(),
            dialled: false,
        })
    }

    async fn samples_of(probe: Probe, question: Arc<Question>, wanted: usize) -> Vec<Sample> {
        samples_at(&Tempo::default(), probe, question, wanted).await
    }

    async fn samples_at(tempo: &Tempo, probe: Probe, question: Arc<Question>, wanted: usize) -> Vec<Sample> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(
            probe,
            question,
            Timeline::begin(),
            sender,
            tempo.pace(1),
            stop.clone(),
        ));
        let mut samples = Vec::new();
        while samples.len() < wanted {
            samples.push(receiver.recv().await.expect("a sample"));
        }
        stop.cancel();
        task.await.expect("no panic");
        // Those that were under way too: a slow one may end after later ones.
        while let Ok(sample) = receiver.try_recv() {
            samples.push(sample);
        }
        samples.sort_by_key(|s| s.number);
        samples
    }

    #[tokio::test]
    async fn a_stalled_answer_hides_none_of_the_requests_behind_it() {
        let samples = samples_of(probe(20, 2_000), stalling(Duration::from_millis(500)).await, 60).await;
        let spacing: Vec<i64> = samples.windows(2).map(|w| w[1].due.0 - w[0].due.0).collect();
        assert!(spacing.iter().all(|gap| *gap == 20_000), "{spacing:?}");
        let slow = samples.iter().filter(|s| s.done.0 - s.due.0 >= 500_000).count();
        // A closed loop would have met one, and asked the others when the stall was over.
        assert_eq!(slow, STALLED, "{samples:?}");
    }

    #[tokio::test]
    async fn late_answers_are_bad_and_requests_held_back_are_told() {
        let samples = samples_of(probe(10, 100), stalling(Duration::from_secs(5)).await, 20).await;
        let late = samples
            .iter()
            .filter(|s| s.answer == Answer::Bad && s.detail.contains("within 100 ms"))
            .count();
        assert_eq!(late, STALLED, "{samples:?}");
    }

    #[tokio::test]
    async fn requests_of_a_faster_pace_hold_none_back_when_it_slows_down() {
        let mut probe = probe(500, 3000);
        probe.expect = Expectation::ComesBack;
        let tempo = Tempo::default();
        tempo.undoing();
        // Fast until fifty answers were good, with more under way then than the calm pace alone explains.
        let stalled = stalling(Duration::from_millis(2500)).await;
        let samples = samples_at(&tempo, probe, stalled, STALLED + 54).await;
        let held_back = samples.iter().find(|s| s.answer == Answer::NotSent);
        assert!(held_back.is_none(), "{held_back:?}");
        let calm = samples.windows(2).map(|w| w[1].due.0 - w[0].due.0).max();
        assert_eq!(calm, Some(1_000_000), "it did slow down");
    }

    #[tokio::test]
    async fn numbers_are_dense() {
        let samples = samples_of(probe(10, 1000), stalling(Duration::ZERO).await, 30).await;
        assert!(
            samples
                .iter()
                .enumerate()
                .all(|(i, s)| s.number == u64::try_from(i).expect("small"))
        );
    }
}
