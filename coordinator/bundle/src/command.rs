//! Runs a builder's command: output to a log of its own, a tick every second, the log's end in the error.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::artefact::ArtefactId;
use crate::error::{At as _, BuildError};
use crate::paths;

/// Lines of the log that an error shows.
const TAIL: usize = 20;
/// How often the child is asked whether it ended.
const POLL: Duration = Duration::from_millis(50);

/// Debian packages of the commands that are run, for the error that names a missing one.
const PACKAGES: [(&str, &str); 5] =
    [("cc", "gcc"), ("mmdebstrap", "mmdebstrap"), ("go", "golang"), ("cargo", "cargo"), ("unshare", "util-linux")];

/// Runs `command` to its end. Its output goes to `log/NAME.log`, replacing an earlier one.
pub(crate) fn run(
    command: &mut Command,
    artefact: &ArtefactId,
    cache: &Path,
    tick: &mut dyn FnMut(),
) -> Result<(), BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let folder = paths::logs(cache);
    fs::create_dir_all(&folder).at("create", &folder)?;
    let log = folder.join(format!("{}.log", artefact.file_stem()));
    let out = File::create(&log).at("create", &log)?;
    let err = out.try_clone().at("open", &log)?;
    let spawned = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let mut child = spawned.map_err(|source| missing(&program, source))?;
    let mut last = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().at("wait for", Path::new(&program))? {
            break status;
        }
        if last.elapsed() >= Duration::from_secs(1) {
            last = Instant::now();
            tick();
        }
        thread::sleep(POLL);
    };
    if status.success() {
        return Ok(());
    }
    let tail = tail(&log);
    Err(BuildError::Command { artefact: artefact.clone(), program, status: status.to_string(), log, tail })
}

/// Runs a short command and returns what it prints.
pub(crate) fn output(command: &mut Command, artefact: &ArtefactId) -> Result<String, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|source| missing(&program, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(BuildError::Command {
        artefact: artefact.clone(),
        program,
        status: output.status.to_string(),
        log: PathBuf::from("(none)"),
        tail: last_lines(&String::from_utf8_lossy(&output.stderr)),
    })
}

fn missing(program: &str, source: std::io::Error) -> BuildError {
    let package = PACKAGES.iter().find(|(tool, _)| *tool == program).map(|(_, package)| *package);
    match package {
        Some(package) if source.kind() == std::io::ErrorKind::NotFound => {
            BuildError::MissingTool { tool: program.to_owned(), package }
        }
        _ => BuildError::Io { action: "start", path: program.into(), source },
    }
}

fn tail(log: &Path) -> String {
    fs::read(log).map(|bytes| last_lines(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::ArtefactKind;

    #[test]
    fn error_carries_the_logs_last_lines() {
        let cache = tempfile::tempdir().unwrap();
        let artefact = ArtefactId::new(ArtefactKind::Program, "failing");
        let mut shell = Command::new("sh");
        shell.args(["-c", "for i in $(seq 30); do echo line $i; done; exit 3"]);
        let error = run(&mut shell, &artefact, cache.path(), &mut || {}).unwrap_err();
        let BuildError::Command { tail, status, log, .. } = error else { panic!("{error}") };
        assert!(tail.starts_with("line 11\n") && tail.ends_with("line 30"), "{tail}");
        assert!(status.contains('3') && log.exists());
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = missing("mmdebstrap", std::io::ErrorKind::NotFound.into());
        assert!(error.to_string().contains("Debian package: mmdebstrap"), "{error}");
    }
}
