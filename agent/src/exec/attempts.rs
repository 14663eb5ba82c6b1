//! Which attempts were started, by marker files: the last guard against running one twice.

use super::units;
use crate::paths::{Paths, parse_attempt};
use crate::step::StepResult;
use crate::{clock, durable};
use model::ids::{Attempt, BootId, NodeName, StepId};
use model::step::{Lane, StepOutcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Ended attempts that are remembered; older ones are forgotten with their results.
const REMEMBERED: usize = 500;

/// A marker's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) unit: String,
    pub(super) lane: Lane,
    pub(super) boot: BootId,
}

/// What is known of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    Never,
    Running(String),
    Ended(StepResult),
}

#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) paths: Paths,
    pub(super) node: NodeName,
    boot: BootId,
    running: BTreeMap<Lane, (StepId, Attempt, String)>,
}

impl Attempts {
    /// Reads the markers; an attempt without result whose unit is gone gets the result that nobody knows.
    pub(super) fn recover(paths: Paths, node: NodeName) -> io::Result<Self> {
        let boot = clock::boot_id(&paths.boot())?;
        let mut attempts = Self {
            paths,
            node,
            boot,
            running: BTreeMap::new(),
        };
        for (step, attempt) in attempts.marked()? {
            if StepResult::read(&attempts.paths, step, attempt)?.is_some() {
                continue;
            }
            let Some(marker) = attempts.marker(step, attempt)? else {
                continue;
            };
            let same_boot = marker.boot == attempts.boot;
            if same_boot && units::is_alive(&marker.unit) {
                attempts.running.insert(marker.lane, (step, attempt, marker.unit));
            } else if StepResult::read(&attempts.paths, step, attempt)?.is_none() {
                // Looked for again above, as the unit may have ended between the two looks.
                let reason = if same_boot {
                    "the unit is gone and left no result"
                } else {
                    "the node rebooted"
                };
                attempts.unknown(step, attempt, reason)?;
            }
        }
        attempts.prune()?;
        Ok(attempts)
    }

    pub(super) fn known(&self, step: StepId, attempt: Attempt) -> io::Result<Known> {
        if let Some(result) = StepResult::read(&self.paths, step, attempt)? {
            return Ok(Known::Ended(result));
        }
        let running = self
            .running
            .values()
            .find(|(s, a, _)| *s == step && *a == attempt);
        Ok(running.map_or(Known::Never, |(_, _, unit)| Known::Running(unit.clone())))
    }

    /// Who occupies the lane. An attempt whose result is there has ended, whether or not anybody was told.
    pub(super) fn occupant(&mut self, lane: Lane) -> io::Result<Option<(StepId, Attempt)>> {
        let Some((step, attempt, _)) = self.running.get(&lane) else {
            return Ok(None);
        };
        let (step, attempt) = (*step, *attempt);
        if StepResult::read(&self.paths, step, attempt)?.is_some() {
            self.ended(step, attempt);
            return Ok(None);
        }
        Ok(Some((step, attempt)))
    }

    /// Durable before the unit starts: after a crash in between, the attempt counts as unknown, never as not started.
    pub(super) fn mark(&mut self, step: StepId, attempt: Attempt, lane: Lane) -> io::Result<String> {
        let unit = units::name(step, attempt);
        let marker = Marker {
            unit: unit.clone(),
            lane,
            boot: self.boot,
        };
        let bytes = serde_json::to_vec(&marker)?;
        durable::replace(&self.marker_path(step, attempt), &bytes, 0o600)?;
        self.running.insert(lane, (step, attempt, unit.clone()));
        Ok(unit)
    }

    /// The lane is free again.
    pub(super) fn ended(&mut self, step: StepId, attempt: Attempt) {
        self.running.retain(|_, (s, a, _)| !(*s == step && *a == attempt));
    }

    /// Leaves the result of an attempt about which nobody knows anything.
    pub(super) fn unknown(&self, step: StepId, attempt: Attempt, reason: &str) -> io::Result<()> {
        let outcome = StepOutcome::Unknown {
            reason: reason.into(),
        };
        StepResult {
            step,
            attempt,
            boot: self.boot,
            outcome,
        }
        .write(&self.paths)
    }

