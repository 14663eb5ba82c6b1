//! One log twin: lines flow, something is taken away for some seconds and given back, and every line is counted.

use super::emitter::Emitter;
use super::programs::{Place, Programs};
use crate::patience::until;
use crate::twin::http::{escape, get};
use domain::drill::measure::ledger::{Emitted, Ledger};
use model::moment::Moment;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines before the outage, within it, and after it: some seconds each.
const LINES: usize = 80;

/// What happens to a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The store is stopped in order.
    StoreStopped,
    /// The store does not move.
    StoreFrozen,
    /// The store is killed, as by a power loss.
    StoreKilled,
    /// The store is stopped in order, and the shipper is killed meanwhile.
    ShipperKilled,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StoreStopped,
        Self::StoreFrozen,
        Self::StoreKilled,
        Self::ShipperKilled,
    ];
}

/// What one twin found.
#[derive(Debug)]
pub struct Finding {
    /// The ledger over everything that was written.
    pub ledger: Ledger,
    /// When the store went away.
    pub gone: Moment,
    /// What is in the store by another count: how often each number.
    pub recount: BTreeMap<u64, u64>,
    /// Everything that was written.
    pub written: Vec<Emitted>,
}

/// Runs it; the error tells what kept it from running.
pub fn run(programs: &Programs, fate: Fate, folder: &Path) -> Result<Finding, String> {
    let place = Place::new(programs, folder)?;
    let store = place.start_store()?;
    let mut shipper = place.start_shipper()?;
    let emitter = Emitter::start(&place.pods())?;
    emitted(&emitter, LINES)?;
    let gone = now()?;
    let frozen = match fate {
        Fate::StoreFrozen => {
            store.signal(Signal::SIGSTOP)?;
            Some(store)
        }
        Fate::StoreKilled => store.end(Signal::SIGKILL).map(|()| None)?,
        Fate::StoreStopped | Fate::ShipperKilled => store.end(Signal::SIGTERM).map(|()| None)?,
    };
    emitted(&emitter, LINES / 2)?;
    emitter.turn_over()?;
    if fate == Fate::ShipperKilled {
        shipper.end(Signal::SIGKILL)?;
        shipper = place.start_shipper()?;
    }
    emitted(&emitter, LINES / 2)?;
    let _store = match frozen {
        Some(store) => {
            store.signal(Signal::SIGCONT)?;
            store
        }
        None => place.start_store()?,
    };
    emitted(&emitter, LINES)?;
    let written = emitter.end()?;
    let last = written.last().ok_or("nothing was written")?.number;
    until("the last line is in the store", PATIENCE, || {
        let there = stored(place.store)?;
        let newest = there.iter().max().copied().unwrap_or(0);
        if newest == last {
            Ok(())
        } else {
            Err(format!("{newest} of {last}"))
        }
    })?;
    drop(shipper);
    let there = stored(place.store)?;
    let mut recount: BTreeMap<u64, u64> = BTreeMap::new();
    there
        .iter()
        .for_each(|number| *recount.entry(*number).or_default() += 1);
    Ok(Finding {
        ledger: Ledger::close(&written, there),
        gone,
        recount,
        written,
    })
}

/// Waits for so many more lines.
fn emitted(emitter: &Emitter, more: usize) -> Result<(), String> {
    let goal = emitter.count() + more;
    until("lines are written", PATIENCE, || {
        let count = emitter.count();
        if count >= goal {
            Ok(())
        } else {
            Err(format!("{count} of {goal}"))
        }
    })
}

/// Numbers of every line that the store has.
fn stored(address: SocketAddr) -> Result<Vec<u64>, String> {
    let query = "{cluster=\"app1\",\"k8s.container.name\"=\"canary\"} _time:1h | fields _msg";
    let answer = get(address, &format!("/select/logsql/query?query={}", escape(query)))?;
    let number = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
        let message = object["_msg"].as_str().unwrap_or_default();
        let number = message.split(' ').next().unwrap_or_default();
        number.parse().map_err(|_| format!("no number: {message}"))
    };
    answer
        .lines()
        .filter(|line| !line.is_empty())
        .map(number)
        .collect()
}

fn now() -> Result<Moment, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|e| e.to_string())?;
    Ok(Moment(i64::try_from(now.as_micros()).map_err(|e| e.to_string())?))
}
