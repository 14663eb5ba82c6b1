//! The last word of a unit that left no result: PID 1 calls this after the unit ended, however it ended.

use super::StepResult;
use crate::paths::Paths;
use crate::{clock, codes, durable};
use model::ids::{Attempt, StepId};
use model::step::StepOutcome;
use std::io;

/// What PID 1 says of the unit, from the environment it gives to `ExecStopPost`.
#[derive(Debug, Clone, Default)]
pub struct UnitEnd {
    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill` and so on.
    pub result: String,
    /// Exit status or signal name.
    pub status: String,
}

impl UnitEnd {
    /// Reads the two variables.
    pub fn from_environment() -> Self {
        let get = |name| std::env::var(name).unwrap_or_default();
        Self {
            result: get("SERVICE_RESULT"),
            status: get("EXIT_STATUS"),
        }
    }
}

/// Leaves a result where the unit left none.
pub fn ended(paths: &Paths, step: StepId, attempt: Attempt, end: &UnitEnd) -> io::Result<()> {
    durable::remove(&Paths::attempt(&paths.steps(), step, attempt, "json"))?;
    durable::remove(&Paths::attempt(&paths.progress(), step, attempt, "txt"))?;
    if StepResult::read(paths, step, attempt)?.is_some() {
        return Ok(());
    }
    let cancelled = Paths::attempt(&paths.started(), step, attempt, "cancelled").exists();
    let outcome = outcome(end, cancelled);
    StepResult {
        step,
        attempt,
        boot: clock::boot_id(&paths.boot())?,
        outcome,
    }
    .write(paths)
}

fn outcome(end: &UnitEnd, cancelled: bool) -> StepOutcome {
    if cancelled {
        return StepOutcome::Cancelled;
    }
    let failed = |code: &str, message: String| StepOutcome::Failed {
        code: code.into(),
        message,
        output: String::new(),
    };
    let status = &end.status;
    match end.result.as_str() {
        "timeout" => failed(
            codes::TIMEOUT,
            "the step exceeded its ceiling and was stopped".into(),
        ),
        "oom-kill" => failed(
            codes::KILLED,
            "the kernel ended the step for lack of memory".into(),
        ),
        "signal" | "core-dump" => failed(codes::KILLED, format!("the step was ended by signal {status}")),
        "exit-code" => failed(
            codes::STEP,
            format!("the step's process ended with status {status} and left no result"),
        ),
        other => StepOutcome::Unknown {
            reason: format!("the unit ended ({other}) and left no result"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        for folder in [paths.results(), paths.started(), paths.steps(), paths.progress()] {
            durable::folder(&folder, 0o700).expect("made");
        }
        (dir, paths)
    }

    #[test]
    fn a_killed_unit_leaves_a_reason_and_a_finished_one_keeps_its_result() {
        let (_dir, paths) = paths();
        let (step, attempt) = (StepId([1; 32]), Attempt(1));
        let end = UnitEnd {
            result: "signal".into(),
            status: "KILL".into(),
        };
        ended(&paths, step, attempt, &end).expect("written");
        let read = StepResult::read(&paths, step, attempt)
            .expect("read")
            .expect("there");
        assert!(matches!(&read.outcome, StepOutcome::Failed { code, .. } if code == codes::KILLED));
        ended(
            &paths,
            step,
            attempt,
            &UnitEnd {
                result: "timeout".into(),
                ..end
            },
        )
        .expect("kept");
        assert_eq!(StepResult::read(&paths, step, attempt).expect("read"), Some(read));
    }

    #[test]
    fn a_cancelled_unit_is_cancelled_whatever_its_signal() {
        let (_dir, paths) = paths();
        let (step, attempt) = (StepId([2; 32]), Attempt(2));
        std::fs::write(Paths::attempt(&paths.started(), step, attempt, "cancelled"), "").expect("marker");
        ended(
            &paths,
            step,
            attempt,
            &UnitEnd {
                result: "signal".into(),
                status: "TERM".into(),
            },
        )
        .expect("written");
        let read = StepResult::read(&paths, step, attempt)
            .expect("read")
            .expect("there");
        assert_eq!(read.outcome, StepOutcome::Cancelled);
    }
}
