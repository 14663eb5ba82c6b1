//! Host programs: run to the end, output captured, failure told with the program's own last words.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::LaunchError;

/// Runs a program and returns its standard output. `subject` says in the error what it was about.
pub(crate) fn run<I, S>(program: &str, args: I, subject: &str) -> Result<String, LaunchError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    let output = command.output().map_err(|source| start_error(program, source))?;
    into_stdout(program, subject, output)
}

/// Like [`run`], with `input` on the program's standard input: how secrets reach a program without a file or argv.
pub(crate) fn run_with_input<I, S>(
    program: &str,
    args: I,
    subject: &str,
    input: &str,
) -> Result<Output, LaunchError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| start_error(program, source))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading gives a broken pipe here; its exit status says more than that.
        if let Err(error) = stdin.write_all(input.as_bytes()) {
            tracing::debug!(program, subject, %error, "input not read to the end");
        }
    }
    child
        .wait_with_output()
        .map_err(|source| start_error(program, source))
}

/// Standard output of a finished program, or its failure.
pub(crate) fn into_stdout(program: &str, subject: &str, output: Output) -> Result<String, LaunchError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LaunchError::Command {
        program: program.to_owned(),
        subject: subject.to_owned(),
        status: output.status.to_string(),
        stderr: last_lines(&String::from_utf8_lossy(&output.stderr), 4),
    })
}

/// The last `count` lines that say something, joined for an error text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}

pub(crate) fn start_error(program: &str, source: std::io::Error) -> LaunchError {
    LaunchError::CommandStart {
        program: program.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{last_lines, run};

    #[test]
    fn a_failed_program_is_told_with_its_last_words() {
        let error = run("sh", ["-c", "echo first >&2; echo why >&2; exit 3"], "x").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("why") && text.contains('3'), "{text}");
    }

    #[test]
    fn empty_lines_do_not_count() {
        assert_eq!(last_lines("a\n\nb\n\n", 1), "b");
    }
}
