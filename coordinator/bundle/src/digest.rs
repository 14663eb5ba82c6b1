//! SHA-256 of files, of trees, and of recipes (everything that goes into an artefact).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{At, BuildError};

/// Lower-case hexadecimal SHA-256 of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Digest and length of a file.
pub(crate) fn of_file(path: &Path) -> Result<(String, u64), BuildError> {
    let mut file = File::open(path).at("open", path)?;
    let mut sink = Hashing::new(io::sink());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).at("read", path)?;
        if n == 0 {
            break;
        }
        sink.write_all(&buffer[..n]).at("hash", path)?;
    }
    let (sha, bytes, _) = sink.finish();
    Ok((sha, bytes))
}

/// Digest of a folder and the bytes of its files. Path, type, mode, owner and content count; times do not.
pub(crate) fn of_tree(root: &Path) -> Result<(String, u64), BuildError> {
    let mut recipe = Recipe::new("tree");
    let mut total = 0;
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(io::Error::from).at("walk", root)?;
        let path = entry.path();
        let meta = path.symlink_metadata().at("inspect", path)?;
        let name = path.strip_prefix(root).unwrap_or(path);
        recipe.add("path", name.as_os_str().as_bytes());
        recipe.add(
            "mode",
            format!("{:o} {} {}", meta.mode(), meta.uid(), meta.gid()).as_bytes(),
        );
        let kind = meta.file_type();
        if kind.is_symlink() {
            recipe.add(
                "link",
                fs::read_link(path).at("read", path)?.as_os_str().as_bytes(),
            );
        } else if kind.is_file() {
            let (sha, bytes) = of_file(path)?;
            total += bytes;
            recipe.add("file", sha.as_bytes());
        } else if kind.is_char_device() || kind.is_block_device() {
            recipe.add("device", &meta.rdev().to_le_bytes());
        }
    }
    Ok((recipe.finish(), total))
}

/// Collects named inputs. Lengths are part of it, so that two different lists never look alike.
pub(crate) struct Recipe(Sha256);

impl Recipe {
    /// Starts a recipe of one kind; the kind keeps equal inputs of different kinds apart.
    pub(crate) fn new(kind: &str) -> Self {
        let mut recipe = Recipe(Sha256::new());
        recipe.add("kind", kind.as_bytes());
        recipe
    }

    /// Adds one named input.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update(part.len().to_string().as_bytes());
            self.0.update(b":");
            self.0.update(part);
        }
    }

    /// Adds a value as its canonical JSON (struct fields keep their order).
    pub(crate) fn add_json<T: serde::Serialize>(&mut self, name: &str, value: &T) {
        let text = serde_json::to_string(value).unwrap_or_default();
        self.add(name, text.as_bytes());
    }

    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// A writer that hashes and counts what passes.
pub(crate) struct Hashing<W> {
    inner: W,
    sha: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Hashing {
            inner,
            sha: Sha256::new(),
            bytes: 0,
        }
    }

    /// Digest, length and the writer.
    pub(crate) fn finish(self) -> (String, u64, W) {
        (hex::encode(self.sha.finalize()), self.bytes, self.inner)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.sha.update(&buf[..n]);
        self.bytes += u64::try_from(n).unwrap_or_default();
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_recipe_cannot_shift() {
        let of = |a: &str, b: &str| {
            let mut r = Recipe::new("t");
            r.add(a, b.as_bytes());
            r.finish()
        };
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("ab", "c"), of("ab", "c"));
    }

    #[test]
    fn a_tree_digest_sees_modes_and_ignores_times() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "x").unwrap();
        let (first, bytes) = of_tree(dir.path()).unwrap();
        assert_eq!(bytes, 1);
        let old = std::time::SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert_eq!(of_tree(dir.path()).unwrap().0, first);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(of_tree(dir.path()).unwrap().0, first);
    }
}
