//! Where runs are kept: `$DRILLYARD_HOME/drills/RUN/` with `history.jsonl` and, at its end, `report.json`.

use crate::places::Places;
use domain::drill::history::History;
use model::ids::RunId;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// Folder of one run.
pub fn folder(places: &Places, run: RunId) -> PathBuf {
    places.home.join("drills").join(run.to_string())
}

/// History file of one run.
pub fn history_path(places: &Places, run: RunId) -> PathBuf {
    folder(places, run).join("history.jsonl")
}

/// Report of one run, written when it was judged.
pub fn report_path(places: &Places, run: RunId) -> PathBuf {
    folder(places, run).join("report.json")
}

/// All runs with a history, the oldest first.
pub fn list(places: &Places) -> io::Result<Vec<RunId>> {
    let entries = match std::fs::read_dir(places.home.join("drills")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs: Vec<(SystemTime, RunId)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(run) = RunId::parse(&entry.file_name().to_string_lossy()) else {
            continue;
        };
        let Ok(metadata) = std::fs::metadata(entry.path().join("history.jsonl")) else {
            continue;
        };
        runs.push((metadata.created().or_else(|_| metadata.modified())?, run));
    }
    runs.sort();
    Ok(runs.into_iter().map(|(_, run)| run).collect())
}

/// The history of a run.
pub fn history(places: &Places, run: RunId) -> io::Result<History> {
    let bytes = std::fs::read(history_path(places, run))?;
    Ok(History::read(&String::from_utf8_lossy(&bytes)))
}
