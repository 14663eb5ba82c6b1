//! What drills left in clusters when nobody could clear it any more, for `drill doctor`.

use super::{lab_stage, own_namespace};
use crate::faults::PlaceSurvey;
use crate::places::Places;
use futures_util::future::{join_all, try_join_all};
use model::lab::Lab;
use std::time::Duration;

/// How long one cluster may take to say.
const LIMIT: Duration = Duration::from_secs(25);

/// One entry per cluster in which something is left or that could not be asked; `heal` takes it away first.
pub(crate) async fn survey(lab: &Lab, places: &Places, heal: bool) -> Vec<PlaceSurvey> {
    let clusters = lab_stage::clusters(lab, places).await;
    let asked = clusters.iter().map(|(name, cluster)| async move {
        let look = async {
            if heal {
                let left = own_namespace::left(cluster).await?;
                let cleared = left.iter().map(|(name, _)| own_namespace::clear(cluster, name));
                try_join_all(cleared).await?;
            }
            let left = own_namespace::left(cluster).await?;
            let told = |(name, run)| format!("namespace {name} of drill run {run}");
            Ok(left.into_iter().map(told).collect())
        };
        let found = tokio::time::timeout(LIMIT, look).await;
        let found = found.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())));
        let (residue, unreached) = match found {
            Ok(residue) => (residue, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        (!residue.is_empty() || unreached.is_some()).then(|| PlaceSurvey {
            place: name.to_string(),
            unreached,
            leases: Vec::new(),
            residue,
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}
