//! The end of the journal of some units.

use crate::command::{self, CommandError, STREAM_BYTES};
use crate::redact;
use std::path::Path;

const JOURNALCTL: &str = "/usr/bin/journalctl";

/// Entries that are read at most.
const ENTRIES: &str = "--lines=20000";

/// The newest entries of all `units` that fit into what is kept of a program's output, the newest last and without
/// secrets; and whether there are older ones.
pub(super) fn newest(units: &[&str]) -> Result<(String, bool), CommandError> {
    let mut args: Vec<String> = units.iter().map(|unit| format!("--unit={unit}")).collect();
    // The newest first: what is too much is cut off at the end of the output.
    let words = [
        "--reverse",
        "--output=short-iso-precise",
        "--no-pager",
        "--quiet",
        "--no-hostname",
        ENTRIES,
    ];
    args.extend(words.map(str::to_owned));
    let text = command::run(Path::new(JOURNALCTL), &args)?.stdout;
    let cut = text.len() >= STREAM_BYTES;
    Ok((redact::clean_cut(&forwards(&text)), cut))
}

/// Entries in their true order. An entry's further lines are indented, and stay below its first one.
fn forwards(reversed: &str) -> String {
    let mut entries: Vec<Vec<&str>> = Vec::new();
    for line in reversed.lines() {
        match entries.last_mut() {
            Some(entry) if line.starts_with(' ') => entry.push(line),
            _ => entries.push(vec![line]),
        }
    }
    let lines = entries.iter().rev().flatten();
    lines.fold(String::with_capacity(reversed.len()), |mut text, line| {
        text.push_str(line);
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn entries_turn_round_and_their_lines_do_not() {
        let reversed = "3 c\n2 b\n  b again\n  and again\n1 a\n";
        assert_eq!(
            super::forwards(reversed),
            "1 a\n2 b\n  b again\n  and again\n3 c\n"
        );
        assert_eq!(super::forwards(""), "");
    }
}
