//! Runs one host step to its end and says how it ended. A wait is over when what it waits for is observed.

use super::ensure_nodes;
use super::helm::{Release, upgrade};
use super::kube::Cluster;
use super::manifests::apply;
use super::readiness::{Held, Seen, look};
use super::remount::remount;
use super::values::{HostFacts, expand};
use crate::components::{Loaded, bundled_manifests, find, inputs};
use crate::engine::EngineHandle;
use crate::exit::chain;
use crate::places::Places;
use domain::event::Event;
use domain::plan::{HostStep, PlannedStep};
use model::ids::{Attempt, ClusterName, ComponentName, Digest};
use model::lab::{self, Lab};
use model::step::{ProbeResult, StepOutcome};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two looks at a cluster.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A component that takes this long, or twice as long as it usually does, is looked around for; and how often.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(30);

/// What every host step needs.
#[derive(Debug, Clone)]
pub struct Host {
    /// The lab.
    pub lab: Arc<Lab>,
    /// Folders.
    pub places: Arc<Places>,
    /// What the host can do.
    pub facts: HostFacts,
    /// Where progress goes.
    pub engine: EngineHandle,
}

/// A failure on the way; becomes `Failed` with its code.
struct Stopped {
    code: &'static str,
    message: String,
}

impl Stopped {
    fn because(code: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            code,
            message: chain(error),
        }
    }
}

impl Host {
    /// Runs `step` and submits its outcome.
    pub async fn run(self, step: PlannedStep, attempt: Attempt) {
        let since = Instant::now();
        let ended = match step.host_step() {
            Some(HostStep::EnsureNodes { .. }) => self.ensure_nodes(&step, attempt).await,
            Some(HostStep::InstallComponent {
                component,
                cluster,
                digest,
            }) => self.install(component, cluster, *digest).await,
            Some(HostStep::AwaitReady { component, cluster }) => {
                let (component, cluster) = (component.clone(), cluster.clone());
                self.await_ready(&step, attempt, &component, &cluster).await
            }
            Some(HostStep::AwaitAgent { .. }) | None => return,
        };
        let outcome = match ended {
            Ok(()) => StepOutcome::Succeeded {
                run_ms: millis(since.elapsed()),
                cpu_ms: 0,
            },
            Err(stopped) => StepOutcome::Failed {
                code: stopped.code.into(),
                message: stopped.message,
                output: String::new(),
            },
        };
        self.engine.submit(Event::HostStepFinished {
            step: step.id,
            attempt,
            outcome,
        });
    }

    /// Looks at what `step` is about, runs nothing, and submits what was found.
    pub async fn probe(self, step: PlannedStep, attempt: Attempt) {
        let result = match step.host_step() {
            Some(HostStep::EnsureNodes { .. }) => self.probe_nodes().await,
            Some(HostStep::AwaitReady { component, cluster }) => self.probe_ready(component, cluster).await,
            // Helm converges: whatever is there, running it again is right.
            Some(HostStep::InstallComponent { .. } | HostStep::AwaitAgent { .. }) | None => {
                ProbeResult::NotStarted
            }
        };
        self.engine.submit(Event::HostProbeAnswered {
            step: step.id,
            attempt,
            result,
        });
    }

    /// Done when every node of the lab document runs.
    async fn probe_nodes(&self) -> ProbeResult {
        let (lab, places) = (Arc::clone(&self.lab), Arc::clone(&self.places));
        let looked = tokio::task::spawn_blocking(move || ensure_nodes::not_running(&lab, &places)).await;
        match looked {
            Ok(missing) if missing.is_empty() => ProbeResult::Done,
            Ok(missing) => ProbeResult::Partial {
                detail: format!("not running: {}", missing.join(", ")),
            },
            Err(error) => ProbeResult::Partial {
                detail: error.to_string(),
            },
        }
    }

    /// Done when it is ready, `NotStarted` when the API says that something of it does not exist; all else may come by waiting.
    async fn probe_ready(&self, component: &ComponentName, cluster: &ClusterName) -> ProbeResult {
        let (Ok(loaded), Some(place)) = (self.component(component), self.lab.cluster(cluster.as_str()))
        else {
            return ProbeResult::NotStarted;
        };
        let api = match self.open(cluster).await {
            Ok(api) => api,
            Err(stopped) => {
                return ProbeResult::Partial {
                    detail: stopped.message,
                };
            }
        };
        let fill = |text: &str| expand(text, &self.lab, place);
        match look(
            &api,
            &loaded.component,
            place.nodes.len(),
            &fill,
            &mut Held::default(),
        )
        .await
        {
            Seen::Ready => ProbeResult::Done,
            Seen::Waiting(detail) => ProbeResult::Partial { detail },
            Seen::Missing(_) => ProbeResult::NotStarted,
        }
    }

