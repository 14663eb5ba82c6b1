//! A program as a child process: what it says goes into a file, and it is killed when dropped.

use crate::patience::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a program may take until it answers.
pub const START: Duration = Duration::from_secs(60);

/// Last lines of its log that an error shows.
const TAIL: usize = 20;

/// One that runs, or has ended by itself.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it; what it says is appended to `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let started = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|output| {
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(output)
                    .spawn()
            });
        let child = started.map_err(|e| format!("{program} with its log in {}: {e}", log.display()))?;
        Ok(Self { child, log })
    }

    /// Waits until `ask` gets an answer; else what was the matter, with the last lines of its log.
    pub fn until_it_answers<T>(
        &self,
        what: &str,
        mut ask: impl FnMut() -> Result<T, String>,
    ) -> Result<T, String> {
        until(what, START, || {
            ask().map_err(|e| format!("{e}\n{}", self.log_tail()))
        })
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).map_err(|e| e.to_string())?;
        kill(Pid::from_raw(pid), signal).map_err(|e| e.to_string())
    }

    /// Ends it by `signal` and waits until it is gone.
    pub fn end(mut self, signal: Signal) -> Result<(), String> {
        self.signal(signal)?;
        self.child.wait().map(drop).map_err(|e| e.to_string())
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// Whether it said this.
    pub fn logged(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
