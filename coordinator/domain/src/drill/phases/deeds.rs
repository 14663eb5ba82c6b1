//! The drill's own ExternalSecrets on the way through the phases: ordered when they are due, cleared before the run is judged.

use super::Effect;
use super::advance::Draft;
use crate::drill::deed::{Deed, DeedStatus, Situation, due, is_clear, is_done};
use crate::drill::plan::DrillPlan;
use crate::drill::record::{Phase, Record};
use model::moment::Moment;

impl Draft {
    /// Orders what is due in the present phase.
    pub(super) fn deeds(&mut self, plan: &DrillPlan) {
        let Some(phase) = self.run.phase else { return };
        for (probe, act_after_ms) in plan.secret_canaries() {
            let situation = Situation {
                phase,
                since: self.run.phase_since,
                now: self.now,
                act_after_ms,
            };
            let ordered = self.run.deeds.get(&probe.name).cloned().unwrap_or_default();
            for deed in due(&ordered, situation) {
                let probe = probe.name.clone();
                self.record(Record::DeedOrdered {
                    probe: probe.clone(),
                    deed,
                });
                self.effect(Effect::Perform { probe, deed });
            }
        }
    }

    pub(super) fn deed_done(&mut self, probe: String, deed: Deed, (from, to): (Moment, Moment)) {
        self.answered(Record::DeedDone {
            probe,
            deed,
            from,
            to,
        });
    }

    pub(super) fn deed_failed(&mut self, probe: String, deed: Deed, reason: String) {
        self.answered(Record::DeedFailed { probe, deed, reason });
    }

    /// The last thing that is cleared, or given up, is what judging waited for.
    fn answered(&mut self, record: Record) {
        let waited = !self.all_clear();
        self.record(record);
        if self.run.phase == Some(Phase::Verdict) && waited && self.all_clear() {
            self.effect(Effect::Judge);
        }
    }

    /// Orders that were under way died with the coordinator: they are given again.
    pub(super) fn forget_orders(&mut self) {
        let open = self.run.deeds.iter().flat_map(|(probe, deeds)| {
            let ordered = deeds.iter().filter(|(_, s)| **s == DeedStatus::Ordered);
            ordered.map(|(deed, _)| (probe.clone(), *deed))
        });
        for (probe, deed) in open.collect::<Vec<_>>() {
            let reason = "the coordinator ended meanwhile".to_owned();
            self.record(Record::DeedFailed { probe, deed, reason });
        }
    }

    /// Whether nothing of the drill's own is left that somebody still works on.
    pub(super) fn all_clear(&self) -> bool {
        let since = self.run.phase_since;
        self.run.deeds.values().all(|deeds| is_clear(deeds, since))
    }

    /// Whether every new value is written whose arrival is to be watched.
    pub(super) fn all_written(&self) -> bool {
        let planted = |deeds: &&crate::drill::deed::Deeds| is_done(deeds, Deed::Plant);
        let mut watched = self.run.deeds.values().filter(planted);
        watched.all(|deeds| is_done(deeds, Deed::Write))
    }
}
