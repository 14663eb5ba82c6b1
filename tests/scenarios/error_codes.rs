//! Error codes: the sources, the table, the pages and what the program prints must say the same.

use domain::catalogue::{self, ErrorEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| tests::lab::program().expect("the program"));

/// Codes that no test reaches by name, each with what it would take.
const UNREACHED: &[(&str, &str)] = &[
    ("DY-0100", "a host that refuses a thread or an event queue"),
    ("DY-0106", "a package that the host's package manager refuses"),
    (
        "DY-0110",
        "a daemon that dies while it starts: needs root and the lab's port taken",
    ),
    (
        "DY-0111",
        "a daemon that needs more than 30 s to its first answer",
    ),
    (
        "DY-0113",
        "refusals of a running daemon: the lab test meets them, unnamed",
    ),
    ("DY-0114", "two releases at once"),
    ("DY-0120", "a daemon that is stopped while `up` follows it"),
    ("DY-0121", "a real run that waits at a gate without a terminal"),
    ("DY-0122", "a real run with a step that fails for good"),
    ("DY-0123", "a real run that takes longer than a minute"),
    ("DY-0124", "two releases at once"),
    ("DY-0131", "a home that root cannot delete"),
    ("DY-0132", "a daemon that ignores its stop"),
    ("DY-0133", "a home that root cannot rename in"),
    ("DY-0137", "a terminal that refuses raw mode"),
    ("DY-0140", "a failing compiler"),
    ("DY-0152", "a home whose history root cannot read"),
    ("DY-0153", "a disk that fills up in a drill"),
    ("DY-0180", "a folder in which root cannot make a file"),
    (
        "DY-0181",
        "the archive's own tests damage it; the command's text is not run",
    ),
    ("DY-0210", "a failing Terraform in a real run"),
    ("DY-0211", "a damaged component folder in a real run"),
    ("DY-0212", "a plan that is older than its lab document"),
    ("DY-0215", "a lost kubeconfig in a real run"),
    ("DY-0216", "a component that never gets ready"),
    ("DY-0217", "manifests that an API server refuses in a real run"),
    ("DY-0506", "a node without its image archives"),
    ("DY-0523", "the model refuses such an order before it is made"),
    ("DY-0525", "the front asks until the helper answers"),
    ("DY-0301", "a run without root"),
    (
        "DY-0302",
        "the lab document's rules refuse such a node before the launcher sees it",
    ),
    ("DY-0305", "a host program that vanishes after the host check"),
    ("DY-0307", "a file operation that fails for root"),
    ("DY-0309", "a cache without a root file system in a real run"),
    ("DY-0310", "a damaged content store in a real run"),
    ("DY-0312", "a node whose init dies while it boots"),
    ("DY-0313", "a node that needs minutes to boot"),
    (
        "DY-0315",
        "a power change of a node in another state, on a real lab",
    ),
    ("DY-0316", "a mount that survives its removal"),
    ("DY-0321", "a host without Terraform after the host check"),
    ("DY-0322", "a home that root cannot write"),
    ("DY-0323", "a Terraform of another major version"),
    (
        "DY-0324",
        "tests/terraform.rs of the launcher meets it by its message",
    ),
    ("DY-0502", "a node whose disk refuses a write"),
    ("DY-0503", "a step beyond its ceiling of minutes"),
    ("DY-0505", "the probes meet it by its message"),
    ("DY-0507", "the secret's own tests meet it by its message"),
    (
        "DY-0524",
        "tests/full_disk.rs of the agent meets it by the condition",
    ),
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Text of every Rust file of the workspace but those of the table and this one.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = ["agent", "coordinator", "proto", "tests"]
        .iter()
        .map(|dir| root().join(dir))
        .collect();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                found.insert(path, text);
            }
        }
    }
    found.retain(|path, _| {
        !path.ends_with("error_codes.rs") && !path.to_string_lossy().contains("src/catalogue")
    });
    assert!(found.len() > 100, "only {} files found", found.len());
    found
}

/// Every `DY-` with four digits in `text`.
fn codes(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (at, _) in text.match_indices("DY-") {
        let digits: String = text[at + 3..].chars().take_while(char::is_ascii_digit).collect();
        if digits.len() == 4 {
            all.insert(format!("DY-{digits}"));
        }
    }
    all
}

/// The part of a file that is no test.
fn product(path: &Path, text: &str) -> String {
    if path
        .components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "scenarios")))
    {
        return String::new();
    }
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn error_codes_of_the_sources_are_exactly_those_of_the_table() {
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        used.extend(codes(&product(&path, &text)));
    }
    let listed: BTreeSet<String> = catalogue::all().map(|entry| entry.code.to_owned()).collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(&used).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "without an entry in coordinator/domain/src/catalogue/: {missing:?}; with an entry but used nowhere: {unused:?}"
    );
}

