//! The lab's durable log as it was recorded, for the checker that the model's histories are checked with.

use crate::lab::TestLab;
use coordinator::journal::{Journal, RedbJournal};
use domain::history::Line;
use domain::record::Record;
use model::ids::{LogId, Revision};
use std::error::Error;
use std::path::Path;

/// Every record of the lab, read from a copy: opening a log raises its epoch. The daemon must not run.
pub fn recorded(lab: &TestLab) -> Result<Vec<Line>, Box<dyn Error>> {
    let home = lab.home();
    let log = ["log.redb", "log.redb.before-down"]
        .map(|name| home.join(name))
        .into_iter()
        .find(|path| path.exists())
        .ok_or("the lab has no log")?;
    let copy = tempfile::tempdir()?;
    let path = copy.path().join("log.redb");
    std::fs::copy(&log, &path)?;
    read(&path)
}

fn read(path: &Path) -> Result<Vec<Line>, Box<dyn Error>> {
    let journal = RedbJournal::open(path, LogId([0; 16]))?;
    let mut lines = Vec::new();
    let mut after = Revision(0);
    loop {
        let entries = journal.read(after, 4096)?;
        let Some((last, _)) = entries.last() else {
            return Ok(lines);
        };
        after = *last;
        for (revision, entry) in entries {
            let record: Record = serde_json::from_slice(&entry.json)?;
            lines.push(Line {
                revision,
                time: entry.time,
                record,
            });
        }
    }
}
