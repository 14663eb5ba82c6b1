//! One run: events in, decisions of the machine out, records on disk before anything follows from them.

mod orders;

use super::feed::Feed;
use super::history::HistoryWriter;
use super::probe;
use super::stage::Stage;
use super::timeline::Timeline;
use domain::drill::assemble::{Facts, assemble};
use domain::drill::countdown::BacklogClock;
use domain::drill::deed::Deed;
use domain::drill::history::{History, Line, Sample, What};
use domain::drill::live::Live;
use domain::drill::phases::{Decision, Effect, Event, Run, begin, step};
use domain::drill::plan::DrillPlan;
use domain::drill::record::{Phase, Record};
use domain::drill::report::verdict::Verdict;
use domain::drill::scenario::{Expectation, Probe};
use model::ids::RunId;
use orders::Orders;
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the machine hears that time passes.
const TICK: Duration = Duration::from_millis(200);

/// What a run is made of.
pub struct Runner {
    run: Run,
    folder: PathBuf,
    writer: HistoryWriter,
    feed: Feed,
    timeline: Timeline,
    stage: Arc<dyn Stage>,
    facts: Facts,
    live: Live,
    events: mpsc::UnboundedReceiver<Event>,
    orders: Orders,
    samples: mpsc::UnboundedReceiver<Sample>,
    sampler: mpsc::UnboundedSender<Sample>,
    probing: Option<CancellationToken>,
    asking: TaskTracker,
    tempo: probe::Tempo,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// How others reach a run.
#[derive(Debug, Clone)]
pub struct RunHandle {
    /// Progress.
    pub feed: Feed,
    events: mpsc::UnboundedSender<Event>,
}

impl RunHandle {
    /// The operator wants it to end: what is broken is undone, and recovery is still watched. A second request ends that.
    pub fn abort(&self) {
        let _ = self.events.send(Event::AbortRequested);
    }
}

impl Runner {
    /// A run with nothing but its folder. `folder` exists.
    pub fn new(
        folder: PathBuf,
        stage: Arc<dyn Stage>,
        facts: Facts,
        timeline: Timeline,
    ) -> io::Result<(Self, RunHandle)> {
        let writer = HistoryWriter::open(&folder.join("history.jsonl"))?;
        let (event_sender, events) = mpsc::unbounded_channel();
        let (sampler, samples) = mpsc::unbounded_channel();
        let feed = Feed::default();
        let handle = RunHandle {
            feed: feed.clone(),
            events: event_sender.clone(),
        };
        let asking = TaskTracker::new();
        // Closed is what it says when it is empty; probes may still be added.
        asking.close();
        let orders = Orders::new(Arc::clone(&stage), timeline, event_sender, asking.clone());
        let runner = Self {
            run: Run::default(),
            folder,
            writer,
            feed,
            timeline,
            stage,
            facts,
            live: Live::default(),
            events,
            orders,
            samples,
            sampler,
            probing: None,
            asking,
            tempo: probe::Tempo::default(),
        };
        Ok((runner, handle))
    }

    /// Carries out a plan to its end; the verdict. An error means that the history could not be written: what was broken is
    /// undone as far as possible, and the leases do the rest.
    pub async fn carry_out(mut self, run: RunId, plan: DrillPlan) -> io::Result<Verdict> {
        let first = begin(run, plan);
        self.guarded(first).await
    }

    /// Goes on with a run that a coordinator left unfinished.
    pub async fn recover(mut self, history: &History) -> io::Result<Verdict> {
        self.run = Run::fold(history.records());
        let first = step(&self.run, Event::Restarted, self.timeline.now());
        self.guarded(first).await
    }

    async fn guarded(&mut self, first: Decision) -> io::Result<Verdict> {
        let result = self.work(first).await;
        self.stop_probes();
        if result.is_err() {
            self.orders.undo_all(&self.run).await;
        }
        self.feed.end();
        result
    }

