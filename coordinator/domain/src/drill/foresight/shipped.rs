//! Which logs a plan's probes follow to a store.

use crate::drill::plan::DrillPlan;
use crate::drill::scenario::{Look, Probe};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Shipped<'a> {
    /// The probe that asks the store.
    pub stored: &'a Probe,
    /// The probe that reads the same log where it is written; None when the plan starts none for the cluster.
    pub served: Option<&'a Probe>,
    /// Why the first is not started.
    pub skipped: Option<&'a str>,
}

/// All of them.
pub fn shipped(plan: &DrillPlan) -> impl Iterator<Item = Shipped<'_>> {
    let of_log = plan
        .probes
        .iter()
        .filter(|p| matches!(p.probe.look, Look::LogCanaryStored { .. }));
    of_log.map(|stored| {
        let same =
            |p: &&Probe| p.cluster == stored.probe.cluster && matches!(p.look, Look::CanaryServed { .. });
        Shipped {
            stored: &stored.probe,
            served: plan.active_probes().find(same),
            skipped: stored.skipped.as_deref(),
        }
    })
}
