//! Files that are there, whole, after a power loss: written aside, fsynced, renamed, folder fsynced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Replaces `path` atomically and durably; mode 0600 unless `mode` says otherwise.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    // The leading dot keeps watchers of the folder from taking the unfinished file for a result.
    let aside = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&aside)?;
    // The services run with a umask that takes what others may read away; here the mode is meant as it stands.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&aside, path)?;
    sync_folder(folder)
}

/// Writes a new file for root only that must not survive a reboot, so nothing is synced. Fails when it exists.
pub fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}

/// Makes a folder with its parents and exactly this mode on the last one.
pub fn folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Makes the folder's entries durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; one that is gone is as good as removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes `content` when the file differs; says whether it did. Parents are made.
pub fn write_if_changed(path: &Path, content: &str, mode: u32) -> io::Result<bool> {
    if fs::read_to_string(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    replace(path, content.as_bytes(), mode)?;
    Ok(true)
}

/// Whether group or others may read the file: then a key in it is not a secret.
pub fn is_exposed(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_keeps_the_mode_and_leaves_no_other_file() {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("a.json");
        replace(&path, b"one", 0o600).expect("written");
        replace(&path, b"two", 0o600).expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert!(!is_exposed(&path).expect("stat"));
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }

    #[test]
    fn unchanged_content_is_not_written() {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("x/y.conf");
        assert!(write_if_changed(&path, "a", 0o644).expect("written"));
        assert!(!write_if_changed(&path, "a", 0o644).expect("same"));
        assert!(write_if_changed(&path, "b", 0o644).expect("written"));
    }

    #[test]
    fn a_private_file_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("key");
        create_private(&path, b"k").expect("made");
        assert!(create_private(&path, b"other").is_err());
        assert_eq!(fs::read(&path).expect("read"), b"k");
    }
}
