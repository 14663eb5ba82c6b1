//! Exit codes and error codes: what scripts may rely on.

pub use model::causes::chain;
use std::process::ExitCode;

/// Why a command ended as it did; the number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All done.
    Done,
    /// A fault of ours or of the host while working.
    Internal,
    /// Wrong words on the command line or in the lab document.
    Usage,
    /// A check before the work refused.
    Preflight,
    /// A deadline passed.
    TimedOut,
    /// Some of it is done, some is not.
    Partial,
    /// Somebody else holds what is needed.
    Conflict,
    /// A contract was violated in a drill.
    ContractViolated,
    /// A drill could not tell.
    Inconclusive,
    /// Ctrl-C.
    Interrupted,
}

impl Outcome {
    /// The number of design section 6.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Internal => 1,
            Outcome::Usage => 2,
            Outcome::Preflight => 3,
            Outcome::TimedOut => 4,
            Outcome::Partial => 5,
            Outcome::Conflict => 6,
            Outcome::ContractViolated => 7,
            Outcome::Inconclusive => 8,
            Outcome::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome.code())
    }
}

/// A failure as an operator sees it: the same in text, JSON and events.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub outcome: Outcome,
    /// Stable code, `DY-0xxx`.
    pub code: &'static str,
    /// What failed, first cause included.
    pub message: String,
    /// The command or change that helps.
    pub next: String,
}

impl Failure {
    /// Builds a failure.
    pub fn new(
        outcome: Outcome,
        code: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            outcome,
            code,
            message: message.into(),
            next: next.into(),
        }
    }

    /// From an error with its whole chain of causes.
    pub fn from_error(
        outcome: Outcome,
        code: &'static str,
        error: &(dyn std::error::Error + 'static),
        next: impl Into<String>,
    ) -> Self {
        Self::new(outcome, code, chain(error), next)
    }

    /// The failure as text or as one JSON object, without the line end.
    pub fn render(&self, json: bool) -> String {
        if json {
            let object = serde_json::json!({
                "error": {"code": self.code, "message": self.message, "next": self.next, "exit": self.outcome.code()}
            });
            object.to_string()
        } else {
            format!(
                "error {code}: {}\n  next: {}\n  more: coordinator explain {code}",
                self.message,
                self.next,
                code = self.code
            )
        }
    }

    /// Writes the failure to stderr.
    pub fn print(&self, json: bool) {
        eprintln!("{}", self.render(json));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::catalogue;

    const ALL: [Outcome; 10] = [
        Outcome::Done,
        Outcome::Internal,
        Outcome::Usage,
        Outcome::Preflight,
        Outcome::TimedOut,
        Outcome::Partial,
        Outcome::Conflict,
        Outcome::ContractViolated,
        Outcome::Inconclusive,
        Outcome::Interrupted,
    ];

    /// Of every code, with every exit code that its page lists.
    fn failures() -> impl Iterator<Item = (&'static catalogue::ErrorEntry, Failure)> {
        catalogue::all().flat_map(|entry| {
            let exits = entry.exits.iter().map(|exit| {
                let outcome = ALL.into_iter().find(|outcome| outcome.code() == *exit);
                outcome.unwrap_or_else(|| panic!("{}: nothing ends with {exit}", entry.code))
            });
            // What has none never ends a command; its words are the same in a report.
            let exits: Vec<Outcome> = exits.collect();
            let exits = if exits.is_empty() {
                vec![Outcome::Internal]
            } else {
                exits
            };
            exits.into_iter().map(move |outcome| {
                let message = format!("{}: \"a\" is not b", entry.title);
                (entry, Failure::new(outcome, entry.code, message, entry.next))
            })
        })
    }

    #[test]
    fn text_object_and_page_of_every_code_say_the_same() {
        for (entry, failure) in failures() {
            let object: serde_json::Value = serde_json::from_str(&failure.render(true)).expect("JSON");
            let told = |part: &str| object["error"][part].as_str().unwrap_or_default().to_owned();
            let text = failure.render(false);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0], format!("error {}: {}", told("code"), told("message")));
            assert_eq!(lines[1], format!("  next: {}", told("next")));
            let more = lines[2].strip_prefix("  more: coordinator explain ");
            assert_eq!(more.and_then(catalogue::find), Some(entry), "{text}");
            assert_eq!(lines.len(), 3, "one line each: {text}");
            assert_eq!(object["error"]["exit"], failure.outcome.code());

            let page = catalogue::page(entry);
            let title = format!("# {}: {}", told("code"), entry.title);
            assert_eq!(page.lines().next(), Some(title.as_str()));
            let explained = serde_json::to_value(entry).expect("JSON");
            for part in ["code", "title", "cause", "remedy", "next"] {
                let words = explained[part].as_str().unwrap_or_default();
                assert!(
                    !words.is_empty() && page.contains(words),
                    "{}: {part}",
                    entry.code
                );
            }
            for exit in entry.exits {
                let exits = page.lines().find(|line| line.starts_with("Exit code: "));
                let listed = exits.is_some_and(|line| line.contains(&format!("{exit} (")));
                assert!(listed, "{}: exit code {exit} is not on its page", entry.code);
            }
        }
    }
}
