//! The account of a run as a compact table: what took the time, and how much of it was nobody's work.

use crate::critical_path::{Account, StepTime};
use std::fmt::Write as _;

/// Longest step name that keeps the columns in place; longer ones push them to the right.
const NAME: usize = 44;

/// Totals, then the critical path, one step per line.
pub fn account(account: &Account) -> String {
    let outcome = match account.outcome {
        None => "active".to_owned(),
        Some(outcome) => serde_json::to_value(outcome)
            .ok()
            .and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_default(),
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "run {}  through phase {}  {outcome}",
        account.run, account.through
    );
    let total = |out: &mut String, what: &str, ms: u64, remark: &str| {
        let _ = writeln!(out, "  {:<16}{} s{remark}", what, seconds(ms));
    };
    let share = |milli: u64, rest: &str| format!("  {}.{} %{rest}", milli / 10, milli % 10);
    total(&mut out, "wall time", account.wall_ms, "");
    total(
        &mut out,
        "critical path",
        account.critical_run_ms,
        "  run time of its units and host commands",
    );
    total(
        &mut out,
        "overhead",
        account.overhead_ms,
        &share(account.overhead_milli, " of the wall time"),
    );
    total(
        &mut out,
        "  of it waits",
        account.critical_wait_ms,
        "  inside steps",
    );
    total(
        &mut out,
        "  between",
        account.between_ms,
        &share(account.between_milli, ", steps and waits apart"),
    );
    total(&mut out, "CPU of units", account.cpu_ms, "");
    if account.critical_path.is_empty() {
        out.push_str("nothing was executed\n");
        return out;
    }
    let _ = writeln!(
        out,
        "critical path{:>width$}  {:>9}  {:>9}",
        "from",
        "run",
        "wait",
        width = NAME - 2
    );
    for step in &account.critical_path {
        line(&mut out, step);
    }
    out
}

fn line(out: &mut String, step: &StepTime) {
    let (run, wait) = if step.waits {
        (String::new(), seconds(step.run_ms))
    } else {
        (seconds(step.run_ms), String::new())
    };
    let again = if step.attempts > 1 {
        format!("  attempt {}", step.attempts)
    } else {
        String::new()
    };
    let text = format!(
        "  {:<NAME$} {}  {run:>9}  {wait:>9}{again}",
        step.name,
        seconds(step.from_ms)
    );
    let _ = writeln!(out, "{}", text.trim_end());
}

/// Seconds with one decimal, in eight columns.
fn seconds(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("{:>6}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunOutcome;
    use model::ids::{RunId, StepId};
    use model::moment::Moment;

    fn step(name: &str, from_ms: u64, run_ms: u64, waits: bool, attempts: u64) -> StepTime {
        StepTime {
            step: StepId([0; 32]),
            name: name.into(),
            from_ms,
            to_ms: from_ms + run_ms,
            run_ms,
            cpu_ms: 0,
            waits,
            attempts,
        }
    }

    #[test]
    fn the_table_is_stable() {
        let account = super::account(&Account {
            run: RunId([0xab; 16]),
            started: Moment(0),
            through: 2,
            outcome: Some(RunOutcome::Succeeded),
            wall_ms: 16_240,
            critical_path: vec![
                step("lab ensure_nodes", 3, 2_010, false, 1),
                step("mgmt-cp await_agent", 2_015, 3_100, true, 1),
                step("mgmt-cp kubeadm_init/control_plane", 5_120, 900, false, 2),
            ],
            critical_run_ms: 2_910,
            critical_wait_ms: 3_100,
            overhead_ms: 13_330,
            overhead_milli: 820,
            between_ms: 10_230,
            between_milli: 629,
            cpu_ms: 21_049,
            steps: vec![],
        });
        let expected = "\
run abababababababababababababababab  through phase 2  succeeded
  wall time           16.2 s
  critical path        2.9 s  run time of its units and host commands
  overhead            13.3 s  82.0 % of the wall time
    of it waits        3.1 s  inside steps
    between           10.2 s  62.9 %, steps and waits apart
  CPU of units        21.0 s
critical path                                      from        run       wait
  lab ensure_nodes                                  0.0        2.0
  mgmt-cp await_agent                               2.0                   3.1
  mgmt-cp kubeadm_init/control_plane                5.1        0.9             attempt 2
";
        assert_eq!(account, expected, "\n{account}");
    }
}
