//! Where runs are kept: `$DRILLYARD_HOME/drills/RUN/` with `history.jsonl` and, at its end, `report.json`.

use crate::places::Places;
use domain::drill::history::History;
use domain::drill::measure::stamp::Stamp;
use domain::drill::report::json::{self as report_json, ReadError};
use domain::drill::report::model::Report;
use domain::drill::report::verdict::Verdict;
use domain::status::Judged;
use model::ids::RunId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
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

/// Why a run has no report that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is none, or it cannot be read.
    #[error("{} cannot be read", .path.display())]
    File {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is none, or a later program wrote it.
    #[error("{} cannot be used", .path.display())]
    Content {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
}

impl ReportError {
    /// Whether a later program wrote it: such a report is whole, and not ours to replace.
    pub fn is_newer(&self) -> bool {
        matches!(
            self,
            Self::Content {
                source: ReadError::Newer { .. },
                ..
            }
        )
    }
}

/// The report that a run ended with.
pub fn report(places: &Places, run: RunId) -> Result<Report, ReportError> {
    let path = report_path(places, run);
    match std::fs::read_to_string(&path) {
        Ok(text) => report_json::read(&text).map_err(|source| ReportError::Content { path, source }),
        Err(source) => Err(ReportError::File { path, source }),
    }
}

/// Puts a report in the place of the one that is there, if one is.
pub fn write_report(places: &Places, run: RunId, report: &Report) -> io::Result<()> {
    let text = serde_json::to_vec(report).map_err(io::Error::other)?;
    crate::files::write_private(&report_path(places, run), &text)
}

/// All runs with a record in their history, the oldest first. Without one nothing was ever begun, and there is nothing to judge.
pub fn list(places: &Places) -> io::Result<Vec<RunId>> {
    let mut runs = histories(places)?;
    runs.retain(|run| has_record(&history_path(places, *run)));
    Ok(runs)
}

/// All runs whose history is not empty, the oldest first; none of them is read.
fn histories(places: &Places) -> io::Result<Vec<RunId>> {
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
        if metadata.len() == 0 {
            continue;
        }
        runs.push((metadata.created().or_else(|_| metadata.modified())?, run));
    }
    runs.sort();
    Ok(runs.into_iter().map(|(_, run)| run).collect())
}

/// Whether a history says at least that its run began: that is its first line, made durable before anything else.
fn has_record(history: &Path) -> bool {
    #[derive(Deserialize)]
    struct First {
        #[serde(rename = "record")]
        _record: IgnoredAny,
    }
    let mut line = Vec::new();
    let read = File::open(history).and_then(|file| BufReader::new(file).read_until(b'\n', &mut line));
    read.is_ok() && serde_json::from_slice::<First>(&line).is_ok()
}

/// The history of a run.
pub fn history(places: &Places, run: RunId) -> io::Result<History> {
    let bytes = std::fs::read(history_path(places, run))?;
    Ok(History::read(&String::from_utf8_lossy(&bytes)))
}

/// Runs that are looked through for the latest verdict on a contract.
const LOOKED_THROUGH: usize = 50;

/// What the latest run that judged a contract says of it, by contract. A run that did not look at one takes nothing away from
/// an earlier one that did, nor does a run that broke nothing: it can convict and not acquit.
pub fn judged(places: &Places) -> BTreeMap<String, Judged> {
    let mut found = BTreeMap::new();
    // Asked with every status: a run that never began has no report either.
    for run in histories(places)
        .unwrap_or_default()
        .into_iter()
        .rev()
        .take(LOOKED_THROUGH)
    {
        let Ok(bytes) = std::fs::read(report_path(places, run)) else {
            continue;
        };
        if let Err(error @ ReadError::Newer { .. }) = report_json::check_format(&bytes) {
            tracing::warn!(%run, %error, "its verdicts are left out");
            continue;
        }
        let Ok(report) = serde_json::from_slice::<Verdicts>(&bytes) else {
            tracing::warn!(%run, "its report cannot be read; `coordinator drill recheck {run}` writes it anew");
            continue;
        };
        // A control that is broken on purpose says nothing of the lab as it is.
        let controls = report.expect_violation;
        let broke = report.faults.as_deref().is_none_or(|faults| !faults.is_empty());
        let says = |verdict| match verdict {
            Verdict::Fail => true,
            Verdict::Pass | Verdict::Inconclusive => broke,
            Verdict::NotCovered => false,
        };
        let told = |contract: &OneVerdict| !controls && says(contract.verdict);
        for contract in report.contracts.into_iter().filter(told) {
            let judged = Judged {
                drill: report.drill.clone(),
                run: report.run.clone(),
                at: report.to.into(),
                verdict: contract.verdict.to_string(),
                label: report.label.clone(),
            };
            let latest: &mut Judged = found.entry(contract.id).or_insert_with(|| judged.clone());
            // Files of runs may be as old as each other, and a report says itself when its run ended.
            if judged.at > latest.at {
                *latest = judged;
            }
        }
    }
    found
}

/// Of a report, what the status shows.
#[derive(Deserialize)]
struct Verdicts {
    drill: String,
    run: String,
    to: Stamp,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    expect_violation: bool,
    /// Those that took hold; None where the report does not say.
    faults: Option<Vec<IgnoredAny>>,
    contracts: Vec<OneVerdict>,
}

#[derive(Deserialize)]
struct OneVerdict {
    id: String,
    verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::report::model::FORMAT;
    use serde_json::json;

    /// The line that a history begins with, as far as it matters here.
    const BEGAN: &str = "{\"time\":1,\"record\":{}}\n";

    fn places(home: &tempfile::TempDir) -> Places {
        Places {
            home: home.path().into(),
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        }
    }

