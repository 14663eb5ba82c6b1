//! `drill doctor`: every place is asked what it knows of faults, and is healed on request.

use super::desk::Faults;
use super::{FaultError, host};
use crate::exit::chain;
use crate::places::Places;
use futures_util::future::join_all;
use model::ids::{Attempt, NodeName};
use model::lab::Lab;
use model::lease::{HeldLease, Survey};
use model::step::NodeStep;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Longest wait for one node to heal.
const HEAL: Duration = Duration::from_secs(60);

/// How long agents may take to come back to a coordinator that was just started.
const CONNECT: Duration = Duration::from_secs(20);

/// What one place says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceSurvey {
    /// `host`, or a node.
    pub place: String,
    /// Why nobody could look; None when somebody did.
    pub unreached: Option<String>,
    /// Outstanding leases.
    pub leases: Vec<HeldLease>,
    /// What carries our name without a lease.
    pub residue: Vec<String>,
}

/// What all places say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeSurvey {
    /// No place was left out, and none has anything.
    pub clean: bool,
    /// Host first, then nodes in the lab's order, then clusters whose API has something or could not be asked.
    pub places: Vec<PlaceSurvey>,
}

impl WholeSurvey {
    fn of(places: Vec<PlaceSurvey>) -> Self {
        let clean = |p: &PlaceSurvey| p.unreached.is_none() && p.leases.is_empty() && p.residue.is_empty();
        Self {
            clean: places.iter().all(clean),
            places,
        }
    }

    /// With what was found in more places.
    #[must_use]
    pub(crate) fn with(self, more: Vec<PlaceSurvey>) -> Self {
        Self::of(self.places.into_iter().chain(more).collect())
    }
}

impl Faults {
    /// Looks everywhere.
    pub async fn survey(&self) -> WholeSurvey {
        let host = place("host", self.host.survey().await);
        let names: Vec<NodeName> = self.lab.nodes().map(|(_, node)| node.name.clone()).collect();
        let asked = names
            .iter()
            .map(|node| async { place(node.as_str(), self.nodes.survey(node).await) });
        let mut places = vec![host];
        places.extend(join_all(asked).await);
        WholeSurvey::of(places)
    }

    /// Undoes everything everywhere, then looks.
    pub async fn heal(&self) -> WholeSurvey {
        self.held.ready().await;
        if let Err(error) = self.host.heal().await {
            tracing::error!(error = %chain(&error), "the host is not healed");
        }
        let names: Vec<NodeName> = self.lab.nodes().map(|(_, node)| node.name.clone()).collect();
        join_all(names.iter().map(|node| self.heal_node(node))).await;
        self.survey().await
    }

    async fn heal_node(&self, node: &NodeName) {
        let since = Instant::now();
        while self.nodes.hub.session(node).is_none() && since.elapsed() < CONNECT {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let body = NodeStep::HealFaults {
            request: Faults::fresh(),
        };
        if let Err(error) = self.nodes.run(node, body, Attempt(1), HEAL).await {
            tracing::error!(%node, error = %chain(&error), "the node is not healed");
        }
    }
}

/// Looks at the host alone, where no daemon serves: nodes cannot be asked then.
pub fn local(lab: &Lab, places: &Places) -> WholeSurvey {
    let found = launcher::fault::survey(&host::handle(lab, places)).map_err(FaultError::Host);
    let mut all = vec![place("host", found)];
    all.extend(lab.nodes().map(|(_, node)| PlaceSurvey {
        place: node.name.to_string(),
        unreached: Some("no coordinator serves this lab, so no agent can be asked".into()),
        leases: Vec::new(),
        residue: Vec::new(),
    }));
    WholeSurvey::of(all)
}

fn place(name: &str, found: Result<Survey, FaultError>) -> PlaceSurvey {
    let (survey, unreached) = match found {
        Ok(survey) => (survey, None),
        Err(error) => (Survey::default(), Some(chain(&error))),
    };
    PlaceSurvey {
        place: name.to_owned(),
        unreached,
        leases: survey.leases,
        residue: survey.residue,
    }
}
