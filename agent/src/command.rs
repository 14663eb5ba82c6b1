//! Other programs: absolute path, empty environment, no input, own process group, bounded and cleaned output.

use crate::redact;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Most bytes of one stream that are kept; the rest is read and thrown away so that the program never blocks.
pub const STREAM_BYTES: usize = 1 << 20;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot run {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended with another status than success.
    #[error("{}: {status}: {}", name(program), cause(output))]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Its cleaned output, standard error last.
        output: String,
    },
}

impl CommandError {
    /// The program's cleaned output; empty when it never ran.
    pub fn output(&self) -> &str {
        match self {
            CommandError::Start { .. } => "",
            CommandError::Failed { output, .. } => output,
        }
    }
}

/// What a successful program said. `stdout` is raw, as it may be the very secret that was asked for.
#[derive(Debug)]
pub struct Output {
    /// Standard output as it came.
    pub stdout: String,
    /// Standard error, cleaned.
    pub stderr: String,
    /// Wall time it took.
    pub took: Duration,
}

/// Runs `program`, an absolute path, to its end.
pub fn run<I, S>(program: &Path, args: I) -> Result<Output, CommandError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let start = |source| CommandError::Start {
        program: program.to_owned(),
        source,
    };
    let began = Instant::now();
    let mut child = Command::new(crate::failpoint::program(program))
        .args(args)
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/root"), ("LANG", "C.UTF-8")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let err = child.stderr.take();
    let reader = std::thread::spawn(move || err.map(read_capped).unwrap_or_default());
    let stdout = child.stdout.take().map(read_capped).unwrap_or_default();
    let stderr = redact::clean(&reader.join().unwrap_or_default());
    let status = child.wait().map_err(start)?;
    if status.success() {
        return Ok(Output {
            stdout,
            stderr,
            took: began.elapsed(),
        });
    }
    let output = format!("{}{stderr}", redact::clean(&stdout));
    Err(CommandError::Failed {
        program: program.to_owned(),
        status,
        output,
    })
}

fn read_capped(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0u8; 8192];
    let mut cut = false;
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        let room = STREAM_BYTES.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&chunk[..room]);
        cut |= room < n;
    }
    let mut text = String::from_utf8_lossy(&kept).into_owned();
    if cut {
        text.push_str("\n[output cut here]\n");
    }
    text
}

fn name(program: &Path) -> &str {
    program.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

/// The line that names the cause: kubeadm's first error line, else the last one that says something.
fn cause(output: &str) -> String {
    let lines = || output.lines().map(str::trim).filter(|l| !l.is_empty());
    let said = lines()
        .find(|l| l.starts_with("[ERROR "))
        .or_else(|| lines().find(|l| l.starts_with("error: ") || l.starts_with("error execution phase")))
        .or_else(|| lines().next_back())
        .unwrap_or("no output");
    said.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_program_status_and_cause() {
        let script = "echo '  [ERROR Port-6443]: Port 6443 is in use' >&2; echo more >&2; exit 2";
        let error = run(Path::new("/bin/sh"), ["-c", script]).expect_err("fails");
        let text = error.to_string();
        assert!(
            text.contains("sh: exit status: 2") && text.contains("[ERROR Port-6443]"),
            "{text}"
        );
    }

    #[test]
    fn the_environment_is_ours_alone_and_a_flood_does_not_block() {
        let out = run(Path::new("/usr/bin/env"), std::iter::empty::<&str>()).expect("runs");
        assert_eq!(out.stdout.lines().count(), 3, "{}", out.stdout);
        let out = run(Path::new("/usr/bin/head"), ["-c", "3000000", "/dev/zero"]).expect("runs");
        assert!(out.stdout.len() < STREAM_BYTES + 100);
    }

    #[test]
    fn a_missing_program_is_told() {
        assert!(matches!(
            run(Path::new("/nonexistent"), ["x"]),
            Err(CommandError::Start { .. })
        ));
    }
}
