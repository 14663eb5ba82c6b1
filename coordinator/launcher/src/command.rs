//! Host programs: run to the end or to a limit, output captured, failure told with the program's own last words.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use shell::limited::{self, LimitedError};

use crate::error::LaunchError;

/// How long a tool for links, mounts and disks may take: a slow disk needs seconds, so one that takes this long hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Whether a program of this name is in the search path or where Debian keeps those for root.
pub(crate) fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Runs a program and returns its standard output. `subject` says in the error what it was about.
pub(crate) fn run<I, S>(program: &str, args: I, subject: &str) -> Result<String, LaunchError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    run_within(program, args, subject, LIMIT)
}

/// Like [`run`], for a program that needs another limit.
pub(crate) fn run_within<I, S>(
    program: &str,
    args: I,
    subject: &str,
    limit: Duration,
) -> Result<String, LaunchError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(args);
    into_stdout(program, subject, output_within(command, subject, limit)?)
}

/// Like [`run_within`], with `input` on the program's standard input: how secrets reach a program without a file or argv.
pub(crate) fn run_with_input<I, S>(
    program: &str,
    args: I,
    subject: &str,
    input: &str,
    limit: Duration,
) -> Result<Output, LaunchError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    let mut child = limited::spawn(&mut command).map_err(|e| start_error(program, e))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading gives a broken pipe here; its exit status says more than that. What goes
        // in is far below what a pipe holds, so a program that never reads does not hold us up either.
        if let Err(error) = stdin.write_all(input.as_bytes()) {
            tracing::debug!(program, subject, %error, "input not read to the end");
        }
    }
    finish(child, program, subject, limit)
}

/// What a program says and how it ends; it is killed with its children when it takes longer than `limit`.
pub(crate) fn output_within(
    mut command: Command,
    subject: &str,
    limit: Duration,
) -> Result<Output, LaunchError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = limited::spawn(command.stdin(Stdio::null()));
    let child = spawned.map_err(|e| start_error(&program, e))?;
    finish(child, &program, subject, limit)
}

fn finish(child: Child, program: &str, subject: &str, limit: Duration) -> Result<Output, LaunchError> {
    limited::finish(child, limit).map_err(|error| match error {
        LimitedError::Run(source) => start_error(program, source),
        LimitedError::Hung(limit) => LaunchError::CommandHung {
            program: program.to_owned(),
            subject: subject.to_owned(),
            limit,
        },
    })
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
    use super::{last_lines, run, run_within};
    use crate::error::LaunchError;
    use crate::process::{ProcessId, wait_until};
    use std::time::Duration;

    #[test]
    fn a_failed_program_is_told_with_its_last_words() {
        let error = run("sh", ["-c", "echo first >&2; echo why >&2; exit 3"], "x").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("why") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_program_that_never_ends_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", told.display());
        let limit = Duration::from_millis(500);
        let error = run_within("sh", ["-c", &script], "x", limit).unwrap_err();
        let hung = matches!(&error, LaunchError::CommandHung { limit: l, .. } if *l == limit);
        assert!(hung && error.to_string().contains("sh x"), "{error}");
        let started = std::fs::read_to_string(told).unwrap().trim().parse().unwrap();
        let gone = || ProcessId::of(started).is_none();
        assert!(wait_until(Duration::from_secs(10), gone), "{started} is there");
    }

    #[test]
    fn empty_lines_do_not_count() {
        assert_eq!(last_lines("a\n\nb\n\n", 1), "b");
    }
}
