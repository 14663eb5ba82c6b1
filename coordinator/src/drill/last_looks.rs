//! What is asked once more when probing has ended: every canary's numbers and scrapes, at the receiver, then its numbers at the
//! canary itself, and which sentinels are there.

use super::probe::{Grounds, Question, Seen, log_stored, prepare, sentinel, stored};
use super::timeline::Timeline;
use domain::drill::assemble::{last_look, last_scrapes};
use domain::drill::history::Sample;
use domain::drill::plan::DrillPlan;
use domain::drill::scenario::{Look, Probe};
use model::ids::RunId;
use model::moment::Moment;
use std::time::Duration;

/// How long one look may take: many numbers, through an API server that has just come back.
const LIMIT: Duration = Duration::from_secs(10);

/// How much further back than the run's begin the receiver is asked: numbers that were under way then.
const BEFORE: Duration = Duration::from_secs(30);

/// The longest that a receiver is asked for: it may forget numbers after two days, and what it forgot is not lost on the way.
const LONGEST: Duration = Duration::from_secs(36 * 3600);

/// How far back a canary's log is read: probing ended when the drill began to take its own objects away, which may have been tried
/// for a minute and takes some seconds more. Numbers of before the run may be among them; the books leave them out.
const SINCE_PROBING: Duration = Duration::from_secs(180);

/// The last looks, in order: what the receiver has first, so that all of it was served when the log is read.
pub(super) async fn all(
    plan: &DrillPlan,
    grounds: &Grounds<'_>,
    (run, began): (RunId, Moment),
    timeline: Timeline,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let range = range(timeline.since(began));
    for probe in plan.active_probes() {
        if matches!(
            probe.look,
            Look::CanaryStored { .. } | Look::LogCanaryStored { .. }
        ) {
            let asked = async {
                let found = match &range {
                    Ok(range) => numbers(probe, grounds, *range).await,
                    Err(why) => Err(why.clone()),
                };
                found.unwrap_or_else(Seen::bad)
            };
            samples.push(sample(last_look(&probe.name), timeline, asked).await);
        }
        if let (Look::CanaryStored { .. }, Ok(range)) = (&probe.look, &range) {
            let asked = async {
                match stored(probe, grounds).await {
                    Ok(watch) => watch.scraped(*range).await,
                    Err(why) => Seen::bad(why),
                }
            };
            samples.push(sample(last_scrapes(&probe.name), timeline, asked).await);
        }
    }
    for probe in plan.active_probes() {
        if matches!(probe.look, Look::CanaryServed { .. }) {
            samples.push(sample(probe.name.clone(), timeline, served(probe, grounds)).await);
        }
    }
    for probe in plan.active_probes() {
        if matches!(probe.look, Look::Sentinel { .. }) {
            let watch = sentinel(probe, grounds, run);
            let asked = async {
                match &watch {
                    Ok(watch) => watch.collect().await,
                    Err(why) => Seen::bad(why),
                }
            };
            samples.push(sample(last_look(&probe.name), timeline, asked).await);
            // After the look and not in it: what takes long to go says nothing of what was there.
            if let Ok(watch) = watch
                && let Err(why) = watch.clear().await
            {
                tracing::warn!(probe = %probe.name, "sentinels are left to `drill doctor`: {why}");
            }
        }
    }
    samples
}

/// How far back receivers are asked for a run that began so long ago. The books are over the whole run, whoever watched it, and what
/// is not asked for would count as lost.
fn range(since_begin: Duration) -> Result<Duration, String> {
    let range = since_begin + BEFORE;
    if range <= LONGEST {
        return Ok(range);
    }
    let hours = LONGEST.as_secs() / 3600;
    Err(format!(
        "the run began longer than {hours} h ago; a receiver may have forgotten its numbers"
    ))
}

/// Every number that a receiver has of the last `range`.
async fn numbers(probe: &Probe, grounds: &Grounds<'_>, range: Duration) -> Result<Seen, String> {
    Ok(match probe.look {
        Look::LogCanaryStored { .. } => log_stored(probe, grounds).await?.numbers(range).await,
        _ => stored(probe, grounds).await?.numbers(range).await,
    })
}

async fn served(probe: &Probe, grounds: &Grounds<'_>) -> Seen {
    match prepare(probe, grounds).await {
        Question::CanaryServed(watch) => watch.going_back(SINCE_PROBING).look().await,
        Question::Impossible(why) => Seen::bad(why),
        _ => Seen::bad("it is no canary's log"),
    }
}

async fn sample(probe: String, timeline: Timeline, asked: impl Future<Output = Seen>) -> Sample {
    let sent = timeline.now();
    let seen = tokio::time::timeout(LIMIT, asked)
        .await
        .unwrap_or_else(|_| Seen::bad(format!("no answer within {} s", LIMIT.as_secs())));
    // Behind every other look of the same probe.
    seen.sample(probe, u64::MAX, (sent, sent), timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_asked_for_the_whole_run_and_not_for_what_they_may_have_forgotten() {
        assert_eq!(range(Duration::ZERO), Ok(BEFORE));
        let hour = Duration::from_secs(3600);
        assert_eq!(range(hour), Ok(hour + BEFORE));
        assert!(range(LONGEST).is_err_and(|why| why.contains("36 h")));
    }
}