    fn marker_path(&self, step: StepId, attempt: Attempt) -> PathBuf {
        Paths::attempt(&self.paths.started(), step, attempt, "json")
    }

    fn marker(&self, step: StepId, attempt: Attempt) -> io::Result<Option<Marker>> {
        match std::fs::read(self.marker_path(step, attempt)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn marked(&self) -> io::Result<Vec<(StepId, Attempt)>> {
        let names = std::fs::read_dir(self.paths.started())?
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok());
        Ok(names
            .filter(|name| name.ends_with(".json"))
            .filter_map(|name| parse_attempt(&name))
            .collect())
    }

    fn prune(&self) -> io::Result<()> {
        let mut ended: Vec<_> = std::fs::read_dir(self.paths.results())?
            .flatten()
            .filter_map(|e| {
                Some((
                    e.metadata().ok()?.modified().ok()?,
                    parse_attempt(e.file_name().to_str()?)?,
                ))
            })
            .collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(REMEMBERED);
        for (_, (step, attempt)) in ended.into_iter().take(surplus) {
            durable::remove(&self.marker_path(step, attempt))?;
            durable::remove(&Paths::attempt(&self.paths.started(), step, attempt, "cancelled"))?;
            durable::remove(&Paths::attempt(&self.paths.results(), step, attempt, "json"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        for folder in [paths.results(), paths.started(), paths.run()] {
            durable::folder(&folder, 0o700).expect("made");
        }
        (dir, paths)
    }

    fn recover(paths: &Paths) -> Attempts {
        Attempts::recover(paths.clone(), NodeName::new("a").expect("valid")).expect("recovered")
    }

    #[test]
    fn a_marker_without_unit_or_result_becomes_unknown_and_a_reboot_is_named() {
        let (_dir, paths) = setup();
        let mut first = recover(&paths);
        let (a, b) = (StepId([0xfa; 32]), StepId([0xfb; 32]));
        first.mark(a, Attempt(1), Lane::Kubeadm).expect("marked");
        assert!(matches!(
            first.known(a, Attempt(1)).expect("known"),
            Known::Running(_)
        ));
        let reason = |attempts: &Attempts, step| match attempts.known(step, Attempt(1)).expect("known") {
            Known::Ended(StepResult {
                outcome: StepOutcome::Unknown { reason },
                ..
            }) => reason,
            other => format!("{other:?}"),
        };
        let mut second = recover(&paths);
        assert!(reason(&second, a).contains("left no result"));
        second.mark(b, Attempt(1), Lane::Images).expect("marked");
        std::fs::remove_file(paths.boot()).expect("rebooted");
        assert_eq!(reason(&recover(&paths), b), "the node rebooted");
    }

    #[test]
    fn the_lane_is_taken_until_the_attempt_ends() {
        let (_dir, paths) = setup();
        let mut attempts = recover(&paths);
        let occupied = |attempts: &mut Attempts, lane| attempts.occupant(lane).expect("looked");
        attempts
            .mark(StepId([1; 32]), Attempt(1), Lane::Kubeadm)
            .expect("marked");
        assert_eq!(
            occupied(&mut attempts, Lane::Kubeadm),
            Some((StepId([1; 32]), Attempt(1)))
        );
        assert_eq!(occupied(&mut attempts, Lane::Images), None);
        attempts.ended(StepId([1; 32]), Attempt(1));
        assert_eq!(occupied(&mut attempts, Lane::Kubeadm), None);
    }

    #[test]
    fn an_end_that_nobody_noticed_frees_the_lane_too() {
        let (_dir, paths) = setup();
        let mut attempts = recover(&paths);
        let (step, attempt) = (StepId([1; 32]), Attempt(1));
        attempts.mark(step, attempt, Lane::Kubeadm).expect("marked");
        StepResult {
            step,
            attempt,
            boot: attempts.boot,
            outcome: StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 },
        }
        .write(&paths)
        .expect("left");
        assert_eq!(attempts.occupant(Lane::Kubeadm).expect("looked"), None);
    }
}
