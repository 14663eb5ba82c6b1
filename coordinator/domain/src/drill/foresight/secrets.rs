//! How old synced Secrets become in an outage of their source, from their intervals and from when they were refreshed last.

use crate::drill::assemble::{AGE, INTERVAL};
use crate::drill::history::Sample;
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::span::{Span, signed_seconds};
use crate::drill::measure::staleness;
use crate::drill::plan::DrillPlan;
use crate::drill::report::parts::Bounds;
use crate::drill::scenario::{Look, Probe};
use model::ids::ClusterName;
use serde::Serialize;
use std::collections::BTreeSet;

/// One Secret's, or that of all which a drill brings itself. Durations are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStaleness {
    /// Its cluster.
    pub cluster: ClusterName,
    /// `NAMESPACE/NAME` of the ExternalSecret; of the drill's own, and where nobody looked, the probe's name.
    pub secret: String,
    /// Between two refreshes; 0 means that it is refreshed once.
    pub interval: Option<Quantity>,
    /// Until the next refresh is due; negative when it is overdue.
    pub due_in: Option<Quantity>,
    /// The age that its value reaches in an outage which begins now.
    pub from_now: Option<Bounds>,
    /// The same, whenever the outage begins.
    pub whenever: Option<Bounds>,
    /// Why it is not known.
    pub unknown: Option<String>,
}

impl PlannedStaleness {
    /// Of the ExternalSecrets that the drill brings: their interval is in the plan, and nothing has to be looked at.
    pub fn own(plan: &DrillPlan) -> Vec<Self> {
        let outage = outage(plan);
        let own = plan.active_probes().filter_map(|probe| match probe.look {
            Look::SecretCanary { refresh_seconds, .. } => Some((probe, Span::from_secs(refresh_seconds))),
            _ => None,
        });
        own.map(|(probe, interval)| Self::of(probe, probe.name.clone(), Some(interval), outage))
            .collect()
    }

    /// Of what one look of a `secret_age` probe saw.
    pub fn seen(plan: &DrillPlan, probe: &Probe, sample: &Sample) -> Vec<Self> {
        let names: BTreeSet<&str> = sample
            .values
            .keys()
            .filter_map(|key| Some(key.rsplit_once('.')?.0))
            .collect();
        if names.is_empty() {
            let why = match sample.detail.as_str() {
                "" => "nothing was seen",
                detail => detail,
            };
            return vec![Self::unknown(probe, why)];
        }
        let one = |name: &str| {
            let value = |what: &str| span(*sample.values.get(&format!("{name}.{what}"))?);
            let mut planned = Self::of(probe, name.to_owned(), value(INTERVAL), outage(plan));
            if let (Some(age), Some(interval)) = (value(AGE), value(INTERVAL).filter(|i| *i > Span::ZERO)) {
                let (now, refreshed) = (sample.done, age.before(sample.done));
                let back = outage(plan).after(now);
                planned.due_in = Some(signed_seconds(now, interval.after(refreshed)));
                planned.from_now = Some(staleness::highest_age(refreshed, interval, (now, back)));
            }
            planned
        };
        names.into_iter().map(one).collect()
    }

    /// Of a probe that could not look.
    pub fn unknown(probe: &Probe, why: &str) -> Self {
        Self {
            cluster: probe.cluster.clone(),
            secret: probe.name.clone(),
            interval: None,
            due_in: None,
            from_now: None,
            whenever: None,
            unknown: Some(why.to_owned()),
        }
    }

    fn of(probe: &Probe, secret: String, interval: Option<Span>, outage: Span) -> Self {
        let unread = "its refresh interval could not be read".to_owned();
        Self {
            cluster: probe.cluster.clone(),
            secret,
            interval: interval.map(Span::seconds),
            due_in: None,
            from_now: None,
            whenever: interval
                .filter(|i| *i > Span::ZERO)
                .map(|interval| staleness::highest_age_of_any(interval, outage)),
            unknown: interval.is_none().then_some(unread),
        }
    }

    /// In one line.
    pub fn message(&self) -> String {
        let who = format!("{} {}", self.cluster, self.secret);
        if let Some(why) = &self.unknown {
            return format!("{who}: not known: {why}");
        }
        let (Some(interval), Some(whenever)) = (self.interval, self.whenever) else {
            return format!("{who}: is refreshed once, so its age only grows");
        };
        let due = self.due_in.map(|due| match due.micros() {
            0.. => format!(", due in {due} s"),
            _ => format!(", overdue by {} s", Quantity::ZERO.minus(due)),
        });
        let now = self
            .from_now
            .map(|b| format!("{} to {} s old in an outage from now on, ", b.low, b.high));
        format!(
            "{who}: refreshed every {interval} s{}; {}{} to {} s old whenever it begins",
            due.unwrap_or_default(),
            now.unwrap_or_default(),
            whenever.low,
            whenever.high
        )
    }
}

/// Probes of a plan that look at the platform's Secrets, with why one is not started.
pub fn ages(plan: &DrillPlan) -> impl Iterator<Item = (&Probe, Option<&str>)> {
    plan.probes
        .iter()
        .filter(|p| matches!(p.probe.look, Look::SecretAge {}))
        .map(|p| (&p.probe, p.skipped.as_deref()))
}

fn outage(plan: &DrillPlan) -> Span {
    Span::from_secs(plan.scenario.phases.observe_seconds)
}

fn span(seconds: f64) -> Option<Span> {
    let micros = Quantity::from_float(seconds.max(0.0))?.micros();
    Some(Span::from_micros(u64::try_from(micros).ok()?))
}