#[test]
fn error_codes_have_the_pages_that_the_table_makes() {
    let dir = root().join("docs/errors");
    let mut wanted: BTreeMap<String, String> = catalogue::all()
        .map(|entry| (format!("{}.md", entry.code), catalogue::page(entry)))
        .collect();
    wanted.insert("README.md".into(), catalogue::index());
    let there = || {
        std::fs::read_dir(&dir)
            .expect("docs/errors")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect::<BTreeSet<_>>()
    };
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        for name in there().iter().filter(|name| !wanted.contains_key(*name)) {
            std::fs::remove_file(dir.join(name)).expect("removed");
        }
        for (name, text) in &wanted {
            std::fs::write(dir.join(name), text).expect("written");
        }
    }
    assert_eq!(there(), wanted.keys().cloned().collect::<BTreeSet<_>>());
    for (name, text) in wanted {
        let kept = std::fs::read_to_string(dir.join(&name)).expect("a page");
        assert!(
            kept == text,
            "docs/errors/{name} is stale: set DRILLYARD_REGENERATE=1 and run this test again"
        );
    }
}

/// A code is reached when a test names it, or names the constant or the variant that stands for it.
#[test]
fn error_codes_are_reached_by_tests_or_say_what_it_would_take() {
    let sources = sources();
    let names = names_of_codes(&sources);
    let mut reached = BTreeSet::new();
    for (path, text) in &sources {
        let test = &text[product(path, text).len()..];
        reached.extend(codes(test));
        let named = names.iter().filter(|(name, _)| test.contains(name.as_str()));
        reached.extend(named.map(|(_, code)| code.clone()));
    }
    let own = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/error_codes.rs"))
        .expect("this file");
    let (_, scenarios) = own.split_once("// Reached below.").expect("the mark");
    reached.extend(codes(scenarios));
    let excused: BTreeSet<String> = UNREACHED.iter().map(|(code, _)| (*code).to_owned()).collect();
    let all: BTreeSet<String> = catalogue::all().map(|entry| entry.code.to_owned()).collect();
    let silent: Vec<_> = all
        .difference(&reached)
        .filter(|code| !excused.contains(*code))
        .collect();
    let stale: Vec<_> = excused.intersection(&reached).collect();
    assert!(
        silent.is_empty(),
        "no test reaches {silent:?}, and UNREACHED does not say why"
    );
    assert!(
        stale.is_empty(),
        "{stale:?} are reached now: take them out of UNREACHED"
    );
}

/// `Enum::Variant` and `codes::NAME`, as tests write them, with the code each stands for.
fn names_of_codes(sources: &BTreeMap<PathBuf, String>) -> BTreeMap<String, String> {
    let constants: BTreeMap<String, String> = agent_constants().into_iter().collect();
    let mut names: BTreeMap<String, String> = constants
        .iter()
        .map(|(name, code)| (format!("codes::{name}"), code.clone()))
        .collect();
    for text in sources.values() {
        let mut owner = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix("impl ")
                .and_then(|rest| rest.strip_suffix(" {"))
            {
                name.clone_into(&mut owner);
            }
            let Some((pattern, result)) = line.split_once(" => ") else {
                continue;
            };
            let variant: String = pattern
                .rsplit("::")
                .next()
                .unwrap_or_default()
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            let constant = result.strip_prefix("codes::").unwrap_or_default();
            let code = match result.strip_prefix("\"DY-") {
                Some(_) => codes(result).into_iter().next(),
                None => constants.get(constant.trim_end_matches(',')).cloned(),
            };
            if let Some(code) = code.filter(|_| !variant.is_empty()) {
                names.insert(format!("{owner}::{variant}"), code);
            }
        }
    }
    names
}

fn agent_constants() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("agent/src/codes.rs")).expect("codes");
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("pub const ")?.split_once(':')?;
            Some((name.to_owned(), codes(rest).into_iter().next()?))
        })
        .collect()
}

// Reached below.

struct Ended {
    exit: i32,
    code: String,
    text: String,
}

/// Runs the program with and without `--json` in an empty environment and compares what it says.
fn fails(words: &[&str], environment: &[(&str, &Path)]) -> Ended {
    let run = |json: bool| {
        let mut command = Command::new(&*PROGRAM);
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
        assert_eq!(
            (ended.code.as_str(), ended.exit),
            (*code, *exit),
            "{words:?}: {}",
            ended.text
        );
    }
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "apiVersion: drillyard/v1\nnodes: many\n").expect("written");
    let ended = fails(&["--file", &bad.to_string_lossy(), "status"], places);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0103", 2),
        "{}",
        ended.text
    );
}

