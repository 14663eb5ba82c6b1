//! Error codes: the sources, the table, the pages and what the program prints must say the same.

mod drill_files;
mod reached;
mod unreached;

use domain::catalogue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use unreached::{MOST, UNREACHED};

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| tests::lab::program().expect("the program"));

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Text of every Rust file of the workspace but those of the table, this one, and the list of what is not reached.
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
        let lists = ["error_codes.rs", "unreached.rs"]
            .iter()
            .any(|name| path.ends_with(name));
        !lists && !path.to_string_lossy().contains("src/catalogue")
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
    let is_test = |part: &str| matches!(part, "tests" | "scenarios") || part.ends_with("tests.rs");
    let mut parts = path.components().filter_map(|part| part.as_os_str().to_str());
    if parts.any(is_test) {
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

/// The part of a file that is a test, without its comments: who only speaks of a code does not reach it. Programs and helpers
/// of the tests' own crate are none.
fn test_code(path: &Path, text: &str) -> String {
    let here = path.strip_prefix(root()).unwrap_or(path);
    if here.starts_with("tests/src") || here.starts_with("tests/bench") {
        return String::new();
    }
    let lines = text[product(path, text).len()..].lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<&str> = code
        .map(|line| line.split_once(" // ").map_or(line, |(code, _)| code))
        .collect();
    code.join("\n")
}

#[test]
fn error_codes_in_comments_and_helpers_reach_nothing() {
    let text = "fn a() {}\n#[cfg(test)]\n/// DY-0001\nfn b() { // DY-0002\n    is(\"DY-0003\");\n}\n";
    let of = |path: &str| codes(&test_code(&root().join(path), text));
    assert_eq!(of("agent/src/lib.rs"), BTreeSet::from(["DY-0003".to_owned()]));
    assert_eq!(of("tests/src/lib.rs"), BTreeSet::new());
}

/// A code is reached when a test names it, or names the constant or the variant that stands for it.
#[test]
fn error_codes_are_reached_by_tests_or_say_what_it_would_take() {
    let sources = sources();
    let names = names_of_codes(&sources);
    let mut reached = BTreeSet::new();
    for (path, text) in &sources {
        let test = test_code(path, text);
        reached.extend(codes(&test));
        let named = names.iter().filter(|(name, _)| test.contains(name.as_str()));
        reached.extend(named.map(|(_, code)| code.clone()));
    }
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
        UNREACHED.len() <= MOST,
        "{} codes say why no test reaches them, {MOST} may",
        UNREACHED.len()
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

#[test]
fn error_codes_are_explained_as_their_pages_say() {
    // Each is a start of the program, so every seventh code stands for all; the tests of coordinator::exit compare them all.
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
