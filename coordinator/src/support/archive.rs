//! The archive as a file: `manifest.json` first, then all files in order of their names. The same content gives the same
//! bytes.

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// Version of the layout; readers refuse a higher one.
pub const FORMAT: u32 = 1;

/// Most bytes of all files together, unpacked: what unpacks to more was not made by us.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Most files: five of each node of the largest subnet, and what is there once.
const MAX_FILES: usize = 2000;

const MANIFEST: &str = "manifest.json";

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// When it was made, microseconds since 1970.
    pub made: model::moment::Moment,
    /// The lab's name.
    pub lab: String,
    /// Release of the program that made it.
    pub version: String,
    /// `daemon` when it answered, `log` when the durable log was read without one.
    pub source: String,
    /// What should be in it and is not, each with the reason.
    pub missing: Vec<String>,
    /// Secrets that were found in the files and taken out.
    pub redactions: u64,
    /// Files with size and digest.
    pub files: Vec<FileEntry>,
}

/// One file of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// An archive that was read whole and is what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Files by name.
    pub files: Files,
}

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file.
    #[error("the archive cannot be read or written")]
    Io(#[source] io::Error),
    /// No gzip, no tar, or cut off.
    #[error("this is no support bundle, or a damaged one")]
    Damaged(#[source] io::Error),
    /// It can be unpacked and is not what its manifest says.
    #[error("{name} in the archive {reason}")]
    Wrong {
        /// Which file.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Made by a later release.
    #[error("the archive has format {0}, this release reads {FORMAT}")]
    TooNew(u32),
    /// It unpacks to more than any bundle.
    #[error("the archive unpacks to more than {MAX_BYTES} bytes or {MAX_FILES} files")]
    TooLarge,
}

fn wrong(name: &str, reason: &'static str) -> ArchiveError {
    ArchiveError::Wrong {
        // A stranger's name: for a terminal.
        name: name.chars().filter(|c| !c.is_control()).take(80).collect(),
        reason,
    }
}

/// Writes `files`; their entries in the manifest are made here.
pub fn write(out: impl Write, mut manifest: Manifest, files: &Files) -> Result<Manifest, ArchiveError> {
    manifest.files = files
        .iter()
        .map(|(name, content)| FileEntry {
            name: name.clone(),
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: digest(content),
        })
        .collect();
    let text = serde_json::to_vec_pretty(&manifest).map_err(|e| ArchiveError::Io(e.into()))?;
    let zip = GzBuilder::new().mtime(0).write(out, Compression::default());
    let mut tar = tar::Builder::new(zip);
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        header.set_mode(0o600);
        header.set_mtime(0);
        tar.append_data(&mut header, name, content)
    };
    add(MANIFEST, &text).map_err(ArchiveError::Io)?;
    for (name, content) in files {
        add(name, content).map_err(ArchiveError::Io)?;
    }
    let done = tar.into_inner().and_then(|zip| zip.finish());
    done.and_then(|mut out| out.flush()).map_err(ArchiveError::Io)?;
    Ok(manifest)
}

/// Reads an archive whole and compares it with its manifest.
pub fn read(input: impl Read) -> Result<Contents, ArchiveError> {
    let mut files = unpack(input)?;
    let text = files
        .remove(MANIFEST)
        .ok_or_else(|| wrong(MANIFEST, "is missing"))?;
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable = |_| wrong(MANIFEST, "cannot be understood");
    let version: Version = serde_json::from_slice(&text).map_err(unreadable)?;
    if version.format > FORMAT {
        return Err(ArchiveError::TooNew(version.format));
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(unreadable)?;
    for entry in &manifest.files {
        let content = files
            .get(&entry.name)
            .ok_or_else(|| wrong(&entry.name, "is missing"))?;
        if digest(content) != entry.sha256 {
            return Err(wrong(&entry.name, "is not what the manifest says"));
        }
    }
    let unknown = files
        .keys()
        .find(|name| !manifest.files.iter().any(|entry| entry.name == **name));
    match unknown {
        Some(name) => Err(wrong(name, "is not in the manifest")),
        None => Ok(Contents { manifest, files }),
    }
}

fn unpack(input: impl Read) -> Result<Files, ArchiveError> {
    // One byte more than may be there tells a bomb from a large bundle.
    let mut tar = tar::Archive::new(GzDecoder::new(input).take(MAX_BYTES + 1));
    let mut files = Files::new();
    let mut left = MAX_BYTES;
    for entry in tar.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(wrong(&name, "is no plain file"));
        }
        let size = entry.size();
        left = left.checked_sub(size).ok_or(ArchiveError::TooLarge)?;
        if files.len() >= MAX_FILES {
            return Err(ArchiveError::TooLarge);
        }
        // Not from the announced size: memory is taken for what is really there.
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(ArchiveError::Damaged)?;
        if u64::try_from(content.len()).ok() != Some(size) {
            return Err(wrong(&name, "is cut off"));
        }
        if files.insert(name.clone(), content).is_some() {
            return Err(wrong(&name, "is there twice"));
        }
    }
    // To the very end: gzip's checksum stands there, and covers the manifest too.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(ArchiveError::Damaged)?;
    Ok(files)
}

fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
