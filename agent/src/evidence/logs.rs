//! The last lines that say something is wrong: of kubelet's and containerd's journal, and of containers' logs.

use crate::command;
use crate::paths::Paths;
use model::evidence::{Evidence, EvidenceSource};
use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const JOURNALCTL: &str = "/usr/bin/journalctl";

/// How far back the journal is read, and how many lines at most.
const SINCE: &str = "--since=-120s";
const LINES: &str = "--lines=300";

/// Different lines that are told of the journal and of each container.
const OF_JOURNAL: usize = 6;
const OF_CONTAINER: usize = 2;

/// Containers whose logs are read, those that wrote last first; logs that are older than this say nothing of now.
const CONTAINERS: usize = 6;
const FRESH: Duration = Duration::from_secs(300);

/// Bytes of a log's end that are read.
const TAIL: u64 = 8 << 10;

/// Lines in which a program complains.
pub(super) fn journal() -> Vec<Evidence> {
    let args = [
        "--unit=kubelet.service",
        "--unit=containerd.service",
        "--output=cat",
        "--no-pager",
        "--quiet",
        SINCE,
        LINES,
    ];
    let text = command::run(Path::new(JOURNALCTL), args)
        .map(|o| o.stdout)
        .unwrap_or_default();
    complaints(text.lines(), OF_JOURNAL)
        .into_iter()
        .map(|line| Evidence::new(EvidenceSource::Journal, "kubelet or containerd", line))
        .collect()
}

/// The last complaints of containers, by the files that kubelet has containerd write.
pub(super) fn containers(paths: &Paths) -> Vec<Evidence> {
    let mut logs: Vec<(SystemTime, String, PathBuf)> = Vec::new();
    for pod in folders(&paths.at("/var/log/pods")) {
        for container in folders(&pod) {
            let name = container
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let files = fs::read_dir(&container).into_iter().flatten().flatten();
            let newest = files
                .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
                .max();
            logs.extend(newest.map(|(at, path)| (at, name, path)));
        }
    }
    logs.retain(|(at, _, _)| at.elapsed().is_ok_and(|age| age < FRESH));
    logs.sort_by_key(|(at, _, _)| Reverse(*at));
    logs.iter()
        .take(CONTAINERS)
        .flat_map(|(_, name, path)| {
            let text = tail(path).unwrap_or_default();
            let lines: Vec<Evidence> = complaints(text.lines().map(message), OF_CONTAINER)
                .into_iter()
                .map(|line| Evidence::new(EvidenceSource::Container, name.as_str(), line))
                .collect();
            lines
        })
        .collect()
}

fn folders(of: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of a container's log without the time, stream and mark that the runtime puts before it.
fn message(line: &str) -> &str {
    line.splitn(4, ' ').nth(3).unwrap_or(line)
}

/// The last lines that complain, newest first, each kind once: what differs in numbers only is the same.
fn complaints<'a>(lines: impl DoubleEndedIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut kinds: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in lines.rev().filter(|line| complains(line)) {
        let kind: String = line.chars().filter(|c| c.is_alphabetic()).take(120).collect();
        if !kinds.contains(&kind) {
            kinds.push(kind);
            found.push(line);
        }
        if found.len() == most {
            break;
        }
    }
    found
}

fn complains(line: &str) -> bool {
    let klog = line
        .strip_prefix(['E', 'F', 'W'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let lower = line.to_lowercase();
    let words = [
        "error",
        "fail",
        "fatal",
        "panic",
        "refused",
        "unauthorized",
        "denied",
        "no space",
        "too many",
    ];
    klog || words.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_once_and_calm_lines_never() {
        let lines = [
            "I1125 08:00:00.1 1 server.go:1] Started",
            "E1125 08:00:01.1 1 run.go:72] command failed err=1",
            "E1125 08:00:02.2 1 run.go:72] command failed err=2",
            "W1125 08:00:03.0 1 dial: refused",
        ];
        let found = complaints(lines.iter().copied(), 5);
        assert_eq!(found, [lines[3], lines[2]]);
    }

    #[test]
    fn the_newest_log_of_a_container_is_read_without_the_runtimes_own_words() {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let folder = paths.at("/var/log/pods/kube-system_etcd-x_1/etcd");
        fs::create_dir_all(&folder).expect("made");
        fs::write(
            folder.join("3.log"),
            "2026-11-25T08:14:32.1Z stderr F {\"level\":\"fatal\",\"error\":\"address already in use\"}\n",
        )
        .expect("written");
        let found = containers(&paths);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].subject.as_str(), &found[0].text[..8]),
            ("etcd", "{\"level\"")
        );
    }
}
