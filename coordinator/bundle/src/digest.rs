//! SHA-256 of bytes, files and recipes, always as lower-case hexadecimal text.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Digest of `bytes`.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Size and digest of the file at `path`.
pub(crate) fn of_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Hashing::new(io::sink());
    let size = copy(&mut file, &mut hasher)?;
    Ok((size, hasher.finish().1))
}

/// Copies with a buffer that fits large files; `io::copy`'s is small for hashing.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0_u8; 256 * 1024];
    let mut total = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(total);
        }
        to.write_all(buffer.get(..read).unwrap_or_default())?;
        total += u64::try_from(read).unwrap_or_default();
    }
}

/// A writer that hashes and counts what passes through it.
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    written: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), written: 0 }
    }

    /// The inner writer, the digest and the number of bytes.
    pub(crate) fn finish(self) -> (W, String, u64) {
        (self.inner, hex::encode(self.hasher.finalize()), self.written)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.written += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Digest of named inputs. Each name and value goes in with its length, so that no two lists collide by concatenation.
#[derive(Clone)]
pub(crate) struct RecipeDigest(Sha256);

impl RecipeDigest {
    pub(crate) fn new(kind: &str) -> Self {
        let mut digest = Self(Sha256::new());
        digest.input("kind", kind);
        digest
    }

    pub(crate) fn input(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update(u64::try_from(part.len()).unwrap_or_default().to_le_bytes());
            self.0.update(part);
        }
        self
    }

    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_do_not_collide_by_concatenation() {
        let digest = |parts: &[(&str, &str)]| {
            let mut recipe = RecipeDigest::new("test");
            for (name, value) in parts {
                recipe.input(name, value);
            }
            recipe.finish()
        };
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", "b"), ("c", "d")]), digest(&[("c", "d"), ("a", "b")]));
        assert_eq!(digest(&[("a", "b")]), digest(&[("a", "b")]));
    }

    #[test]
    fn hashing_writer_agrees_with_a_plain_digest() {
        let mut writer = Hashing::new(Vec::new());
        writer.write_all(b"drill").unwrap();
        writer.write_all(b"yard").unwrap();
        let (bytes, digest, written) = writer.finish();
        assert_eq!((bytes.as_slice(), written), (b"drillyard".as_slice(), 9));
        assert_eq!(digest, of_bytes(b"drillyard"));
    }
}