    async fn ensure_nodes(&self, step: &PlannedStep, attempt: Attempt) -> Result<(), Stopped> {
        let (host, id) = (self.clone(), step.id);
        let work = move || {
            let mut progress = |message: String| {
                host.engine.submit(Event::HostProgress {
                    step: id,
                    attempt,
                    message,
                })
            };
            ensure_nodes::run(
                &host.lab,
                &host.places,
                format!("{id}-{attempt}-{}", crate::clock::now().0),
                &mut progress,
            )
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Stopped::because("DY-0210", &error)),
            Err(error) => Err(Stopped::because("DY-0100", &error)),
        }
    }

    async fn install(
        &self,
        component: &ComponentName,
        cluster: &ClusterName,
        planned: Digest,
    ) -> Result<(), Stopped> {
        let loaded = self.component(component)?;
        let place = self.place(cluster)?;
        let inputs = inputs(&loaded, &self.lab, place, &self.places, self.facts)
            .map_err(|e| Stopped::because("DY-0211", &e))?;
        // Installed all the same, it would be taken for what was planned, now and in every later run.
        if inputs.digest != planned {
            return Err(Stopped {
                code: "DY-0212",
                message: format!(
                    "the inputs of {component} for {cluster} were changed after this run was planned"
                ),
            });
        }
        let Some(chart) = &loaded.component.chart else {
            let mut documents =
                bundled_manifests(&loaded, &self.places).map_err(|e| Stopped::because("DY-0211", &e))?;
            documents.extend(inputs.manifests);
            let api = self.open(cluster).await?;
            apply(&api, &loaded.component.namespace, &documents)
                .await
                .map_err(|e| Stopped::because("DY-0217", &e))?;
            return remount(&api, &loaded.component)
                .await
                .map_err(|e| Stopped::because("DY-0215", &e));
        };
        let names = loaded.component.values.iter().map(String::as_str);
        let merged = super::values::merge(names.zip(inputs.values.iter().map(String::as_str)))
            .map_err(|e| Stopped::because("DY-0211", &e))?;
        let release = Release {
            helm: self.places.tool("helm"),
            chart: self.places.cache.join("bundle/charts").join(&chart.name),
            cluster: cluster.as_str(),
            kubeconfig: self.places.kubeconfig(cluster.as_str()),
            name: loaded.component.release_name(),
            namespace: &loaded.component.namespace,
            scratch: &self.places.home.join("helm"),
        };
        upgrade(&release, &merged)
            .await
            .map_err(|e| Stopped::because("DY-0214", &e))
    }

    async fn await_ready(
        &self,
        step: &PlannedStep,
        attempt: Attempt,
        component: &ComponentName,
        cluster: &ClusterName,
    ) -> Result<(), Stopped> {
        let loaded = self.component(component)?;
        let place = self.place(cluster)?;
        let api = self.open(cluster).await?;
        let limit = Duration::from_millis(step.budget_ms);
        let since = Instant::now();
        let (mut said, mut held) = (String::new(), Held::default());
        let usual = Duration::from_millis(step.expected_ms);
        let mut look_around = since + (usual * 2).max(PATIENCE);
        let fill = |text: &str| expand(text, &self.lab, place);
        loop {
            match look(&api, &loaded.component, place.nodes.len(), &fill, &mut held).await {
                Seen::Ready => return Ok(()),
                Seen::Waiting(blocker) | Seen::Missing(blocker) if since.elapsed() >= limit => {
                    // Told before the failure, whose message then names the likeliest cause.
                    self.look_around(step, attempt, &api, &loaded.component.namespace)
                        .await;
                    let message = format!("not ready after {} s: {blocker}", limit.as_secs());
                    return Err(Stopped {
                        code: "DY-0216",
                        message,
                    });
                }
                Seen::Waiting(blocker) | Seen::Missing(blocker) => {
                    if blocker != said {
                        said.clone_from(&blocker);
                        self.engine.submit(Event::HostProgress {
                            step: step.id,
                            attempt,
                            message: blocker,
                        });
                    }
                }
            }
            if Instant::now() >= look_around {
                look_around = Instant::now() + LOOK_AROUND_EVERY;
                self.look_around(step, attempt, &api, &loaded.component.namespace)
                    .await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Tells what is to be seen around a component that takes longer than usual.
    async fn look_around(&self, step: &PlannedStep, attempt: Attempt, api: &Cluster, namespace: &str) {
        let evidence = super::evidence::gather(api, namespace).await;
        if !evidence.is_empty() {
            self.engine.submit(Event::HostEvidence {
                step: step.id,
                attempt,
                evidence,
            });
        }
    }

    async fn open(&self, cluster: &ClusterName) -> Result<Cluster, Stopped> {
        Cluster::open(cluster.as_str(), &self.places.kubeconfig(cluster.as_str()))
            .await
            .map_err(|e| Stopped::because("DY-0215", &e))
    }

    fn component(&self, name: &ComponentName) -> Result<Loaded, Stopped> {
        find(&self.places, name)
            .map_err(|e| Stopped::because("DY-0211", &e))?
            .ok_or_else(|| Stopped {
                code: "DY-0212",
                message: format!("no component {name}"),
            })
    }

    /// The cluster as the lab document has it.
    fn place(&self, cluster: &ClusterName) -> Result<&lab::Cluster, Stopped> {
        self.lab.cluster(cluster.as_str()).ok_or_else(|| Stopped {
            code: "DY-0212",
            message: format!("the lab has no cluster {cluster}"),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
