//! The real lab as the world of a run.

use super::probe::{Grounds, Question, SecretCanaryWatch, prepare, sentinel};
use super::secret_canary::{Garden, NAMESPACE};
use super::stage::{Between, Stage, Undone};
use super::timeline::Timeline;
use super::{kube, last_looks, own_namespace, probe};
use crate::clock;
use crate::engine::EngineHandle;
use crate::exit::chain;
use crate::faults::{Faults, Lease};
use crate::host_steps::kube::Cluster;
use crate::places::Places;
use crate::vault::CanarySource;
use domain::drill::assemble::{DELETED, NEW, NUMBERS};
use domain::drill::deed::Deed;
use domain::drill::history::Sample;
use domain::drill::phases::Run;
use domain::drill::plan::{DrillPlan, PlannedFault};
use domain::drill::record::Record;
use domain::drill::scenario::{FaultKind, Guard, Look, Probe};
use domain::event::Event;
use futures_util::future::join_all;
use model::ids::{ClusterName, NodeName, RunId};
use model::lab::Lab;
use model::moment::Moment;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a cluster may take to say whether its nodes are ready.
const GUARD_LIMIT: Duration = Duration::from_secs(5);

/// How long one order to write is tried, and how soon again: a source that comes back takes a minute, and not every refusal is worth
/// a record.
const WRITING: Duration = Duration::from_secs(15);
const WRITE_AGAIN: Duration = Duration::from_millis(500);

/// The lab, one plan and the ways to its clusters.
#[derive(Debug)]
pub struct LabStage {
    lab: Arc<Lab>,
    plan: Arc<DrillPlan>,
    clusters: BTreeMap<ClusterName, Cluster>,
    engine: EngineHandle,
    faults: Faults,
    run: RunId,
    timeline: Timeline,
    source: Option<CanarySource>,
    /// The number that the drill's own Secrets should hold, by the probe that watches them.
    latest: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

impl LabStage {
    /// Opens a client for every cluster that has a kubeconfig; the others are asked in vain and say so.
    pub(super) async fn open(
        lab: Arc<Lab>,
        places: &Places,
        plan: Arc<DrillPlan>,
        faults: Faults,
        (run, timeline): (RunId, Timeline),
        engine: EngineHandle,
        source: Option<CanarySource>,
    ) -> Self {
        let clusters = clusters(&lab, places).await;
        Self {
            lab,
            plan,
            clusters,
            engine,
            faults,
            run,
            timeline,
            source,
            latest: Mutex::default(),
        }
    }

    fn latest(&self, probe: &Probe) -> Arc<AtomicU64> {
        let mut all = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(probe.name.clone()).or_default())
    }

    /// Writes a number into the source of the drill's own Secrets. Answers when.
    async fn write(&self, source: &CanarySource, probe: &Probe, number: u64) -> Result<Between, String> {
        let writer = source.open(probe.cluster.as_str()).await.map_err(|e| chain(&e))?;
        let from = self.timeline.now();
        writer.write(number).await.map_err(|e| chain(&e))?;
        Ok((from, self.timeline.now()))
    }

    /// When the parts of a fault changed, by the run's clock: after the first could have, not after the last did. None when
    /// one of them does not say.
    fn between(&self, leases: &[Lease]) -> Option<Between> {
        // Both clocks are of this host; the run's was carried on without the adjustments that the wall's has seen since.
        let ahead = self.timeline.now().0.saturating_sub(clock::now().0);
        let spans: Option<Vec<_>> = leases.iter().map(Lease::changed).collect();
        let spans = spans?;
        let from = spans.iter().map(|s| s.from.0).min()?;
        let to = spans.iter().map(|s| s.to.0).max()?;
        Some((
            Moment(from.saturating_add(ahead)),
            Moment(to.saturating_add(ahead)),
        ))
    }

    /// Nodes that lose power in this drill.
    fn rebooted(&self) -> Vec<NodeName> {
        let powerless = |f: &&PlannedFault| matches!(f.inject, FaultKind::NodePowerLoss { .. });
        let faults = self.plan.faults.iter().filter(powerless);
        faults.flat_map(|f| f.nodes.iter().cloned()).collect()
    }