    async fn work(&mut self, first: Decision) -> io::Result<Verdict> {
        self.take(first).await?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Some(verdict) = self.run.finished {
                return Ok(verdict);
            }
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.decide(event).await?,
                _ = ticks.tick() => {
                    let live = self.live.clone();
                    self.decide(Event::Tick(live)).await?;
                    self.show();
                }
                Some(sample) = self.samples.recv() => self.sampled(sample),
            }
        }
    }

    async fn decide(&mut self, event: Event) -> io::Result<()> {
        let decision = step(&self.run, event, self.timeline.now());
        self.take(decision).await
    }

    /// Records first, durably; then the effects.
    async fn take(&mut self, decision: Decision) -> io::Result<()> {
        let time = self.timeline.now();
        if !decision.records.is_empty() {
            let line = |record: &Record| Line {
                time,
                what: What::Record(record.clone()),
            };
            let lines: Vec<Line> = decision.records.iter().map(line).collect();
            self.writer.append_durably(&lines).await?;
        }
        for record in &decision.records {
            self.run.apply(record, time);
            self.tempo.hears(record);
            match record {
                Record::Started { plan, .. } => self.live = Live::watching(plan),
                Record::FaultInjected { from, .. } => self.live.began(*from),
                Record::FaultUndone { from, .. } => self.live.undone(*from),
                Record::DeedDone {
                    probe,
                    deed: Deed::Write,
                    to,
                    ..
                } => self.live.renew(probe, *to),
                Record::PhaseEntered {
                    phase: Phase::Verdict,
                } => self.stop_probes(),
                _ => {}
            }
            self.stage.tell(&self.run, record);
            self.feed.record(&json!({
                "kind": record.kind(), "time": time.to_string(), "message": record.message(),
                "phase": self.run.phase.map(Phase::word),
            }));
        }
        for effect in decision.effects {
            match effect {
                Effect::StartProbes => self.start_probes().await,
                Effect::Judge => self.judge().await?,
                order => self.orders.give(&self.run, order),
            }
        }
        Ok(())
    }

    fn sampled(&mut self, sample: Sample) {
        self.live.observe(&sample);
        self.writer.append(&Line {
            time: sample.done,
            what: What::Sample(sample),
        });
    }

    async fn start_probes(&mut self) {
        let Some(plan) = self.run.plan.clone() else { return };
        let stop = CancellationToken::new();
        for probe in plan.active_probes() {
            let question = Arc::new(self.stage.prepare(probe).await);
            self.asking.spawn(probe::run(
                probe.clone(),
                question,
                self.timeline,
                self.sampler.clone(),
                self.tempo.pace(plan.scenario.consecutive_good(probe)),
                stop.clone(),
            ));
        }
        self.probing = Some(stop);
    }

    fn stop_probes(&mut self) {
        if let Some(stop) = self.probing.take() {
            stop.cancel();
        }
    }

    /// Takes in what is under way, for as long as probes wait for it themselves: a request of the last moment counts.
    async fn last_answers(&mut self) {
        let asking = self.asking.clone();
        let ended = tokio::time::timeout(probe::LAST_ANSWERS, asking.wait());
        tokio::pin!(ended);
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => return self.take_in_rest(),
                Some(sample) = self.samples.recv() => self.sampled(sample),
            }
        }
    }

    fn take_in_rest(&mut self) {
        while let Ok(sample) = self.samples.try_recv() {
            self.sampled(sample);
        }
    }

    /// Stops asking, writes down what is still on its way, and judges what is on disk: the same text that anybody can judge
    /// again later.
    async fn judge(&mut self) -> io::Result<()> {
        self.stop_probes();
        self.last_answers().await;
        for sample in self.stage.last_looks(self.run.began).await {
            self.sampled(sample);
        }
        // A probe that ended at its limit may have sent its last sample after ours.
        self.take_in_rest();
        self.writer.append_durably(&[]).await?;
        let bytes = tokio::fs::read(self.folder.join("history.jsonl")).await?;
        let (facts, now) = (self.facts.clone(), self.timeline.now());
        let judged = tokio::task::spawn_blocking(move || {
            let history = History::read(&String::from_utf8_lossy(&bytes));
            assemble(&history, &facts, now)
        });
        let report = judged.await.map_err(|e| io::Error::other(e.to_string()))?;
        let verdict = report.as_ref().map_or(Verdict::Inconclusive, |r| r.verdict);
        if let Some(report) = report {
            let text = serde_json::to_vec(&report).map_err(io::Error::other)?;
            crate::files::write_private(&self.folder.join("report.json"), &text)?;
        }
        self.orders.answer(Event::Judged(verdict));
        Ok(())
    }

    /// What followers see between two records.
    fn show(&self) {
        let Some(plan) = &self.run.plan else { return };
        let phases = plan.scenario.phases;
        let limit = match self.run.phase {
            Some(Phase::Steady) => Some(phases.steady_seconds),
            Some(Phase::Observe) => Some(phases.observe_seconds),
            Some(Phase::Verify) => Some(phases.verify_seconds),
            _ => None,
        };
        let now = self.timeline.now();
        let waited = now.millis_since(self.run.phase_since);
        let probes: Vec<_> = plan
            .active_probes()
            .map(|probe| {
                let live = self.live.probes.get(&probe.name).cloned().unwrap_or_default();
                json!({
                    "name": probe.name, "good": live.good, "all": live.all, "in_row": live.good_in_row,
                    "bad_for_ms": live.bad_since.map(|since| now.millis_since(since)), "detail": live.detail,
                    "stays_good": probe.expect == Expectation::StaysGood,
                })
            })
            .collect();
        self.feed.live(&json!({
            "kind": "live", "time": now.to_string(), "phase": self.run.phase.map(Phase::word), "phase_ms": waited,
            "left_ms": limit.map(|s| (s * 1000).saturating_sub(waited)), "probes": probes,
            "backlogs": self.backlogs(plan),
        }));
    }

    /// The deadline clock of every agent that is watched: while an outage lasts, of that outage; before, of one that begins
    /// now; after it, of none.
    fn backlogs(&self, plan: &DrillPlan) -> Vec<BacklogClock> {
        if !matches!(
            self.run.phase,
            Some(Phase::Steady | Phase::Inject | Phase::Observe | Phase::Revert)
        ) {
            return Vec::new();
        }
        let now = self.timeline.now();
        let one = |probe: &Probe| {
            let tracker = self.live.backlogs.get(&probe.name)?;
            Some(BacklogClock::of(&probe.cluster, tracker, self.live.began, now))
        };
        plan.active_probes().filter_map(one).collect()
    }
}
