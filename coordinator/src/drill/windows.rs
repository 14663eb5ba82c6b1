//! What a plan says of the metrics backlogs: one look at each agent, where a lab is up.

use super::lab_stage;
use super::probe::{Grounds, Question, prepare};
use super::timeline::Timeline;
use crate::places::Places;
use domain::drill::backlog::{Foretold, PlannedWindow, Tracker, logs};
use domain::drill::plan::DrillPlan;
use domain::drill::scenario::Probe;
use futures_util::future::join_all;
use model::lab::Lab;
use std::time::Duration;

/// How long one agent may take to say everything.
const LIMIT: Duration = Duration::from_secs(8);

/// Looks at every log that the plan's probes would watch.
pub async fn predict(lab: &Lab, places: &Places, plan: &DrillPlan) -> Vec<PlannedWindow> {
    if logs(plan).next().is_none() {
        return Vec::new();
    }
    let clusters = lab_stage::clusters(lab, places).await;
    let grounds = Grounds {
        lab,
        clusters: &clusters,
        hit: &plan.blast_radius.nodes,
        rebooted: &[],
    };
    let all = logs(plan).map(|(probe, skipped)| {
        let grounds = &grounds;
        async move {
            let forecast = match skipped {
                Some(why) => Err(why.to_owned()),
                None => tokio::time::timeout(LIMIT, look(probe, grounds))
                    .await
                    .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs()))),
            };
            PlannedWindow::new(&probe.cluster, forecast)
        }
    });
    join_all(all).await
}

async fn look(probe: &Probe, grounds: &Grounds<'_>) -> Result<Foretold, String> {
    let timeline = Timeline::begin();
    let seen = match prepare(probe, grounds).await {
        Question::Impossible(why) => return Err(why),
        question => question.ask(timeline).await,
    };
    let answered = timeline.now();
    let sample = seen.sample(probe.name.clone(), 0, (answered, answered), timeline);
    let now = sample.done;
    let mut tracker = Tracker::default();
    tracker.see(&sample);
    let forecast = tracker.foretell(&probe.cluster, now);
    forecast.ok_or_else(|| match tracker.trouble.as_str() {
        "" => "the numbers are beyond what can be computed".to_owned(),
        trouble => trouble.to_owned(),
    })
}
