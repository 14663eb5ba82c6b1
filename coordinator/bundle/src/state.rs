//! What was built already: one small record per artefact, written after the artefact is durable.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At, BuildError};
use crate::graph::Id;
use crate::manifest::ImageRecord;
use crate::{digest, durable, paths};

/// What is known of a finished artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Recipe digest it was made by.
    pub(crate) recipe: String,
    /// Digest of its content; empty for what is not reproducible.
    pub(crate) sha256: String,
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// How its file looked then, so that an unchanged one need not be read again.
    pub(crate) stamp: Stamp,
    /// For images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<ImageRecord>,
}

/// Identity of a file or folder as the file system tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// A folder's own times change with its entries' names only; its inode changes whenever we replace it.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        let file = meta.is_file();
        let when_file = |value: i64| if file { value } else { 0 };
        Ok(Stamp {
            inode: meta.ino(),
            bytes: if file { meta.len() } else { 0 },
            seconds: when_file(meta.mtime()),
            nanoseconds: when_file(meta.mtime_nsec()),
        })
    }
}

/// Is the artefact there as its record says? A changed stamp is settled by reading the file again.
pub(crate) fn stands(record: &Record, output: &Path) -> bool {
    match Stamp::of(output) {
        Ok(stamp) if stamp == record.stamp => true,
        Ok(_) if output.is_file() => {
            digest::of_file(output).is_ok_and(|(sha, bytes)| sha == record.sha256 && bytes == record.bytes)
        }
        _ => false,
    }
}

/// The record of a step, if there is a readable one. A damaged record only costs building again.
pub(crate) fn load(cache: &Path, id: &Id) -> Option<Record> {
    serde_json::from_slice(&fs::read(file(cache, id)).ok()?).ok()
}

/// Notes how an artefact looks now, after it was read and found to be what was written.
pub(crate) fn refresh(cache: &Path, id: &Id, output: &Path) -> Result<(), BuildError> {
    let Some(mut record) = load(cache, id) else {
        return Ok(());
    };
    let stamp = Stamp::of(output).at("inspect", output)?;
    if record.stamp != stamp {
        record.stamp = stamp;
        save(cache, id, &record)?;
    }
    Ok(())
}

/// Makes the next build read the artefact, however it looks: a reading found that it is not what was written.
pub(crate) fn doubt(cache: &Path, id: &Id) -> Result<(), BuildError> {
    let Some(mut record) = load(cache, id) else {
        return Ok(());
    };
    record.stamp = Stamp::default();
    save(cache, id, &record)
}

/// Writes a record durably.
pub(crate) fn save(cache: &Path, id: &Id, record: &Record) -> Result<(), BuildError> {
    let path = file(cache, id);
    let text = serde_json::to_vec_pretty(record)
        .map_err(std::io::Error::from)
        .at("encode", &path)?;
    durable::write(&path, &text)
}

/// Forgets a step before its output is replaced, so that no moment shows an old record beside a new file.
pub(crate) fn forget(cache: &Path, id: &Id) -> Result<(), BuildError> {
    let path = file(cache, id);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at("remove", &path),
        _ => Ok(()),
    }
}

fn file(cache: &Path, id: &Id) -> PathBuf {
    let kind = serde_json::to_string(&id.kind).unwrap_or_default();
    paths::work(cache)
        .join("state")
        .join(format!("{}.{}.json", kind.trim_matches('"'), id.name))
}
