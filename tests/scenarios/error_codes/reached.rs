//! The program's refusals: the same code, words and exit, as text and as JSON.

use super::root;
use domain::catalogue::{self, ErrorEntry};
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) struct Ended {
    pub(super) exit: i32,
    pub(super) code: String,
    /// What a person reads.
    pub(super) text: String,
}

impl Ended {
    /// Holds when it was this refusal.
    #[track_caller]
    pub(super) fn must_be(&self, code: &str, exit: i32) {
        assert_eq!((self.code.as_str(), self.exit), (code, exit), "{}", self.text);
    }
}

/// Runs the program with and without `--json` in an empty environment and compares what it says.
pub(super) fn fails(words: &[&str], environment: &[(&str, &Path)]) -> Ended {
    let run = |json: bool| {
        let mut command = Command::new(&*super::PROGRAM);
        command
            .env_remove("HOME")
            .env_remove("DRILLYARD_HOME")
            .env_remove("DRILLYARD_CACHE");
        command
            .args(json.then_some("--json"))
            .args(words)
            .stdin(Stdio::null());
        command.envs(environment.iter().copied()).current_dir(root());
        command.output().expect("runs")
    };
    let (human, machine) = (run(false), run(true));
    let text = String::from_utf8_lossy(&human.stderr).into_owned();
    let line = String::from_utf8_lossy(&machine.stderr).into_owned();
    let object: serde_json::Value = serde_json::from_str(line.trim().lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{line}: {e}"));
    let field = |name: &str| object["error"][name].as_str().unwrap_or_default().to_owned();
    let code = field("code");
    for part in ["message", "next", "code"] {
        assert!(
            text.contains(&field(part)),
            "text and JSON differ in {part}: {text} / {line}"
        );
    }
    assert_eq!(human.status.code(), machine.status.code());
    let exit = human.status.code().unwrap_or(-1);
    assert_eq!(object["error"]["exit"], exit, "{line}");
    let entry: &ErrorEntry = catalogue::find(&code).expect("a code of the table");
    assert!(
        entry.exits.iter().any(|e| i32::from(*e) == exit),
        "{code} does not list exit code {exit}"
    );
    Ended { exit, code, text }
}

struct Case {
    words: &'static [&'static str],
    /// Whether home and cache are named.
    placed: bool,
    code: &'static str,
    exit: i32,
}

const fn case(words: &'static [&'static str], placed: bool, code: &'static str, exit: i32) -> Case {
    Case {
        words,
        placed,
        code,
        exit,
    }
}

const CASES: &[Case] = &[
    case(&["drill", "no-such-drill"], true, "DY-0150", 2),
    case(&["drill", "recheck", "abcd"], true, "DY-0151", 2),
    case(&["status"], false, "DY-0101", 3),
    case(&["--file", "/nonexistent/lab.yaml", "status"], true, "DY-0102", 2),
    case(&["bundle", "build", "--source", "elsewhere"], true, "DY-0104", 2),
    case(&["status"], true, "DY-0112", 3),
    case(&["events"], true, "DY-0112", 3),
    case(&["report"], true, "DY-0112", 3),
    case(&["report", "yesterday"], true, "DY-0130", 2),
    case(&["explain", "DY-9999"], false, "DY-0134", 2),
    case(&["certs", "--at", "tomorrow"], true, "DY-0135", 2),
    case(&["man", "nothing"], false, "DY-0136", 2),
    case(&["replay", "/nonexistent/bundle"], false, "DY-0181", 2),
    // A file that is no archive.
    case(&["replay", "Cargo.toml", "--files"], false, "DY-0181", 2),
    case(&["bundle", "list"], true, "DY-0141", 3),
    case(&["bundle", "verify"], true, "DY-0141", 3),
];

