//! The store's own manifest: what its folders held when it was made, and whether they hold it still.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BLOBS, CONTAINERD, META_DB, SNAPSHOT_DB, SNAPSHOTS};
use crate::error::{At, BuildError};
use crate::{digest, durable};

const SCHEMA: u32 = 1;

/// Facts about the store, beside it in `manifest.json`. They carry no digest: databases hold times.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoreManifest {
    schema_version: u32,
    bytes: u64,
    snapshots: u64,
    blobs: u64,
}

/// What is wrong with a store.
#[derive(Debug)]
pub(crate) enum StoreFault {
    /// A part that every store has is not there.
    Missing(&'static str),
    /// It does not hold as much as when it was made: in words.
    Counts(String),
    /// A blob is not what its name says.
    Blob {
        /// Its name: what its SHA-256 was.
        name: String,
        /// SHA-256 of what is there.
        found: String,
    },
    /// It cannot be read.
    Unreadable(BuildError),
}

impl From<BuildError> for StoreFault {
    fn from(error: BuildError) -> Self {
        Self::Unreadable(error)
    }
}

impl StoreManifest {
    /// Counts what the store at `store` holds.
    pub(super) fn of(store: &Path) -> Result<Self, BuildError> {
        let containerd = store.join(CONTAINERD);
        Ok(Self {
            schema_version: SCHEMA,
            bytes: bytes(&containerd)?,
            snapshots: entries(&containerd.join(SNAPSHOTS))?,
            blobs: entries(&containerd.join(BLOBS))?,
        })
    }

    pub(super) fn save(&self, store: &Path) -> Result<(), BuildError> {
        let path = file(store);
        let text = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .at("encode", &path)?;
        durable::write(&path, &text)
    }

    fn load(store: &Path) -> Result<Self, BuildError> {
        let path = file(store);
        let text = fs::read(&path).at("read", &path)?;
        serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .at("parse", &path)
    }
}

/// Compares a store with its manifest and every blob with its name; returns the bytes that were read.
///
/// Databases and the files of snapshots have no digest anywhere; their number and length must do.
pub(crate) fn check(store: &Path) -> Result<u64, StoreFault> {
    for needed in [META_DB, SNAPSHOT_DB] {
        if !store.join(CONTAINERD).join(needed).is_file() {
            return Err(StoreFault::Missing(needed));
        }
    }
    let (made, now) = (StoreManifest::load(store)?, StoreManifest::of(store)?);
    // A blob that broke says more than the length that is gone.
    let read = blobs(&store.join(CONTAINERD).join(BLOBS))?;
    let counts = [
        ("snapshots", made.snapshots, now.snapshots),
        ("blobs", made.blobs, now.blobs),
        ("bytes", made.bytes, now.bytes),
    ];
    match counts.iter().find(|(_, made, now)| made != now) {
        Some((what, made, now)) => Err(StoreFault::Counts(format!(
            "it was made with {made} {what} and has {now}"
        ))),
        None => Ok(read),
    }
}

/// Reads every blob; its name is its SHA-256.
fn blobs(dir: &Path) -> Result<u64, StoreFault> {
    let mut read = 0;
    for entry in fs::read_dir(dir).at("list", dir)? {
        let entry = entry.at("list", dir)?;
        let (found, bytes) = digest::of_file(&entry.path())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if found != name {
            return Err(StoreFault::Blob { name, found });
        }
        read += bytes;
    }
    Ok(read)
}

fn file(store: &Path) -> PathBuf {
    store.join("manifest.json")
}

fn entries(dir: &Path) -> Result<u64, BuildError> {
    Ok(fs::read_dir(dir).at("list", dir)?.map(|_| 1_u64).sum())
}

fn bytes(dir: &Path) -> Result<u64, BuildError> {
    let mut sum = 0;
    for entry in walkdir::WalkDir::new(dir) {
        let meta = entry.and_then(|e| e.metadata());
        let meta = meta.map_err(io::Error::from).at("inspect", dir)?;
        if meta.is_file() {
            sum += meta.len();
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one blob and two snapshots.
    fn store(dir: &Path) -> PathBuf {
        let store = dir.join("store");
        let containerd = store.join(CONTAINERD);
        let blob = format!("{BLOBS}/{}", digest::of_bytes(b"a blob"));
        for (path, text) in [
            (META_DB, "m"),
            (SNAPSHOT_DB, "s"),
            (blob.as_str(), "a blob"),
            (&format!("{SNAPSHOTS}/1/fs/file"), "one"),
            (&format!("{SNAPSHOTS}/2/fs/file"), "two"),
        ] {
            let path = containerd.join(path);
            durable::parent(&path).unwrap();
            fs::write(path, text).unwrap();
        }
        StoreManifest::of(&store).unwrap().save(&store).unwrap();
        store
    }

    fn blob(store: &Path) -> PathBuf {
        store
            .join(CONTAINERD)
            .join(BLOBS)
            .join(digest::of_bytes(b"a blob"))
    }

    #[test]
    fn a_store_as_it_was_made_is_sound() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(&store(dir.path())).unwrap(), 6);
    }

    #[test]
    fn a_blob_that_is_not_what_its_name_says_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        for text in ["a bl", "a b1ob"] {
            fs::write(blob(&store), text).unwrap();
            let Err(StoreFault::Blob { name, found }) = check(&store) else {
                panic!("{text} passes for the blob")
            };
            assert_eq!(name, digest::of_bytes(b"a blob"));
            assert_eq!(found, digest::of_bytes(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_missing_or_shorter_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let counts = |break_it: &dyn Fn(&Path), wanted: &str| {
            let store = store(dir.path());
            break_it(&store);
            let Err(StoreFault::Counts(text)) = check(&store) else {
                panic!("nothing was found of {wanted}")
            };
            assert_eq!(text, wanted);
            fs::remove_dir_all(store).unwrap();
        };
        let snapshots = |store: &Path| store.join(CONTAINERD).join(SNAPSHOTS);
        counts(
            &|store| fs::remove_dir_all(snapshots(store).join("2")).unwrap(),
            "it was made with 2 snapshots and has 1",
        );
        counts(
            &|store| fs::remove_file(blob(store)).unwrap(),
            "it was made with 1 blobs and has 0",
        );
        counts(
            &|store| fs::write(snapshots(store).join("2/fs/file"), "").unwrap(),
            "it was made with 14 bytes and has 11",
        );
    }

    #[test]
    fn a_database_or_a_manifest_that_is_gone_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        fs::remove_file(file(&store)).unwrap();
        assert!(matches!(check(&store), Err(StoreFault::Unreadable(_))));
        fs::remove_file(store.join(CONTAINERD).join(META_DB)).unwrap();
        assert!(matches!(check(&store), Err(StoreFault::Missing(META_DB))));
    }
}
