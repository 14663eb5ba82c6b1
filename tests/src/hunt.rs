//! `up` under SIGKILL: the coordinator or an agent dies at random moments, and `up` is started again each time.

use crate::dice::Dice;
use crate::lab::TestLab;
use crate::patience::until;
use crate::prey::{self, Prey, Role};
use model::moment::Moment;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From the first coordinator to the end of `up`.
const LIMIT: Duration = Duration::from_secs(1200);

/// Shortest and longest time between two kills.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Shortest.
    pub from: Duration,
    /// Longest.
    pub to: Duration,
}

/// One kill.
#[derive(Debug, Clone)]
pub struct Kill {
    /// Who died.
    pub prey: Prey,
    /// When.
    pub at: Moment,
    /// When `up` was started again; for an agent, which its systemd starts again, the kill itself.
    pub again: Moment,
}

/// Runs `up` with these words until it succeeds, having killed `wanted` times meanwhile. Kills that are left when the work
/// is done hit the standing lab, and `up` is started after each of them too.
pub fn up(
    lab: &TestLab,
    words: &[&str],
    wanted: usize,
    pace: Pace,
    dice: &mut Dice,
) -> Result<Vec<Kill>, String> {
    let mut kills: Vec<Kill> = Vec::new();
    let mut running = start(lab, words)?;
    await_run(lab, &mut running)?;
    let mut next = Instant::now() + dice.moment(pace.from, pace.to);
    let limit = Instant::now() + LIMIT;
    loop {
        if Instant::now() > limit {
            let _ = running.kill();
            return Err(format!(
                "up did not end in {} s, after {} kills",
                LIMIT.as_secs(),
                kills.len()
            ));
        }
        if let Some(status) = running.try_wait().map_err(|e| e.to_string())? {
            if !status.success() {
                return Err(format!("up ended with {status} though its coordinator lives"));
            }
            if kills.len() >= wanted {
                return Ok(kills);
            }
        }
        if kills.len() >= wanted || Instant::now() < next {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        let Some(prey) = choose(lab, dice) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let at = now();
        prey.kill();
        let mut again = at;
        if gone(lab, &prey, &mut running)? {
            again = now();
            running = start(lab, words)?;
        }
        eprintln!("kill {} of {wanted}: {prey}", kills.len() + 1);
        kills.push(Kill { prey, at, again });
        next = Instant::now() + dice.moment(pace.from, pace.to);
    }
}

/// Until there is the plan of a run. Without a time limit: on a host with an empty cache, `up` makes the bundle first, and does
/// not notice meanwhile that a coordinator which served before it dies.
fn await_run(lab: &TestLab, running: &mut Child) -> Result<(), String> {
    let plans = lab.home().join("plans");
    let is_planned = || std::fs::read_dir(&plans).is_ok_and(|mut found| found.next().is_some());
    while !is_planned() {
        if let Some(status) = running.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("up ended with {status} before it had a run"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether `up` must be started again: it ended, because its work was done or because its coordinator died. One that was
/// only about to speak to a coordinator starts another by itself.
fn gone(lab: &TestLab, prey: &Prey, running: &mut Child) -> Result<bool, String> {
    if prey.role != Role::Coordinator {
        return Ok(running.try_wait().map_err(|e| e.to_string())?.is_some());
    }
    until(
        "up notices that its coordinator died",
        Duration::from_secs(30),
        || match running.try_wait() {
            Ok(Some(_)) => Ok(true),
            Ok(None) if prey::daemon(lab).is_some_and(|daemon| daemon != *prey) => Ok(false),
            Ok(None) => Err("up still runs, and no coordinator does".into()),
            Err(error) => Err(error.to_string()),
        },
    )
}

fn start(lab: &TestLab, words: &[&str]) -> Result<Child, String> {
    lab.start(words).map_err(|e| e.to_string())
}

/// The daemon half of the time, else any agent process.
fn choose(lab: &TestLab, dice: &mut Dice) -> Option<Prey> {
    let daemon = prey::daemon(lab);
    if dice.tenths(5) && daemon.is_some() {
        return daemon;
    }
    dice.one_of(prey::agents(lab)).or(daemon)
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
