//! What a plan foretells: one look at each metrics agent, at the Secrets and at the logs' places, where a lab is up.

use super::lab_stage;
use super::probe::{Grounds, Question, log_room, prepare};
use super::timeline::Timeline;
use crate::places::Places;
use domain::drill::backlog::{Foretold, PlannedWindow, Tracker, logs};
use domain::drill::foresight::{Foresight, LogRoom, PlannedLog, PlannedStaleness, Shipped, ages, shipped};
use domain::drill::history::Sample;
use domain::drill::plan::DrillPlan;
use domain::drill::scenario::{Look, Probe};
use futures_util::future::join_all;
use model::lab::Lab;
use std::time::Duration;

/// How long one look may take to say everything.
const LIMIT: Duration = Duration::from_secs(8);

/// Looks at everything that the plan's probes would watch.
pub async fn predict(lab: &Lab, places: &Places, plan: &DrillPlan) -> Foresight {
    if logs(plan).next().is_none() && ages(plan).next().is_none() && shipped(plan).next().is_none() {
        return Foresight {
            secrets: PlannedStaleness::own(plan),
            ..Foresight::default()
        };
    }
    let clusters = lab_stage::clusters(lab, places).await;
    let grounds = Grounds {
        lab,
        clusters: &clusters,
        hit: &plan.blast_radius.nodes,
        rebooted: &[],
    };
    let windows = join_all(logs(plan).map(|probe| window(probe, &grounds)));
    let secrets = join_all(ages(plan).map(|probe| staleness(plan, probe, &grounds)));
    let rooms = join_all(shipped(plan).map(|log| room(log, &grounds)));
    let (windows, seen, logs) = tokio::join!(windows, secrets, rooms);
    let mut secrets = PlannedStaleness::own(plan);
    secrets.extend(seen.into_iter().flatten());
    Foresight {
        windows,
        secrets,
        logs,
    }
}

async fn window((probe, skipped): (&Probe, Option<&str>), grounds: &Grounds<'_>) -> PlannedWindow {
    let forecast = match skipped {
        Some(why) => Err(why.to_owned()),
        None => within(forecast(probe, grounds)).await,
    };
    PlannedWindow::new(&probe.cluster, forecast)
}

async fn staleness(
    plan: &DrillPlan,
    (probe, skipped): (&Probe, Option<&str>),
    grounds: &Grounds<'_>,
) -> Vec<PlannedStaleness> {
    let seen = match skipped {
        Some(why) => Err(why.to_owned()),
        None => within(look(probe, grounds)).await,
    };
    match seen {
        Ok(sample) => PlannedStaleness::seen(plan, probe, &sample),
        Err(why) => vec![PlannedStaleness::unknown(probe, &why)],
    }
}

async fn room(log: Shipped<'_>, grounds: &Grounds<'_>) -> PlannedLog {
    let seen = match (log.skipped, log.served.map(|probe| (probe, &probe.look))) {
        (Some(why), _) => Err(why.to_owned()),
        (
            None,
            Some((
                probe,
                Look::CanaryServed {
                    namespace,
                    selector,
                    container,
                },
            )),
        ) => within(of_pod(probe, grounds, (namespace, selector, container))).await,
        (None, _) => Err("no canary_served probe says whose log it is".to_owned()),
    };
    PlannedLog::new(&log.stored.cluster, seen)
}

async fn of_pod(
    probe: &Probe,
    grounds: &Grounds<'_>,
    (namespace, selector, container): (&str, &str, &str),
) -> Result<LogRoom, String> {
    let cluster = grounds.cluster(&probe.cluster)?;
    log_room::look(cluster, (namespace, selector), container).await
}

async fn within<T>(look: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(LIMIT, look)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

async fn forecast(probe: &Probe, grounds: &Grounds<'_>) -> Result<Foretold, String> {
    let sample = look(probe, grounds).await?;
    let mut tracker = Tracker::default();
    tracker.see(&sample);
    let forecast = tracker.foretell(&probe.cluster, sample.done);
    forecast.ok_or_else(|| match tracker.trouble.as_str() {
        "" => "the numbers are beyond what can be computed".to_owned(),
        trouble => trouble.to_owned(),
    })
}

async fn look(probe: &Probe, grounds: &Grounds<'_>) -> Result<Sample, String> {
    let timeline = Timeline::begin();
    let seen = match prepare(probe, grounds).await {
        Question::Impossible(why) => return Err(why),
        question => question.ask(timeline).await,
    };
    let answered = timeline.now();
    Ok(seen.sample(probe.name.clone(), 0, (answered, answered), timeline))
}