/// Whoever writes a drill of their own learns which field is wrong, and still sees the others.
#[test]
fn a_wrong_drill_file_hides_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, project) = (dir.path().join("home"), dir.path().join("project"));
    let drills = project.join("values/drills");
    std::fs::create_dir_all(&drills).expect("made");
    let good = std::fs::read_to_string(root().join("values/drills/worker-loss.yaml")).expect("shipped");
    let wrong =
        good.replacen("name: worker-loss", "name: mine", 1)
            .replacen("periodMs: 50", "periodMs: 1", 1);
    for (name, text) in [
        ("worker-loss", &good),
        ("mine", &wrong),
        ("other", &"nothing".into()),
    ] {
        std::fs::write(drills.join(format!("{name}.yaml")), text).expect("written");
    }
    let places: &[(&str, &Path)] = &[
        ("DRILLYARD_HOME", &home),
        ("DRILLYARD_CACHE", &home),
        ("DRILLYARD_PROJECT", &project),
    ];
    let ended = fails(&["drill", "mine"], places);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0150", 2),
        "{}",
        ended.text
    );
    for part in [
        "mine.yaml",
        "probes[0].periodMs",
        "coordinator drill show --schema",
    ] {
        assert!(ended.text.contains(part), "{part} is not in {}", ended.text);
    }
    let ended = fails(&["drill", "list"], places);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0150", 2),
        "{}",
        ended.text
    );
    assert!(
        ended.text.contains("mine.yaml") && ended.text.contains("other.yaml"),
        "{}",
        ended.text
    );
    let list = Command::new(&*PROGRAM)
        .args(["drill", "list"])
        .envs(places.iter().copied())
        .output();
    let shown = String::from_utf8(list.expect("runs").stdout).expect("text");
    assert!(
        shown.starts_with("worker-loss ") && shown.lines().count() == 1,
        "{shown}"
    );
    let nowhere = [
        places[0],
        places[1],
        ("DRILLYARD_PROJECT", Path::new("/nonexistent")),
    ];
    let ended = fails(&["drill", "list"], &nowhere);
    assert!(ended.text.contains("set DRILLYARD_PROJECT"), "{}", ended.text);
}

#[test]
fn error_codes_are_what_a_wrong_host_meets() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, cache) = (dir.path().join("home"), dir.path().join("cache"));
    let places: &[(&str, &Path)] = &[("DRILLYARD_HOME", &home), ("DRILLYARD_CACHE", &cache)];

    // No program is on the search path, so the host cannot be ready.
    let nowhere: &[(&str, &Path)] = &[places[0], places[1], ("PATH", Path::new("/nonexistent"))];
    let ended = fails(&["up"], nowhere);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0105", 3),
        "{}",
        ended.text
    );

    // A manifest that names a file which is not there.
    let manifest = serde_json::json!({
        "schemaVersion": 1, "set": "built", "profile": "core", "versions": {},
        "artefacts": [{"path": "bundle/bin/kubectl", "kind": "program", "name": "kubectl", "recipe": "00",
            "sha256": "00", "bytes": 1}],
    });
    std::fs::create_dir_all(cache.join("bundle")).expect("made");
    std::fs::write(cache.join("bundle/manifest.json"), manifest.to_string()).expect("written");
    let ended = fails(&["bundle", "verify"], places);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0142", 5),
        "{}",
        ended.text
    );

    // Somebody holds the lab's lock.
    std::fs::create_dir_all(&home).expect("made");
    let lock = std::fs::File::create(home.join("lock")).expect("made");
    lock.lock().expect("locked");
    let ended = fails(&["serve"], places);
    assert_eq!(
        (ended.code.as_str(), ended.exit),
        ("DY-0160", 6),
        "{}",
        ended.text
    );
}

#[test]
fn error_codes_are_explained_as_their_pages_say() {
    // Each is a start of the program, so every seventh code stands for all.
    for entry in catalogue::all().step_by(7) {
        let output = Command::new(&*PROGRAM)
            .args(["explain", entry.code])
            .output()
            .expect("runs");
        let page =
            std::fs::read_to_string(root().join(format!("docs/errors/{}.md", entry.code))).expect("a page");
        assert_eq!(String::from_utf8_lossy(&output.stdout), page);
        let output = Command::new(&*PROGRAM)
            .args(["explain", entry.code, "--json"])
            .output()
            .expect("runs");
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for part in ["code", "title", "cause", "remedy", "next"] {
            let text = object[part].as_str().unwrap_or_default();
            assert!(
                !text.is_empty() && page.contains(text),
                "{}: {part} differs",
                entry.code
            );
        }
    }
}
