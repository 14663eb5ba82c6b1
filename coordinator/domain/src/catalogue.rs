//! Every error code once: what happened, why, and what to do. `coordinator explain`, the pages below `docs/errors/` and
//! the JSON form are made from this table; tests/scenarios/error_codes.rs holds the sources and the pages to it.

mod agent;
mod diagnosis;
mod host;
mod launcher;
mod operator;

use serde::Serialize;
use std::fmt::Write as _;

/// One error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// `DY-0xxx`, never reused.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Exit codes of the commands that end with it.
    pub exits: &'static [u8],
    /// Why it happens.
    pub cause: &'static str,
    /// How it is put right.
    pub remedy: &'static str,
    /// The command to type next.
    pub next: &'static str,
}

/// All entries, in order of their codes.
pub fn all() -> impl Iterator<Item = &'static ErrorEntry> {
    [
        operator::ENTRIES,
        host::ENTRIES,
        launcher::ENTRIES,
        agent::ENTRIES,
        diagnosis::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// The entry of `code`; also `dy-123` or `123` is understood.
pub fn find(code: &str) -> Option<&'static ErrorEntry> {
    let digits = code
        .trim()
        .trim_start_matches(['D', 'd'])
        .trim_start_matches(['Y', 'y'])
        .trim_start_matches('-');
    let number: u16 = digits.parse().ok()?;
    let wanted = format!("DY-{number:04}");
    all().find(|entry| entry.code == wanted)
}

/// The page of an entry, as it stands below `docs/errors/` and as `explain` prints it.
pub fn page(entry: &ErrorEntry) -> String {
    let ErrorEntry {
        code,
        title,
        cause,
        remedy,
        next,
        ..
    } = entry;
    let exits: Vec<String> = entry
        .exits
        .iter()
        .map(|code| format!("{code} ({})", exit_word(*code)))
        .collect();
    format!(
        "# {code}: {title}\n\nExit code: {}\n\n## Cause\n\n{cause}\n\n## Remedy\n\n{remedy}\n\n## Next command\n\n    {next}\n",
        exits.join(", ")
    )
}

/// The list of all pages, for `docs/errors/README.md`.
pub fn index() -> String {
    let mut out = String::from(
        "# Error codes\n\n`coordinator explain DY-0112` prints a page. All of this is made from the table in\n\
         `coordinator/domain/src/catalogue/`; after a change there:\n\
         `DRILLYARD_REGENERATE=1 cargo test -p tests --test scenarios error_codes`.\n\n| code | title | exit code |\n|---|---|---|\n",
    );
    for entry in all() {
        let exits: Vec<String> = entry.exits.iter().map(u8::to_string).collect();
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | {1} | {2} |",
            entry.code,
            entry.title,
            exits.join(", ")
        );
    }
    out
}

/// What an exit code means.
pub fn exit_word(code: u8) -> &'static str {
    match code {
        0 => "done",
        1 => "internal failure",
        2 => "usage",
        3 => "preflight refused",
        4 => "timed out",
        5 => "partial",
        6 => "conflict",
        7 => "contract violated",
        8 => "inconclusive",
        130 => "interrupted",
        _ => "not used",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_complete() {
        let codes: Vec<_> = all().map(|entry| entry.code).collect();
        assert!(codes.is_sorted(), "{codes:?}");
        for pair in codes.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        for entry in all() {
            let texts = [entry.title, entry.cause, entry.remedy, entry.next];
            assert!(
                texts
                    .iter()
                    .all(|text| !text.trim().is_empty() && *text == text.trim()),
                "{}",
                entry.code
            );
            assert!(!entry.exits.is_empty() && entry.exits.iter().all(|code| exit_word(*code) != "not used"));
            assert!(
                !entry.title.ends_with('.') && entry.cause.ends_with('.') && entry.remedy.ends_with('.'),
                "{}",
                entry.code
            );
        }
    }

    #[test]
    fn codes_are_found_however_they_are_written() {
        for text in ["DY-0112", "dy-0112", "0112", "112", " DY-112 "] {
            assert_eq!(find(text).map(|entry| entry.code), Some("DY-0112"), "{text}");
        }
        for text in ["", "DY-", "DY-9999", "DY-01120", "-1", "x"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
