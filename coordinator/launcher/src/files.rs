//! Files that must survive a crash whole: written beside, synced, renamed, and the folder synced as well.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::error::LaunchError;

/// Replaces `path` durably; readers see the old or the new text, never a part.
pub(crate) fn write_durably(path: &Path, text: &[u8], mode: u32) -> Result<(), LaunchError> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(&beside)
        .map_err(LaunchError::io("create", &beside))?;
    file.write_all(text)
        .and_then(|()| file.sync_all())
        .map_err(LaunchError::io("write", &beside))?;
    fs::rename(&beside, path).map_err(LaunchError::io("replace", path))?;
    if let Some(folder) = path.parent() {
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(LaunchError::io("sync", folder))?;
    }
    Ok(())
}

/// Writes a file with exactly this mode, without syncing it.
pub(crate) fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), LaunchError> {
    // The mode is given at creation: a secret must not be readable for even a moment.
    let _ = fs::remove_file(path);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(LaunchError::io("write", path))
}

/// Makes a folder and its parents with this mode.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), LaunchError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(LaunchError::io("create", path))
}

/// Removes a folder with everything in it; absent is fine.
pub(crate) fn remove_dir(path: &Path) -> Result<(), LaunchError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(LaunchError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// An exclusive lock on `path`, held until it is dropped. Several launcher processes work at once, one per node.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits for the lock. The file is removed together with what it guards, so after waiting the path may name
    /// another file: then the lock just taken guards nothing, and it is tried again.
    pub(crate) fn take(path: &Path) -> Result<Self, LaunchError> {
        use std::os::unix::fs::MetadataExt;
        loop {
            if let Some(folder) = path.parent() {
                make_dir(folder, 0o700)?;
            }
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path);
            let file = match file {
                // The folder went away between the two calls.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(LaunchError::io("open", path))?,
            };
            let inode = file.metadata().map_err(LaunchError::io("inspect", path))?.ino();
            let locked = Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, errno)| LaunchError::errno("lock", path)(errno))?;
            if fs::metadata(path).is_ok_and(|m| m.ino() == inode) {
                return Ok(Self { _file: locked });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Lock, write_durably, write_file};

    #[test]
    fn files_have_the_mode_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "old").unwrap();
        write_file(&path, "new", 0o600).unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        write_durably(&path, b"newer", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n/lock");
        let first = Lock::take(&path).unwrap();
        std::fs::remove_dir_all(dir.path().join("n")).unwrap();
        let second = Lock::take(&path).unwrap();
        drop(first);
        drop(second);
    }
}
