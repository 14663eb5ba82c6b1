//! `doctor`'s look at the durable log, where no daemon has it open, and the way on from a damaged one.
//!
//! `up` does not look: the daemon checks its log itself when it starts, and consent to mend a host is none to begin a new log.

use super::host_checks::check;
use crate::exit::{Failure, Outcome, chain};
use crate::journal::{HomeLock, JournalError, LockError, RedbJournal, quarantine};
use crate::places::Places;
use launcher::doctor::HostCheck;
use std::path::PathBuf;

/// Stable name of the check.
const ID: &str = "log";

/// What is done about damage.
const PUT_ASIDE: &str = "`coordinator doctor --fix` renames it to log.redb.damaged-1, and the next start begins a new log, which knows \
    nothing of what was before";

/// What is done about a log of which nobody can tell.
const PUT_RIGHT: &str = "put the cause right: its disk, its owner, or what else has it open";

/// The check of the lab's log.
pub(super) fn look(places: &Places) -> HostCheck {
    let need = "a durable log that is whole".to_owned();
    match found(places) {
        Ok(found) => check(ID, true, found.to_owned(), need, String::new()),
        Err((found, remedy)) => check(ID, false, found, need, remedy.to_owned()),
    }
}

/// Puts the log aside if it is damaged, and says where it is then. One that cannot be read now stays: it may be whole.
pub(super) fn mend(places: &Places) -> Result<Option<PathBuf>, Failure> {
    let path = places.log();
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::from_error(Outcome::Preflight, "DY-0106", error, "coordinator doctor")
    };
    // Held until it is renamed: no daemon may open it in between.
    let _lock = HomeLock::acquire(&places.home).map_err(|e| failed(&e))?;
    if !path.exists() {
        return Ok(None);
    }
    match RedbJournal::check(&path) {
        Err(JournalError::Damaged { .. }) => quarantine(&path).map(Some).map_err(|e| failed(&e)),
        _ => Ok(None),
    }
}

/// What is there of a log; or what is wrong with it, and what to do.
fn found(places: &Places) -> Result<&'static str, (String, &'static str)> {
    let path = places.log();
    if !path.exists() {
        return Ok("none yet");
    }
    let _lock = match HomeLock::acquire(&places.home) {
        Ok(lock) => lock,
        // It was checked when that one started.
        Err(LockError::Held { .. }) => return Ok("in use by this lab's coordinator"),
        Err(error) => return Err((chain(&error), PUT_RIGHT)),
    };
    match RedbJournal::check(&path) {
        Ok(()) => Ok("whole"),
        Err(error @ JournalError::Damaged { .. }) => Err((chain(&error), PUT_ASIDE)),
        Err(error) => Err((chain(&error), PUT_RIGHT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use launcher::doctor::Level;
    use model::ids::LogId;

    #[test]
    fn a_damaged_log_is_named_and_put_aside_on_request_while_no_daemon_runs() {
        let home = tempfile::tempdir().expect("temp dir");
        let places = Places {
            home: home.path().to_owned(),
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        };
        let path = places.log();
        assert_eq!(look(&places).found, "none yet");
        assert!(!path.exists(), "nothing is made by looking");
        drop(RedbJournal::open(&path, LogId([7; 16])).expect("opens"));
        assert_eq!(look(&places).found, "whole");
        assert_eq!(mend(&places).expect("nothing to do"), None);

        std::fs::write(&path, [1; 5000]).expect("rubbish");
        let bad = look(&places);
        assert!(
            bad.level == Level::Fail
                && bad.found.contains("is damaged")
                && bad.remedy.contains("doctor --fix"),
            "{bad:?}"
        );
        let daemon = HomeLock::acquire(&places.home).expect("free");
        assert_eq!(look(&places).level, Level::Ok, "the daemon's own matter");
        mend(&places).expect_err("a daemon may have it open");
        drop(daemon);
        assert!(path.exists(), "looking alone changed it");

        let aside = mend(&places).expect("put aside").expect("there was damage");
        assert_eq!(std::fs::read(&aside).expect("kept").first(), Some(&1));
        assert_eq!(look(&places).found, "none yet");
        drop(RedbJournal::open(&path, LogId([8; 16])).expect("a new one"));
        assert_eq!(look(&places).found, "whole");
    }
}
