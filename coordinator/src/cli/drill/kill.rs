//! `drill NAME --kill-driller`: the coordinator that drives the run dies at a random moment, another one is started, and every
//! place is looked at for what is left.

use super::super::client::{connect_or_start, no_daemon};
use super::super::output::{out, outln};
use super::super::{Context, block_on};
use super::judged::outcome;
use super::run::{begin, follow};
use super::{aftermath, refused_scenario};
use crate::daemon_record::DaemonRecord;
use crate::drill::{library, runs};
use crate::exit::{Failure, Outcome};
use crate::journal::{HomeLock, LockError};
use domain::drill::driller_kill::{self, Aftermath, Judgement};
use domain::drill::history::History;
use domain::drill::phases::Run;
use domain::drill::record::Phase;
use domain::drill::report::verdict::Verdict;
use model::ids::RunId;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How long a process that was killed may take until it holds nothing any more.
const DEATH: Duration = Duration::from_secs(10);

/// One run, its killing and what came of it.
#[derive(Debug)]
struct Killed {
    run: RunId,
    seed: u64,
    /// From the answer that the run began to the signal; None when the run was over before.
    after: Option<Duration>,
    aftermath: Aftermath,
    judgement: Judgement,
}

/// `times` runs, one after another.
pub(super) fn run(context: &Context, name: &str, seed: Option<u64>, times: u32) -> Result<Outcome, Failure> {
    // A wrong name is told without a daemon.
    let scenario = library::load(&context.places, name).map_err(|e| refused_scenario(&e))?;
    let planned = driller_kill::planned_ms(&scenario.phases);
    let first = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let mut verdicts = Vec::new();
    for number in 0..times {
        let seed = first.wrapping_add(u64::from(number));
        let moment = Duration::from_millis(driller_kill::moment_ms(seed, planned));
        eprintln!(
            "seed {seed}: the coordinator is killed {:.1} s after the run begins; `coordinator drill {name} --kill-driller {seed}` repeats it",
            moment.as_secs_f64()
        );
        let Some(killed) = block_on(once(context, name, seed, moment))? else {
            return Ok(Outcome::Interrupted);
        };
        if context.json {
            outln!("{}", document(&killed));
        } else {
            out!("{}", text(name, &killed));
        }
        verdicts.push(killed.judgement.verdict);
    }
    Ok(outcome(Verdict::of_all(verdicts)))
}

/// One run; None when Ctrl-C ended it, or the waiting for what is left of it.
async fn once(context: &Context, name: &str, seed: u64, moment: Duration) -> Result<Option<Killed>, Failure> {
    let (mut client, run) = begin(context, name).await?;
    let began = Instant::now();
    let over = tokio::select! {
        ended = follow(&mut client, run) => Some(ended?),
        () = tokio::time::sleep(moment) => None,
    };
    drop(client);
    let (mut after, mut killed_in) = (None, None);
    match over {
        Some(true) => return Ok(None),
        Some(false) => {}
        None => {
            let driller = driller(context)?;
            after = Some(began.elapsed());
            end(context, &driller).await?;
            // Nobody writes it any more: this is how far the run was.
            killed_in = phase(&history(context, run)?);
            let phase = killed_in.map_or("over", Phase::word);
            eprintln!(
                "the coordinator (pid {}) is killed; the run was in {phase}",
                driller.pid
            );
        }
    }
    let mut client = connect_or_start(context).await?;
    eprintln!(
        "waiting for the end of the run, then for every place; Ctrl-C ends the waiting, and nothing else"
    );
    let aftermath = tokio::select! {
        found = aftermath::gather(context, &mut client, run, killed_in) => found?,
        // Whoever asked once for this signal gets it for good.
        _ = tokio::signal::ctrl_c() => return Ok(None),
    };
    let judgement = aftermath.judge();
    Ok(Some(Killed {
        run,
        seed,
        after,
        aftermath,
        judgement,
    }))
}

/// The phase that a run stands in; None of one that is over.
fn phase(history: &History) -> Option<Phase> {
    let run = Run::fold(history.records());
    run.phase.filter(|_| run.finished.is_none())
}

/// The recorded history of the run.
pub(super) fn history(context: &Context, run: RunId) -> Result<History, Failure> {
    runs::history(&context.places, run)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0152", &e, "coordinator drill doctor"))
}

/// The coordinator of this home: its note says who serves, by pid and start time, and the kernel who holds the home's lock. Only
/// who is both is killed.
fn driller(context: &Context) -> Result<DaemonRecord, Failure> {
    let record = DaemonRecord::alive(&context.places).ok_or_else(no_daemon)?;
    match HomeLock::acquire(&context.places.home) {
        Err(LockError::Held { holder, .. }) if holder == Some(record.pid) => Ok(record),
        _ => Err(no_daemon()),
    }
}

