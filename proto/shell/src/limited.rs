//! A program with a limit: run to its end with its output captured, or ended together with all that it started.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How a program came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum LimitedError {
    /// It cannot be started, or its output cannot be read.
    #[error("cannot run it")]
    Run(#[from] io::Error),
    /// It took longer, and was killed.
    #[error("no end within {0:?}")]
    Hung(Duration),
}

/// Starts it with its output captured, in a process group of its own: what the program itself starts is ended with it.
///
/// # Errors
/// The program is not there or not runnable.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// What a program from [`spawn`] says and how it ends; after `limit` its whole group is killed.
///
/// # Errors
/// [`LimitedError::Hung`] after the limit, [`LimitedError::Run`] when its output cannot be read.
pub fn finish(child: Child, limit: Duration) -> Result<Output, LimitedError> {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    // A thread of its own, left behind with a program that not even SIGKILL ends, such as one that waits for a dead disk.
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    if let Ok(ended) = told.recv_timeout(limit) {
        return Ok(ended?);
    }
    if let Ok(group) = group {
        // Gone in this very moment is fine.
        let _ = killpg(group, Signal::SIGKILL);
    }
    Err(LimitedError::Hung(limit))
}

/// [`spawn`] without an input, and [`finish`].
///
/// # Errors
/// As for those two.
pub fn output(command: &mut Command, limit: Duration) -> Result<Output, LimitedError> {
    finish(spawn(command.stdin(Stdio::null()))?, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_ends_in_time_is_told_whole() {
        let output = output(&mut sh("echo said; echo why >&2; exit 3"), LONG).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, b"said\n");
        assert_eq!(output.stderr, b"why\n");
    }

    #[test]
    fn what_does_not_end_is_killed_with_all_that_it_started() {
        // The write end is open as long as any of the two lives.
        let (read, write) = nix::unistd::pipe().unwrap();
        let mut command = sh("sleep 600 & wait");
        command.stdin(write);
        let child = spawn(&mut command).unwrap();
        drop(command);
        let error = finish(child, Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, LimitedError::Hung(_)), "{error}");
        let mut nothing = [0; 1];
        assert_eq!(nix::unistd::read(&read, &mut nothing), Ok(0));
    }

    #[test]
    fn an_absent_program_is_an_error() {
        let error = output(&mut Command::new("no-such-program-here"), LONG).unwrap_err();
        assert!(matches!(error, LimitedError::Run(_)), "{error}");
    }
}
