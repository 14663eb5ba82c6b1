//! What a shell is offered when a key is pressed: the real program is asked as the scripts of `completions` ask it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| tests::lab::program().expect("the program"));

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// What `shell` is offered for the last of `words`, one candidate per line.
fn offered(shell: &str, home: &Path, words: &[&str]) -> Vec<String> {
    let output = Command::new(&*PROGRAM)
        .arg("--")
        .arg("coordinator")
        .args(words)
        .env("COMPLETE", shell)
        // Place of the last word; the program's name is the first one. fish tells none: what it passes ends at the cursor.
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .env("DRILLYARD_HOME", home)
        .env("DRILLYARD_CACHE", home)
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell} {words:?}: {said}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// The words without their help.
fn words_of(shell: &str, lines: &[String]) -> Vec<String> {
    let mark = if shell == "fish" { '\t' } else { ':' };
    let word = |line: &String| line.split(mark).next().unwrap_or_default().to_owned();
    lines.iter().map(word).collect()
}

#[test]
fn names_of_nodes_are_offered_wherever_one_is_typed() {
    let home = tempfile::tempdir().expect("temp");
    let nodes = [
        "mgmt-cp",
        "mgmt-worker",
        "app1-cp",
        "app1-worker",
        "app2-cp",
        "app2-worker",
    ];
    for shell in SHELLS {
        for words in [["status", ""].as_slice(), &["events", "--node", ""]] {
            let lines = offered(shell, home.path(), words);
            let words = words_of(shell, &lines);
            for node in nodes {
                assert!(
                    words.iter().any(|word| word == node),
                    "{shell}: no {node} in {lines:?}"
                );
            }
        }
        let begun = offered(shell, home.path(), &["events", "--node", "app1-cp,app2-"]);
        assert_eq!(
            words_of(shell, &begun),
            ["app1-cp,app2-cp", "app1-cp,app2-worker"],
            "{shell}"
        );
    }
}

#[test]
fn of_a_document_that_is_named_its_own_nodes_are_offered() {
    let home = tempfile::tempdir().expect("temp");
    let document = home.path().join("other.yaml");
    let text = model::lab::Lab::default().to_yaml().replace("app1-", "shop-");
    std::fs::write(&document, text).expect("written");
    let document = document.to_str().expect("UTF-8");
    for words in [
        ["--file", document, "events", "--node", "shop"].as_slice(),
        &["events", "--file", document, "--node", "shop"],
    ] {
        let lines = offered("bash", home.path(), words);
        assert_eq!(lines, ["shop-cp", "shop-worker"], "{words:?}");
    }
}

#[test]
fn clusters_kinds_and_runs_are_offered_too() {
    let home = tempfile::tempdir().expect("temp");
    let run = "4f".repeat(16);
    let folder = home.path().join("drills").join(&run);
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("history.jsonl"), "{\"record\": {}}\n").expect("written");
    for shell in SHELLS {
        let words = |words: &[&str]| words_of(shell, &offered(shell, home.path(), words));
        assert_eq!(words(&["events", "--cluster", ""]), ["mgmt", "app1", "app2"]);
        assert_eq!(words(&["events", "--kind", "clock_"]), ["clock_jump"]);
        assert!(words(&["events", "--kind", "connec"]).contains(&"connection".to_owned()));
        assert_eq!(words(&["report", "4f"]), [run.as_str()], "{shell}");
        assert!(words(&["drill", "recheck", ""]).contains(&run), "{shell}");
    }
}