    fn grounds<'a>(&'a self, rebooted: &'a [NodeName]) -> Grounds<'a> {
        Grounds {
            lab: &self.lab,
            clusters: &self.clusters,
            hit: &self.plan.blast_radius.nodes,
            rebooted,
        }
    }

    async fn guard(&self, guard: &Guard) -> Vec<String> {
        match guard {
            Guard::NodesReady { clusters } => {
                let wanted = self
                    .lab
                    .clusters
                    .iter()
                    .filter(|c| clusters.is_empty() || clusters.contains(&c.name));
                join_all(wanted.map(|c| self.nodes_ready(c)))
                    .await
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Guard::AgentsConnected {} => self.agents_connected().await,
            Guard::NoLeases {} => match self.faults.outstanding().await {
                Ok(open) => open
                    .iter()
                    .map(|(lease, _)| format!("lease {lease} is outstanding"))
                    .collect(),
                Err(error) => vec![chain(&error)],
            },
        }
    }

    async fn nodes_ready(&self, cluster: &model::lab::Cluster) -> Option<String> {
        let Some(open) = self.clusters.get(&cluster.name) else {
            return Some(format!("{} has no kubeconfig yet", cluster.name));
        };
        let question = Question::NodesReady {
            cluster: open.clone(),
            expected: cluster.nodes.len(),
            rebooted: Vec::new(),
        };
        let timeline = Timeline::begin();
        let seen = tokio::time::timeout(GUARD_LIMIT, question.ask(timeline)).await;
        let seen = seen.unwrap_or_else(|_| probe::Seen::bad("no answer"));
        (!seen.good).then(|| format!("{}: {}", cluster.name, seen.detail))
    }

    async fn agents_connected(&self) -> Vec<String> {
        let nodes: Vec<_> = self.lab.nodes().map(|(_, n)| n.name.clone()).collect();
        let asked = self.engine.ask(move |state| {
            let away = |node: &model::ids::NodeName| !state.may_order(node);
            nodes
                .into_iter()
                .filter(away)
                .map(|node| format!("the agent of {node} is not connected"))
                .collect()
        });
        asked
            .await
            .unwrap_or_else(|| vec!["the coordinator is ending".into()])
    }

    /// Deletes the pods once; Kubernetes makes new ones.
    async fn delete_pods(
        &self,
        cluster: &ClusterName,
        namespace: &str,
        selector: &str,
    ) -> Result<(), String> {
        let open = self
            .clusters
            .get(cluster)
            .ok_or_else(|| format!("cluster {cluster} cannot be asked"))?;
        match kube::delete_pods(open, namespace, selector).await {
            Ok(0) => Err(format!(
                "no running pod of {cluster} in {namespace} has {selector}"
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(chain(&error)),
        }
    }
}

/// A client for every cluster that has a kubeconfig.
pub(super) async fn clusters(lab: &Lab, places: &Places) -> BTreeMap<ClusterName, Cluster> {
    let mut clusters = BTreeMap::new();
    for cluster in &lab.clusters {
        let kubeconfig = places.kubeconfig(cluster.name.as_str());
        match Cluster::open(cluster.name.as_str(), &kubeconfig).await {
            Ok(open) => {
                clusters.insert(cluster.name.clone(), open);
            }
            Err(error) => tracing::warn!(cluster = %cluster.name, "{}", chain(&error)),
        }
    }
    clusters
}

#[tonic::async_trait]
impl Stage for LabStage {
    async fn guards(&self) -> Vec<String> {
        join_all(self.plan.scenario.guards.iter().map(|guard| self.guard(guard)))
            .await
            .concat()
    }

    async fn prepare(&self, probe: &Probe) -> Question {
        if let Look::SecretCanary { store, .. } = &probe.look
            && let Some(cluster) = self.clusters.get(&probe.cluster)
        {
            return Question::SecretCanary(SecretCanaryWatch {
                cluster: cluster.clone(),
                store: store.clone(),
                latest: self.latest(probe),
            });
        }
        if matches!(probe.look, Look::Sentinel { .. }) {
            let watch = sentinel(probe, &self.grounds(&[]), self.run);
            return watch.map_or_else(Question::Impossible, Question::Sentinel);
        }
        prepare(probe, &self.grounds(&self.rebooted())).await
    }

    async fn perform(&self, probe: &Probe, deed: Deed) -> Result<Option<Between>, String> {
        let Look::SecretCanary {
            store,
            refresh_seconds,
            ..
        } = &probe.look
        else {
            return Err(format!("{} has no ExternalSecrets of its own", probe.name));
        };
        let cluster = self.clusters.get(&probe.cluster);
        let cluster = cluster.ok_or_else(|| format!("cluster {} cannot be asked", probe.cluster))?;
        let source = self
            .source
            .as_ref()
            .ok_or("no component has a value for drills to write")?;
        let garden = Garden {
            cluster: cluster.clone(),
            run: self.run.to_string(),
            store: store.clone(),
            key: source.key(probe.cluster.as_str()),
            refresh_seconds: *refresh_seconds,
        };
        let latest = self.latest(probe);
        match deed {
            Deed::Plant => {
                self.write(source, probe, NUMBERS.0).await?;
                garden.plant().await?;
                latest.store(NUMBERS.0, Ordering::Relaxed);
                Ok(None)
            }
            Deed::Delete => garden.delete_secret(DELETED).await.map(|()| None),
            Deed::Create => garden.external_secret(NEW).await.map(|()| None),
            Deed::Write => {
                latest.store(NUMBERS.1, Ordering::Relaxed);
                let began = Instant::now();
                loop {
                    match self.write(source, probe, NUMBERS.1).await {
                        Ok(between) => return Ok(Some(between)),
                        Err(why) if began.elapsed() > WRITING => return Err(why),
                        Err(_) => tokio::time::sleep(WRITE_AGAIN).await,
                    }
                }
            }
            Deed::Clear => {
                own_namespace::clear(cluster, NAMESPACE).await?;
                let writer = source.open(probe.cluster.as_str()).await.map_err(|e| chain(&e))?;
                writer.forget().await.map_err(|e| chain(&e))?;
                Ok(None)
            }
        }
    }

    async fn inject(&self, fault: &PlannedFault, deadline: Moment) -> Result<Option<Between>, String> {
        match &fault.inject {
            FaultKind::PodDelete {
                cluster,
                namespace,
                selector,
                ..
            } => self
                .delete_pods(cluster, namespace, selector)
                .await
                .map(|()| None),
            _ => {
                // A run's own clock starts with the run; leases are told how long they last.
                let left = deadline.millis_since(self.timeline.now());
                let deadline = clock::now().plus_millis(left);
                let done = self.faults.inject_planned(self.run, fault, deadline).await;
                done.map(|leases| self.between(&leases))
                    .map_err(|error| chain(&error))
            }
        }
    }

    async fn last_looks(&self, began: Moment) -> Vec<Sample> {
        let rebooted = self.rebooted();
        let run = (self.run, began);
        last_looks::all(&self.plan, &self.grounds(&rebooted), run, self.timeline).await
    }

    /// Every record of a drill is an event of the lab too.
    fn tell(&self, run: &Run, record: &Record) {
        let Some(id) = run.id else { return };
        self.engine
            .submit(Event::Logged(domain::record::Record::DrillProgress {
                run: id,
                drill: self.plan.drill.clone(),
                what: record.kind().to_owned(),
                message: record.message(),
            }));
    }

    async fn undo(&self, fault: &PlannedFault) -> Result<Undone, String> {
        match &fault.inject {
            FaultKind::PodDelete { .. } => Ok(Undone::default()),
            _ => {
                let done = self.faults.undo_planned(self.run, fault).await;
                let leases = done.map_err(|error| chain(&error))?;
                // It is not there whole any more from when the first of its parts went.
                let ended = leases.iter().filter_map(|lease| lease.ended);
                Ok(Undone {
                    at: self.between(&leases),
                    ended_by: ended.min_by_key(|ended| ended.at.from).map(|ended| ended.by),
                })
            }
        }
    }
}
