//! Files that only their owner may read: keys, tokens, journals.
//!
//! A file is either whole or absent: it is made under another name with create-exclusive, synced, renamed, and its
//! directory is synced. A file that somebody else can read is refused, because its content must be taken as known.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a private file could not be used. The path is in the text, the cause in the source.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Reading failed.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Writing, syncing or renaming failed.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Group or others have rights on it.
    #[error("{path} has mode {mode:04o}; group and others must have no rights on it")]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// Permission bits found.
        mode: u32,
    },
}

impl PrivateFileError {
    /// Whether the file just does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Makes a folder of mode 0700 with its parents, or checks the one that is there.
pub fn ensure_dir(path: &Path) -> Result<(), PrivateFileError> {
    let failed = |source| PrivateFileError::Write {
        path: path.to_owned(),
        source,
    };
    if !path.is_dir() {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => sync_parent(path).map_err(failed)?,
        }
    }
    refuse_exposed(path, &fs::metadata(path).map_err(failed)?)
}

/// Replaces `path` by `content` with mode 0600; on return it is on disk.
pub fn write(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    replace(path, content).map_err(|source| PrivateFileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Reads the whole file after checking that nobody else can.
pub fn read(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    let failed = |source| PrivateFileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that it cannot be swapped in between.
    refuse_exposed(path, &file.metadata().map_err(failed)?)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), PrivateFileError> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(PrivateFileError::Exposed {
            path: path.to_owned(),
            mode,
        })
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Two processes may write the same file at once: each has its own, and the last rename wins whole.
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    // A leftover of an earlier process with this number, which died between create and rename; nobody reads it.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn writes_whole_private_files_and_replaces_leftovers() {
        let home = tempfile::tempdir().expect("temp dir");
        let dir = home.path().join("a/b");
        ensure_dir(&dir).expect("made");
        let path = dir.join("key");
        let leftover = dir.join(format!("key.{}.new", std::process::id()));
        fs::write(&leftover, "torn").expect("leftover");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("replaced");
        assert_eq!(read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert!(!leftover.exists());
        assert!(read(&dir.join("none")).expect_err("absent").is_absent());
    }

    #[test]
    fn refuses_what_others_can_read() {
        let home = tempfile::tempdir().expect("temp dir");
        let path = home.path().join("key");
        write(&path, b"x").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(
            read(&path),
            Err(PrivateFileError::Exposed { mode: 0o640, .. })
        ));
        let dir = home.path().join("open");
        fs::create_dir(&dir).expect("dir");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert!(matches!(ensure_dir(&dir), Err(PrivateFileError::Exposed { .. })));
    }
}
