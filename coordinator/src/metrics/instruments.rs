//! Every instrument with its name, unit and help text, in one registry.

use super::process::ProcessCollector;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// Bounds for writes: an fsync takes from 50 µs (cheap virtual disk) to a second (a disk in trouble).
const WRITE_SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0,
];

/// Bounds for steps: from a look at a file to the budget of the slowest.
const STEP_SECONDS: [f64; 11] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1200.0];

/// Text of a closed set, as a label's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Word(String);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// A set of one label is a pair; of two, two pairs.
pub(super) type One = [(&'static str, Word); 1];
pub(super) type Two = [(&'static str, Word); 2];

pub(super) fn one(key: &'static str, value: impl Into<String>) -> One {
    [(key, Word(value.into()))]
}

pub(super) fn two(a: &'static str, x: impl Into<String>, b: &'static str, y: impl Into<String>) -> Two {
    [(a, Word(x.into())), (b, Word(y.into()))]
}

/// How long the durable log takes.
#[derive(Debug, Clone)]
pub struct LogTimes {
    append: Histogram,
    commit: Histogram,
}

impl LogTimes {
    /// Notes one write: the whole of it, and the commit in it, which is the fsync.
    pub fn note(&self, append: Duration, commit: Duration) {
        self.append.observe(append.as_secs_f64());
        self.commit.observe(commit.as_secs_f64());
    }
}

/// Histograms of one shape, made when their labels first appear.
type Steps = Family<Two, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) revision: Gauge,
    pub(super) oldest: Gauge,
    pub(super) epoch: Gauge,
    pub(super) subscribers: Gauge,
    pub(super) subscriber_lag: Gauge,
    pub(super) sessions: Gauge,
    pub(super) agents: Family<One, Gauge>,
    pub(super) waits: Family<One, Gauge>,
    pub(super) leases: Gauge,
    pub(super) certificates: Family<One, Gauge>,
    pub(super) handshakes: Family<Two, Counter>,
    pub(super) events: Family<One, Counter>,
    pub(super) steps: Steps,
    pub(super) verdicts: Family<One, Counter>,
    pub(super) denied: Counter,
    pub(super) gaps: Counter,
    heartbeats: Counter,
    log: LogTimes,
    registry: Registry,
}

/// All metrics of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(pub(super) Arc<Instruments>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Instruments::new()))
    }
}

impl Metrics {
    /// A heartbeat came.
    pub fn heartbeat(&self) {
        self.0.heartbeats.inc();
    }

    /// What the durable log notes its times in.
    pub fn log_times(&self) -> LogTimes {
        self.0.log.clone()
    }

    /// OpenMetrics 1.0 text.
    pub fn open_metrics(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry).map(|()| out)
    }

    /// The older Prometheus text, for readers that do not ask for OpenMetrics.
    pub fn prometheus_text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        prometheus_text::encode(&mut out, &self.0.registry).map(|()| out)
    }
}

fn write_times() -> Histogram {
    Histogram::new(WRITE_SECONDS)
}

fn step_times() -> Histogram {
    Histogram::new(STEP_SECONDS)
}

impl Instruments {
    fn new() -> Self {
        let mut all = Self {
            revision: Gauge::default(),
            oldest: Gauge::default(),
            epoch: Gauge::default(),
            subscribers: Gauge::default(),
            subscriber_lag: Gauge::default(),
            sessions: Gauge::default(),
            agents: Family::default(),
            waits: Family::default(),
            leases: Gauge::default(),
            certificates: Family::default(),
            handshakes: Family::default(),
            events: Family::default(),
            steps: Family::new_with_constructor(step_times),
            verdicts: Family::default(),
            denied: Counter::default(),
            gaps: Counter::default(),
            heartbeats: Counter::default(),
            log: LogTimes {
                append: write_times(),
                commit: write_times(),
            },
            registry: Registry::default(),
        };
        all.register();
        all
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(ProcessCollector));
        let r = self.registry.sub_registry_with_prefix("drillyard");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "The release that serves", build);
        r.register(
            "log_revision",
            "Revision of the last durable entry of the log",
            self.revision.clone(),
        );
        r.register(
            "log_oldest_revision",
            "Revision of the oldest entry that is kept",
            self.oldest.clone(),
        );
        r.register(
            "epoch",
            "Epoch of this coordinator; it rises with each start",
            self.epoch.clone(),
        );
        let help = "Time from a batch to its being durable";
        r.register_with_unit(
            "log_append_duration",
            help,
            Unit::Seconds,
            self.log.append.clone(),
        );
        let help = "Part of it that the store's commit took, which is the fsync";
        r.register_with_unit(
            "log_commit_duration",
            help,
            Unit::Seconds,
            self.log.commit.clone(),
        );
        r.register(
            "events",
            "Records of the log since this start, by class",
            self.events.clone(),
        );
        r.register(
            "stream_gaps",
            "Losses in agents' streams that were declared",
            self.gaps.clone(),
        );
        r.register(
            "subscribers",
            "Open subscriptions to the log",
            self.subscribers.clone(),
        );
        let help = "Revisions between the log's head and the slowest subscriber";
        r.register("subscriber_lag_revisions", help, self.subscriber_lag.clone());
        r.register("agent_sessions", "Open sessions of agents", self.sessions.clone());
        r.register(
            "agents",
            "Nodes of the lab, by the state of their agent",
            self.agents.clone(),
        );
        r.register("agent_heartbeats", "Heartbeats received", self.heartbeats.clone());
        let help = "Time from the decision on an attempt to its outcome, by kind of step and outcome";
        r.register_with_unit("step_duration", help, Unit::Seconds, self.steps.clone());
        r.register(
            "waits",
            "Steps of the active run that are not done, by what holds them up",
            self.waits.clone(),
        );
        r.register(
            "leases_outstanding",
            "Faults that may be there",
            self.leases.clone(),
        );
        r.register(
            "drill_verdicts",
            "Drills that ended, by verdict",
            self.verdicts.clone(),
        );
        let help = "Connections to each listener, by how the handshake ended";
        r.register("handshakes", help, self.handshakes.clone());
        r.register(
            "calls_denied",
            "Calls and enrolments that were refused and audited",
            self.denied.clone(),
        );
        let help =
            "Time until the first certificate of the host runs out, by who renews it; negative when one has";
        r.register_with_unit(
            "certificate_horizon",
            help,
            Unit::Seconds,
            self.certificates.clone(),
        );
    }
}
