//! Runs a build tool: output into a log file, a tick per second, and on failure the log's end in the error.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shell::limited::{self, LimitedError};

use crate::durable;
use crate::error::{At, BuildError};

const POLL: Duration = Duration::from_millis(100);
const TAIL_LINES: usize = 20;

/// Called about once a second with the time spent so far.
pub(crate) type Tick<'a> = &'a mut dyn FnMut(Duration);

/// A command that ends with us: a killed builder must not leave a compiler behind that writes into its folders.
/// At once, because `unshare` ignores a request to end while it waits for its child.
pub(crate) fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Runs `command` to its end. `artefact` is what it makes, for the error's text.
pub(crate) fn run(
    mut command: Command,
    artefact: &str,
    log: &Path,
    tick: Tick<'_>,
) -> Result<(), BuildError> {
    durable::parent(log)?;
    let out = File::create(log).at("create", log)?;
    let err = out.try_clone().at("open", log)?;
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let begun = now();
    let mut child = command
        .spawn()
        .map_err(|source| missing(&command, artefact, source))?;
    let mut told = 0;
    let status = loop {
        if let Some(status) = child
            .try_wait()
            .at("wait for the builder of", Path::new(artefact))?
        {
            break status;
        }
        std::thread::sleep(POLL);
        if begun.elapsed().as_secs() > told {
            told = begun.elapsed().as_secs();
            tick(begun.elapsed());
        }
    };
    if status.success() {
        return Ok(());
    }
    Err(failed(artefact, &status.to_string(), log.to_owned()))
}

/// Runs a command that shows nothing meanwhile, and returns what it prints; it is killed when it takes longer than `limit`.
pub(crate) fn capture(mut command: Command, artefact: &str, limit: Duration) -> Result<String, BuildError> {
    let out = limited::output(&mut command, limit).map_err(|error| match error {
        LimitedError::Run(source) => missing(&command, artefact, source),
        LimitedError::Hung(limit) => BuildError::Hung {
            command: spelled(&command),
            artefact: artefact.to_owned(),
            limit,
        },
    })?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let answer = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    Err(BuildError::Answer {
        tool: command.get_program().to_string_lossy().into_owned(),
        answer,
    })
}

/// The command as one would type it.
fn spelled(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn missing(command: &Command, artefact: &str, source: std::io::Error) -> BuildError {
    let tool = command.get_program().to_string_lossy().into_owned();
    BuildError::MissingTool {
        tool,
        artefact: artefact.to_owned(),
        source,
    }
}

fn failed(artefact: &str, status: &str, log: PathBuf) -> BuildError {
    let text = fs::read(&log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    BuildError::Failed {
        artefact: artefact.to_owned(),
        status: status.to_owned(),
        log,
        tail,
    }
}

/// The clock that measures build steps; it decides nothing.
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_end_of_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log/x.log");
        let mut command = tied("sh");
        command.args(["-c", "seq 30; echo broken >&2; exit 3"]);
        let error = run(command, "x", &log, &mut |_| {}).unwrap_err();
        let BuildError::Failed { tail, status, .. } = error else {
            panic!("{error}")
        };
        assert!(tail.ends_with("30\nbroken"), "{tail}");
        assert_eq!(tail.lines().count(), 20);
        assert!(status.contains('3'), "{status}");
    }

    #[test]
    fn an_absent_tool_is_named() {
        let error = capture(Command::new("no-such-tool-here"), "x", POLL).unwrap_err();
        assert!(error.to_string().contains("no-such-tool-here"), "{error}");
    }

    #[test]
    fn a_tool_that_never_ends_is_named_with_its_limit() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let error = capture(command, "x", POLL).unwrap_err().to_string();
        assert!(
            error.contains("`sleep 600`") && error.contains("100ms"),
            "{error}"
        );
    }
}
