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
