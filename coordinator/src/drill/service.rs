//! The daemon's drills: one at a time, and those that a coordinator left unfinished are undone first.

use super::feed::Follower;
use super::lab_stage::LabStage;
use super::library::{self, LibraryError};
use super::runner::{RunHandle, Runner};
use super::runs;
use super::timeline::Timeline;
use super::versions;
use crate::clock;
use crate::components::{self, ComponentsError};
use crate::engine::EngineHandle;
use crate::faults::Faults;
use crate::host_steps::values::HostFacts;
use crate::places::Places;
use crate::vault::CanarySource;
use domain::drill::assemble::Facts;
use domain::drill::countdown::DrillNow;
use domain::drill::phases::Run;
use domain::drill::plan::{DrillPlan, DrillPlanError, drill_plan};
use domain::status::Observed;
use model::ids::RunId;
use model::lab::Lab;
use sha2::{Digest as _, Sha256};
use shell::tasks::Tasks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a drill was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The scenario cannot be had.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The component folders cannot be read.
    #[error("the component folders cannot be used")]
    Components(#[from] ComponentsError),
    /// The scenario does not fit the lab.
    #[error("the drill does not fit this lab")]
    Plan(#[from] DrillPlanError),
    /// Another drill runs.
    #[error("drill run {0} is not over, and one drill runs at a time")]
    Busy(RunId),
    /// A run of `up` works on the lab.
    #[error("a run of `up` is changing the lab; a drill needs one that stands still")]
    UpActive,
    /// The run's folder cannot be made.
    #[error("the run cannot be recorded")]
    Record(#[from] std::io::Error),
    /// The engine has ended.
    #[error("the coordinator is ending")]
    Ending,
}

/// Runs drills.
#[derive(Debug, Clone)]
pub struct DrillService {
    /// The lab.
    pub lab: Arc<Lab>,
    /// Folders.
    pub places: Arc<Places>,
    /// The loop that owns the lab's truth.
    pub engine: EngineHandle,
    /// Faults under leases.
    pub faults: Faults,
    /// What the host can do.
    pub host: HostFacts,
    /// Where runs live.
    pub tasks: Tasks,
    runs: Arc<Mutex<BTreeMap<RunId, Known>>>,
    /// Held from the question whether a run may begin until it is on the list: nothing is on disk of one that may not.
    beginning: Arc<tokio::sync::Mutex<()>>,
}

/// A run of this daemon's life.
#[derive(Debug, Clone)]
struct Known {
    drill: String,
    handle: RunHandle,
    over: bool,
}

impl Known {
    fn new(drill: &str, handle: RunHandle) -> Self {
        Self {
            drill: drill.to_owned(),
            handle,
            over: false,
        }
    }
}

impl DrillService {
    /// No run is known yet.
    pub fn new(
        lab: Arc<Lab>,
        places: Arc<Places>,
        engine: EngineHandle,
        faults: Faults,
        host: HostFacts,
        tasks: Tasks,
    ) -> Self {
        Self {
            lab,
            places,
            engine,
            faults,
            host,
            tasks,
            runs: Arc::default(),
            beginning: Arc::default(),
        }
    }

    /// The plan of a drill on this lab as it is now.
    pub async fn plan(&self, name: &str) -> Result<DrillPlan, StartError> {
        let scenario = library::load(&self.places, name)?;
        let loaded = components::load(&self.lab, &self.places, self.host)?;
        let components: Vec<_> = loaded.iter().map(|l| l.component.clone()).collect();
        // What is installed is in the log; a cluster that is away delays no plan.
        let observed = Observed::default();
        let (lab, all) = (Arc::clone(&self.lab), components.clone());
        let status = self
            .engine
            .ask(move |state| domain::status::status(state, &lab, &all, &observed, clock::now()))
            .await
            .ok_or(StartError::Ending)?;
        let present = library::present(&status, &components);
        let mut plan = drill_plan(&scenario, &self.lab, &components, &present)?;
        plan.gaps = library::gaps(&self.places, &self.lab)?;
        plan.versions = versions::of(&self.lab, &self.places.cache, &loaded, &status);
        Ok(plan)
    }

    /// Plans and begins a run.
    pub async fn start(&self, name: &str) -> Result<(RunId, DrillPlan), StartError> {
        let _turn = self.beginning.lock().await;
        if let Some(other) = self.unfinished() {
            return Err(StartError::Busy(other));
        }
        let up_active = self
            .engine
            .ask(|state| state.run.as_ref().is_some_and(|run| run.finished.is_none()))
            .await;
        if up_active.ok_or(StartError::Ending)? {
            return Err(StartError::UpActive);
        }
        let plan = self.plan(name).await?;
        let run = RunId(*uuid::Uuid::new_v4().as_bytes());
        let (runner, handle) = self.runner(run, Arc::new(plan.clone())).await?;
        self.lock().insert(run, Known::new(name, handle));
        let (service, carried_out) = (self.clone(), plan.clone());
        // Cut off by the daemon's end it is like one of a killed daemon: its faults are leases, and the next life undoes them.
        let whole = self.tasks.until_stop(async move {
            let ended = runner.carry_out(run, carried_out).await;
            service.ended(run, ended.err());
        });
        self.tasks.spawn("drill", whole);
        Ok((run, plan))
    }

    /// Ends what a coordinator left unfinished: its faults are undone, its verdict is inconclusive.
    pub async fn recover(&self) {
        let _turn = self.beginning.lock().await;
        for run in runs::list(&self.places).unwrap_or_default() {
            let Ok(history) = runs::history(&self.places, run) else {
                continue;
            };
            let folded = Run::fold(history.records());
            let (None, Some(plan)) = (folded.finished, folded.plan) else {
                continue;
            };
            tracing::warn!(%run, drill = plan.drill, "a drill was left unfinished; what it broke is undone now");
            let drill = plan.drill.clone();
            let opened = self.runner(run, plan).await;
            let Ok((runner, handle)) = opened else {
                tracing::error!(%run, "the history of an unfinished drill cannot be opened");
                continue;
            };
            // Several may be recovered side by side: none of them breaks anything.
            self.lock().insert(run, Known::new(&drill, handle));
            let service = self.clone();
            let whole = self.tasks.until_stop(async move {
                let ended = runner.recover(&history).await;
                service.ended(run, ended.err());
            });
            self.tasks.spawn("drill recovery", whole);
        }
    }

    /// Follows a run from its first record; None when this daemon does not know it.
    pub fn follow(&self, run: RunId) -> Option<Follower> {
        self.lock().get(&run).map(|known| known.handle.feed.follow())
    }

    /// The drill that runs now, as it was measured last; None when none does.
    pub fn now(&self) -> Option<DrillNow> {
        let runs = self.lock();
        let (run, known) = runs.iter().find(|(_, known)| !known.over)?;
        let latest = known.handle.feed.latest();
        let measured = latest.and_then(|json| serde_json::from_str::<DrillNow>(&json).ok());
        Some(DrillNow {
            drill: known.drill.clone(),
            run: run.to_string(),
            ..measured.unwrap_or_default()
        })
    }

    /// Ends a run early; false when this daemon does not know it.
    pub fn abort(&self, run: RunId) -> bool {
        self.lock().get(&run).map(|known| known.handle.abort()).is_some()
    }

    async fn runner(&self, run: RunId, plan: Arc<DrillPlan>) -> std::io::Result<(Runner, RunHandle)> {
        let folder = runs::folder(&self.places, run);
        crate::files::private_dir(&folder)?;
        let timeline = Timeline::begin();
        // Without the folders nothing of the drill's own can be planted, which its probe then says.
        let loaded = components::load(&self.lab, &self.places, self.host).unwrap_or_default();
        let source = CanarySource::find(&self.lab, &self.places, &loaded);
        let stage = LabStage::open(
            Arc::clone(&self.lab),
            &self.places,
            plan,
            self.faults.clone(),
            (run, timeline),
            self.engine.clone(),
            source,
        )
        .await;
        Runner::new(folder, Arc::new(stage), self.facts(), timeline)
    }

    /// The run that is not over, if there is one.
    fn unfinished(&self) -> Option<RunId> {
        let runs = self.lock();
        runs.iter().find(|(_, known)| !known.over).map(|(run, _)| *run)
    }

    fn ended(&self, run: RunId, error: Option<std::io::Error>) {
        if let Some(error) = error {
            tracing::error!(%run, %error, "the drill's history could not be written");
        }
        if let Some(known) = self.lock().get_mut(&run) {
            known.over = true;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, Known>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ran is in the plan.
    fn facts(&self) -> Facts {
        Facts {
            host_fingerprint: fingerprint(&self.lab),
            versions: Vec::new(),
        }
    }
}

/// Hash over what makes figures comparable: the lab document, the processors, the kernel, the memory.
fn fingerprint(lab: &Lab) -> String {
    let text = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(lab.to_yaml());
    hash.update(text("/proc/version"));
    for line in text("/proc/cpuinfo").lines().filter(|line| is_stable(line)) {
        hash.update(line);
    }
    hash.update(memory(&text("/proc/meminfo")).to_string());
    hex::encode(&hash.finalize()[..8])
}

/// What a processor says of its speed now, or measured when it began, differs from one look to the next.
fn is_stable(line: &str) -> bool {
    !line.starts_with("cpu MHz") && !line.starts_with("bogomips")
}

/// The host's memory in GiB, to the nearest: what the kernel keeps for itself differs a little from one start to the next. 0 where it is
/// not told.
fn memory(meminfo: &str) -> u64 {
    const GIB: u64 = 1 << 20;
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    (kib.unwrap_or(0) + GIB / 2) / GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_told_to_the_nearest_gib() {
        for (text, gib) in [
            ("MemTotal:       16308232 kB\nMemFree: 1 kB\n", 16),
            ("MemTotal:       16777216 kB\n", 16),
            ("MemTotal:        8139000 kB\n", 8),
            ("", 0),
        ] {
            assert_eq!(memory(text), gib, "{text}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_same_at_each_look_and_another_for_another_lab() {
        let lab = Lab::default();
        let mut other = lab.clone();
        other.clusters.pop();
        assert_eq!(fingerprint(&lab), fingerprint(&lab));
        assert_ne!(fingerprint(&lab), fingerprint(&other));
    }
}
