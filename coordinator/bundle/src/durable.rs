//! Files that are whole or absent: written beside, synced, renamed, folder synced. An interrupt costs one artefact.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{At, BuildError};

const DYING: Duration = Duration::from_millis(100);

/// A name beside `path` for what is not finished yet. Leftovers are overwritten by the next try.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Creates the folder that will hold `path`.
pub(crate) fn parent(path: &Path) -> Result<(), BuildError> {
    match path.parent() {
        Some(dir) => fs::create_dir_all(dir).at("create", dir),
        None => Ok(()),
    }
}

/// Replaces a small file durably.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    parent(path)?;
    let new = beside(path);
    let mut file = File::create(&new).at("create", &new)?;
    file.write_all(bytes).at("write", &new)?;
    file.sync_all().at("sync", &new)?;
    drop(file);
    publish(&new, path)
}

/// Makes what was written to a file, or the names in a folder, durable.
pub(crate) fn sync(path: &Path) -> Result<(), BuildError> {
    File::open(path).and_then(|f| f.sync_all()).at("sync", path)
}

/// Syncs every file and folder below `root` and `root` itself; returns how many. For small folders: one of a whole root file
/// system is synced with its file system.
pub(crate) fn sync_dir(root: &Path) -> Result<usize, BuildError> {
    let mut synced = 0;
    for entry in walkdir::WalkDir::new(root).contents_first(true) {
        let entry = entry.map_err(std::io::Error::from).at("walk", root)?;
        // A link has nothing of its own to sync: its folder holds it.
        if entry.file_type().is_file() || entry.file_type().is_dir() {
            sync(entry.path())?;
            synced += 1;
        }
    }
    Ok(synced)
}

/// Gives a finished file or folder its final name. The caller has synced its content.
pub(crate) fn publish(new: &Path, path: &Path) -> Result<(), BuildError> {
    fs::rename(new, path).at("rename to", path)?;
    match path.parent() {
        Some(dir) => sync(dir),
        None => Ok(()),
    }
}

/// Replaces a folder by a finished one. There is a moment without either; its record is written only afterwards.
pub(crate) fn publish_dir(new: &Path, path: &Path) -> Result<(), BuildError> {
    if path.symlink_metadata().is_ok() {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".old");
        let old = path.with_file_name(name);
        remove_dir(&old)?;
        fs::rename(path, &old).at("rename", path)?;
        publish(new, path)?;
        return remove_dir(&old);
    }
    publish(new, path)
}

/// Removes a folder with everything in it, also where files or folders are read-only; absent is fine.
pub(crate) fn remove_dir(path: &Path) -> Result<(), BuildError> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == ErrorKind::PermissionDenied && tries == 0 => make_writable(path),
            // The last children of a killed builder may still be writing for a moment.
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty && tries < 50 => std::thread::sleep(DYING),
            other => return other.at("remove", path),
        }
        tries += 1;
    }
}

/// Go's module cache makes its folders read-only, which stops their removal by an ordinary user.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_dir() {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (new, path) = (dir.path().join("x.new"), dir.path().join("x"));
        for text in ["one", "two"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join(text), text).unwrap();
            publish_dir(&new, &path).unwrap();
        }
        let names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["two"]);
        assert!(!dir.path().join("x.old").exists());
    }

    #[test]
    fn every_file_and_folder_is_synced_and_a_link_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("chart");
        fs::create_dir_all(root.join("templates/empty")).unwrap();
        for name in ["Chart.yaml", "templates/a.yaml"] {
            fs::write(root.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        assert_eq!(sync_dir(&root).unwrap(), 5);
        assert!(sync_dir(&dir.path().join("none")).is_err());
    }
}
