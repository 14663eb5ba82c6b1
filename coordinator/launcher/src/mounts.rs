//! The host's mounts, and taking ours away again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::run;
use crate::error::LaunchError;
use crate::process::wait_until;

/// One mount of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub target: PathBuf,
    /// File system type.
    pub fs_type: String,
    /// Device or label.
    pub source: String,
}

/// All mounts this process sees, in the order they were made.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn list() -> Result<Vec<Mount>, LaunchError> {
    let path = Path::new("/proc/self/mountinfo");
    let text = match fs::read_to_string(path) {
        // A system without /proc has none of our mounts either: there, nodes come from Multipass.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(LaunchError::io("read", path))?,
    };
    Ok(text.lines().filter_map(parse_line).collect())
}

/// Whether something is mounted exactly there.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn is_mounted(target: &Path) -> Result<bool, LaunchError> {
    Ok(list()?.iter().any(|m| m.target == target))
}

/// Unmounts everything at and below `folder`, the latest first. A mount that stays busy is detached, so that it
/// goes as soon as its last user does; the caller is told which those were.
///
/// # Errors
/// When a mount can neither be unmounted nor detached.
pub fn unmount_below(folder: &Path) -> Result<Vec<PathBuf>, LaunchError> {
    let mut detached = Vec::new();
    let mine: Vec<Mount> = list()?
        .into_iter()
        .filter(|m| m.target.starts_with(folder))
        .collect();
    for mount in mine.iter().rev() {
        // The command and not the system call, so that this crate builds where there is only Multipass.
        let target = mount.target.display().to_string();
        let plain = || run("umount", ["--no-canonicalize", &target], &target).is_ok();
        if wait_until(Duration::from_secs(3), plain) {
            continue;
        }
        let lazily = ["--no-canonicalize", "--lazy", &target];
        run("umount", lazily, &target)?;
        detached.push(mount.target.clone());
    }
    Ok(detached)
}

fn parse_line(line: &str) -> Option<Mount> {
    let (head, tail) = line.split_once(" - ")?;
    let target = unescape(head.split(' ').nth(4)?);
    let mut tail = tail.split(' ');
    Some(Mount {
        target: PathBuf::from(target),
        fs_type: tail.next()?.to_owned(),
        source: unescape(tail.next()?),
    })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |t, (from, to)| t.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::parse_line;

    #[test]
    fn mountinfo_lines_are_read() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse_line(line).unwrap();
        assert_eq!(mount.target.to_str(), Some("/mnt 2"));
        assert_eq!(
            (mount.fs_type.as_str(), mount.source.as_str()),
            ("ext3", "/dev/root")
        );
    }
}