#[test]
fn error_codes_are_what_wrong_input_meets() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, cache) = (dir.path().join("home"), dir.path().join("cache"));
    let places: &[(&str, &Path)] = &[("DRILLYARD_HOME", &home), ("DRILLYARD_CACHE", &cache)];
    for Case {
        words,
        placed,
        code,
        exit,
    } in CASES
    {
        let ended = fails(words, if *placed { places } else { &[] });
        eprintln!("{words:?}");
        ended.must_be(code, *exit);
    }
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "apiVersion: drillyard/v1\nnodes: many\n").expect("written");
    let ended = fails(&["--file", &bad.to_string_lossy(), "status"], places);
    ended.must_be("DY-0103", 2);
}

#[test]
fn error_codes_are_what_a_wrong_host_meets() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, cache) = (dir.path().join("home"), dir.path().join("cache"));
    let places: &[(&str, &Path)] = &[("DRILLYARD_HOME", &home), ("DRILLYARD_CACHE", &cache)];

    // No program is on the search path, so the host cannot be ready.
    let nowhere: &[(&str, &Path)] = &[places[0], places[1], ("PATH", Path::new("/nonexistent"))];
    let ended = fails(&["up"], nowhere);
    ended.must_be("DY-0105", 3);

    // A manifest that names a file which is not there.
    let manifest = serde_json::json!({
        "schemaVersion": 1, "set": "built", "profile": "core", "versions": {},
        "artefacts": [{"path": "bundle/bin/kubectl", "kind": "program", "name": "kubectl", "recipe": "00",
            "sha256": "00", "bytes": 1}],
    });
    std::fs::create_dir_all(cache.join("bundle")).expect("made");
    std::fs::write(cache.join("bundle/manifest.json"), manifest.to_string()).expect("written");
    let ended = fails(&["bundle", "verify"], places);
    ended.must_be("DY-0142", 5);

    // Somebody holds the lab's lock.
    std::fs::create_dir_all(&home).expect("made");
    let lock = std::fs::File::create(home.join("lock")).expect("made");
    lock.lock().expect("locked");
    let ended = fails(&["serve"], places);
    ended.must_be("DY-0160", 6);
}

/// Nothing of a lab is made or removed here: the note alone says whose the name is.
#[test]
fn error_codes_are_what_a_second_home_with_the_same_lab_meets() {
    if !tests::lab::fit() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let (document, note) = (dir.path().join("lab.yaml"), "/run/drillyard-two-homes.home");
    let lab = model::lab::Lab::with_subnet("two-homes", [192, 168, 72]);
    std::fs::write(&document, lab.to_yaml()).expect("written");
    std::fs::create_dir(&first).expect("made");
    std::fs::write(note, first.as_os_str().as_encoded_bytes()).expect("written");
    let places: &[(&str, &Path)] = &[("DRILLYARD_HOME", &second), ("DRILLYARD_CACHE", &second)];
    let (file, home) = (document.to_string_lossy(), second.to_string_lossy());
    let of_the_lab = ["--lab", "two-homes", "--home", &home, "--cache", &home];
    let node = ["--provider", "nspawn", "--name", "a"];
    for words in [
        &["up", "--yes"][..],
        &["down"],
        &[&["node", "remove"], &of_the_lab[..], &node].concat(),
        &[&["node", "network", "remove"], &of_the_lab[..]].concat(),
    ] {
        let ended = fails(&[&["--file", &file], words].concat(), places);
        ended.must_be("DY-0318", 6);
        let next = format!("DRILLYARD_HOME={} coordinator down", first.display());
        assert!(ended.text.contains(&next), "{}", ended.text);
    }
    assert!(!second.exists(), "who is refused leaves nothing");

    std::fs::remove_dir(&first).expect("removed");
    let down = Command::new(&*super::PROGRAM)
        .args(["--file", &file, "down"])
        .envs(places.iter().copied())
        .output()
        .expect("runs");
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert!(!Path::new(note).exists(), "a deleted home blocks nobody");
}