/// SIGKILL, and nothing but this one process; returns when it holds nothing any more.
async fn end(context: &Context, driller: &DaemonRecord) -> Result<(), Failure> {
    let sent = driller.signal(Signal::SIGKILL);
    let limit = if sent.is_ok() { DEATH } else { Duration::ZERO };
    if driller.is_gone_within(&context.places, limit).await {
        return Ok(());
    }
    let why = match sent {
        Ok(()) => format!("it is there {} s after SIGKILL", DEATH.as_secs()),
        Err(errno) => errno.to_string(),
    };
    let message = format!("the coordinator (pid {}) does not end: {why}", driller.pid);
    let next = format!("kill -9 {}, then coordinator drill doctor", driller.pid);
    Err(Failure::new(Outcome::TimedOut, "DY-0132", message, next))
}

fn document(killed: &Killed) -> Value {
    let (aftermath, judgement) = (&killed.aftermath, &killed.judgement);
    json!({
        "run": killed.run.to_string(),
        "seed": killed.seed,
        "killed_after_ms": killed.after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        "phase": aftermath.killed_in.map(Phase::word),
        "leases": aftermath.leases.len(),
        "outstanding": aftermath.outstanding,
        "overdue_ms": judgement.overdue_ms,
        "verdict": judgement.verdict,
        "reasons": judgement.reasons,
    })
}

fn text(name: &str, killed: &Killed) -> String {
    let (aftermath, judgement) = (&killed.aftermath, &killed.judgement);
    let mut text = format!("\ndrill {name}  run {}  seed {}\n", killed.run, killed.seed);
    let when = match (killed.after, aftermath.killed_in) {
        (Some(after), Some(phase)) => format!("after {:.3} s, in {}", after.as_secs_f64(), phase.word()),
        _ => "not before the run was over".to_owned(),
    };
    let undone = judgement.overdue_ms.map_or(String::new(), |ms| {
        let side = if ms > 0 { "after" } else { "before" };
        format!(", the latest undone {} ms {side} its deadline", ms.unsigned_abs())
    });
    let _ = writeln!(text, "killed       {when}");
    let _ = writeln!(text, "leases       {}{undone}", aftermath.leases.len());
    let _ = writeln!(text, "outstanding  {}", aftermath.outstanding);
    for reason in &judgement.reasons {
        let _ = writeln!(text, "             {reason}");
    }
    let _ = writeln!(text, "verdict      {}", judgement.verdict);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::history::{Line, What};
    use domain::drill::record::Record;
    use model::moment::Moment;

    #[test]
    fn only_who_left_the_note_and_holds_the_lock_is_killed() {
        let home = tempfile::tempdir().expect("temp");
        let context = Context::at(home.path());
        assert!(driller(&context).is_err(), "nobody serves");
        DaemonRecord::write(&context.places).expect("a note");
        let refused = driller(&context).expect_err("a process that lives and does not hold the home");
        assert_eq!(refused.code, "DY-0112");
        let lock = HomeLock::acquire(home.path()).expect("free");
        assert_eq!(driller(&context).expect("both").pid, std::process::id());
        std::fs::write(home.path().join("lock"), "1\n").expect("another holder");
        assert!(driller(&context).is_err(), "the lock is another's");
        drop(lock);
    }

    #[test]
    fn a_run_that_is_over_stands_in_no_phase() {
        let line = |record| Line {
            time: Moment(1),
            what: What::Record(record),
        };
        let mut history = History::default();
        assert_eq!(phase(&history), None);
        history.lines.push(line(Record::PhaseEntered {
            phase: Phase::Observe,
        }));
        assert_eq!(phase(&history), Some(Phase::Observe));
        history.lines.push(line(Record::Finished {
            verdict: Verdict::Pass,
            outstanding: Vec::new(),
        }));
        assert_eq!(phase(&history), None);
    }

    #[test]
    fn what_was_found_is_told_for_people_and_for_scripts() {
        let aftermath = Aftermath {
            killed_in: Some(Phase::Observe),
            judged: true,
            outstanding: 1,
            ..Aftermath::default()
        };
        let mut killed = Killed {
            run: RunId([1; 16]),
            seed: 7,
            after: Some(Duration::from_millis(43_210)),
            judgement: aftermath.judge(),
            aftermath,
        };
        killed.judgement.overdue_ms = Some(-85_300);
        let expected = format!(
            "
drill vault-down  run {}  seed 7
killed       after 43.210 s, in observe
leases       0, the latest undone 85300 ms before its deadline
outstanding  1
             1 leases are outstanding
verdict      fail
",
            killed.run
        );
        assert_eq!(text("vault-down", &killed), expected);
        let document = document(&killed);
        assert_eq!(
            (
                &document["killed_after_ms"],
                &document["phase"],
                &document["verdict"]
            ),
            (&json!(43_210), &json!("observe"), &json!("fail"))
        );
    }
}