    #[test]
    fn a_run_that_never_began_is_not_the_latest() {
        let home = tempfile::tempdir().expect("folder");
        let places = places(&home);
        for (number, history) in [(1, BEGAN), (2, ""), (3, &BEGAN[..BEGAN.len() - 4])] {
            let run = RunId([number; 16]);
            std::fs::create_dir_all(folder(&places, run)).expect("folder");
            std::fs::write(history_path(&places, run), history).expect("history");
        }
        std::fs::create_dir_all(folder(&places, RunId([4; 16]))).expect("folder");
        assert_eq!(list(&places).expect("listed"), [RunId([1; 16])]);
    }

    #[test]
    fn the_latest_run_that_judged_a_contract_is_shown() {
        let home = tempfile::tempdir().expect("folder");
        let places = places(&home);
        let write = |number: u8, to: &str, contracts: serde_json::Value| {
            let run = RunId([number; 16]);
            std::fs::create_dir_all(folder(&places, run)).expect("folder");
            std::fs::write(history_path(&places, run), BEGAN).expect("history");
            let report = json!({"drill": format!("drill-{number}"), "run": run.to_string(), "to": to,
                "label": (number == 1).then_some("C2 is scaled"), "contracts": contracts, "more": 1});
            std::fs::write(report_path(&places, run), report.to_string()).expect("report");
        };
        let one = |id: &str, verdict: &str| json!({"id": id, "verdict": verdict});
        write(
            9,
            "2026-11-25T01:00:00.000000Z",
            json!([one("C1", "pass"), one("C6", "fail")]),
        );
        write(
            1,
            "2026-11-25T02:00:00.000000Z",
            json!([one("C1", "not_covered"), one("C6", "pass")]),
        );
        let control = RunId([3; 16]);
        write(3, "2026-11-25T03:00:00.000000Z", json!([one("C1", "fail")]));
        let text = std::fs::read_to_string(report_path(&places, control)).expect("report");
        let mut text: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        text["expect_violation"] = json!(true);
        std::fs::write(report_path(&places, control), text.to_string()).expect("report");
        std::fs::create_dir_all(folder(&places, RunId([5; 16]))).expect("folder");
        std::fs::write(history_path(&places, RunId([5; 16])), BEGAN).expect("a run that was never judged");
        let judged = judged(&places);
        let of = |id: &str| judged.get(id).map(|j| (j.drill.as_str(), j.verdict.as_str()));
        assert_eq!(of("C1"), Some(("drill-9", "pass")));
        assert_eq!(of("C6"), Some(("drill-1", "pass")));
        assert_eq!(of("C2"), None);
        assert_eq!(judged["C1"].at.to_string(), "2026-11-25T01:00:00.000000Z");
        let labels = ["C1", "C6"].map(|id| judged[id].label.as_deref());
        assert_eq!(labels, [None, Some("C2 is scaled")]);
    }

    #[test]
    fn a_run_that_broke_nothing_takes_no_verdict_away() {
        let home = tempfile::tempdir().expect("folder");
        let places = places(&home);
        let write = |number: u8, faults: serde_json::Value, verdicts: [&str; 2]| {
            let run = RunId([number; 16]);
            std::fs::create_dir_all(folder(&places, run)).expect("folder");
            std::fs::write(history_path(&places, run), BEGAN).expect("history");
            let [one, other] = verdicts;
            let report = json!({"drill": format!("drill-{number}"), "run": run.to_string(),
                "to": format!("2026-11-25T0{number}:00:00.000000Z"), "faults": faults,
                "contracts": [{"id": "C1", "verdict": one}, {"id": "C4", "verdict": other}]});
            std::fs::write(report_path(&places, run), report.to_string()).expect("report");
        };
        write(1, json!([{"kind": "node_power_loss"}]), ["pass", "pass"]);
        // It stopped at a guard, and saw a violation of the intact lab.
        write(2, json!([]), ["inconclusive", "fail"]);
        let judged = judged(&places);
        let of = |id: &str| judged.get(id).map(|j| (j.drill.as_str(), j.verdict.as_str()));
        assert_eq!(of("C1"), Some(("drill-1", "pass")));
        assert_eq!(of("C4"), Some(("drill-2", "fail")));
    }

    #[test]
    fn a_report_of_a_later_program_is_told_from_a_broken_one() {
        let home = tempfile::tempdir().expect("folder");
        let places = places(&home);
        let run = RunId([1; 16]);
        assert!(matches!(report(&places, run), Err(ReportError::File { .. })));
        std::fs::create_dir_all(folder(&places, run)).expect("folder");
        let mut document = json!({
            "drill": "mgmt-down", "run": run.to_string(), "verdict": "pass", "format": FORMAT, "hypothesis": "",
            "from": "2026-11-25T08:00:00.000000Z", "to": "2026-11-25T08:01:00.000000Z",
            "identity": {"plan_digest": "", "seed": 1, "lab": "yard", "host_fingerprint": "",
                "scale": {"tick_seconds": 7200, "of_seconds": 7200}, "versions": []},
            "phases": [], "measurements": [], "contracts": [], "losses": [],
        });
        let put = |document: &serde_json::Value| {
            std::fs::write(report_path(&places, run), document.to_string()).expect("written");
            report(&places, run)
        };
        let read = put(&document).expect("a report");
        write_report(&places, run, &read).expect("written");
        assert_eq!(report(&places, run).expect("the same"), read);
        document["format"] = json!(FORMAT + 1);
        assert!(put(&document).is_err_and(|e| e.is_newer()));
        assert!(put(&json!({"format": FORMAT})).is_err_and(|e| !e.is_newer()));
    }
}
