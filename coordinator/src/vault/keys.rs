//! Vault's own key and its root token on the host: one file, 0600, sealed with a key that lies apart from it.
//!
//! They are in no cluster, no argument, no environment, no log and no event. Sealing is AES-256-GCM; the nonce is random
//! and stands before the text. A copy of `secrets/` alone, as a backup may hold one, opens nothing.

use crate::files::write_private;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Bytes of the sealing key.
const KEY_LEN: usize = 32;

/// Bytes that are written to see whether keys could be: more than they and their seal take.
const TRIAL_LEN: usize = 4096;

/// Why keys cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// A file.
    #[error("{path}")]
    File {
        /// Path.
        path: PathBuf,
        /// First cause.
        #[source]
        source: io::Error,
    },
    /// The file was not sealed with this host's key, or was damaged.
    #[error("{path} cannot be opened with the sealing key of this lab")]
    Sealed {
        /// Path.
        path: PathBuf,
    },
}

/// What opens a Vault.
pub(super) struct Keys {
    unseal: SecretString,
    root: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    unseal: String,
    root: String,
}

impl Keys {
    pub(super) fn new(unseal: String, root: String) -> Self {
        Self {
            unseal: unseal.into(),
            root: root.into(),
        }
    }

    pub(super) fn unseal(&self) -> &SecretString {
        &self.unseal
    }

    pub(super) fn root(&self) -> &SecretString {
        &self.root
    }
}

/// Where one Vault's keys are kept.
pub(super) struct KeyStore {
    file: PathBuf,
    sealing: PathBuf,
    /// Keys that could not be written down yet. Nobody else has them.
    unwritten: Option<Keys>,
}

impl KeyStore {
    pub(super) fn new(home: &Path, cluster: &str) -> Self {
        Self {
            file: home.join("secrets").join(format!("vault-{cluster}.sealed")),
            sealing: home.join("sealing").join("key"),
            unwritten: None,
        }
    }

    /// The keys, None where there are none.
    pub(super) fn load(&self) -> Result<Option<Keys>, KeysError> {
        let mut bytes = match std::fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(&self.file, source)),
        };
        let damaged = || KeysError::Sealed {
            path: self.file.clone(),
        };
        let key = self.key()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let plain = key
            .open_in_place(nonce, Aad::empty(), text)
            .map_err(|_| damaged())?;
        let plain: Plain = serde_json::from_slice(plain).map_err(|_| damaged())?;
        Ok(Some(Keys::new(plain.unseal, plain.root)))
    }

    /// Makes the sealing key, and tries whether keys could be written down.
    pub(super) fn prepare(&self) -> Result<(), KeysError> {
        self.key()?;
        let trial = self.file.with_extension("trial");
        write_private(&trial, &[0; TRIAL_LEN])
            .and_then(|()| std::fs::remove_file(&trial))
            .map_err(|source| failed(&trial, source))
    }

    /// Takes the keys, and does not let go of them before they are written down.
    pub(super) fn keep(&mut self, keys: Keys) -> Result<(), KeysError> {
        self.unwritten = Some(keys);
        self.write_down()
    }

    /// Writes down what could not be written when it was taken.
    pub(super) fn write_down(&mut self) -> Result<(), KeysError> {
        if let Some(keys) = &self.unwritten {
            self.save(keys)?;
            self.unwritten = None;
        }
        Ok(())
    }

    /// Keeps the keys durably.
    fn save(&self, keys: &Keys) -> Result<(), KeysError> {
        let plain = Plain {
            unseal: keys.unseal.expose_secret().to_owned(),
            root: keys.root.expose_secret().to_owned(),
        };
        let unusable = |_| failed(&self.file, io::Error::other("cannot be sealed"));
        let mut text = serde_json::to_vec(&plain).map_err(|e| failed(&self.file, e.into()))?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(unusable)?;
        self.key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(unusable)?;
        let whole = [nonce.as_slice(), &text].concat();
        write_private(&self.file, &whole).map_err(|source| failed(&self.file, source))
    }

    /// Keeps the keys of a Vault that is gone under another name.
    pub(super) fn put_aside(&self) -> Result<(), KeysError> {
        let aside = self.file.with_extension(format!("{}.old", crate::clock::now().0));
        match std::fs::rename(&self.file, &aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&self.file, error)),
            _ => Ok(()),
        }
    }

    /// The sealing key, made where there is none.
    fn key(&self) -> Result<LessSafeKey, KeysError> {
        let bytes = match std::fs::read(&self.sealing) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = vec![0; KEY_LEN];
                SystemRandom::new()
                    .fill(&mut bytes)
                    .map_err(|_| failed(&self.sealing, io::Error::other("no randomness")))?;
                write_private(&self.sealing, &bytes).map_err(|source| failed(&self.sealing, source))?;
                bytes
            }
            Err(source) => return Err(failed(&self.sealing, source)),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KeysError::Sealed {
            path: self.sealing.clone(),
        })?;
        Ok(LessSafeKey::new(key))
    }
}

fn failed(path: &Path, source: io::Error) -> KeysError {
    KeysError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store(home: &Path) -> KeyStore {
        KeyStore::new(home, "mgmt")
    }

    #[test]
    fn keys_come_back_whole_and_are_readable_nowhere() {
        let home = tempfile::tempdir().expect("temp");
        let keys = store(home.path());
        assert!(keys.load().expect("nothing there").is_none());
        keys.save(&Keys::new("unseal-me".into(), "root-me".into()))
            .expect("saved");
        let back = store(home.path()).load().expect("opened").expect("there");
        assert_eq!(back.unseal().expose_secret(), "unseal-me");
        assert_eq!(back.root().expose_secret(), "root-me");
        for path in [&keys.file, &keys.sealing] {
            let mode = std::fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let bytes = std::fs::read(&keys.file).expect("there");
        assert!(!bytes.windows(7).any(|w| w == b"root-me" || w == b"unseal-"));
    }

    #[test]
    fn keys_that_cannot_be_written_down_are_held_until_they_can() {
        let home = tempfile::tempdir().expect("temp");
        let mut keys = store(home.path());
        let place = home.path().join("secrets");
        std::fs::write(&place, "in the way").expect("written");
        keys.keep(Keys::new("a".into(), "b".into()))
            .expect_err("no place for them");
        keys.write_down().expect_err("still none");
        std::fs::remove_file(&place).expect("out of the way");
        keys.write_down().expect("now there is");
        let back = store(home.path()).load().expect("opened").expect("there");
        assert_eq!(back.root().expose_secret(), "b");
        keys.put_aside().expect("put aside");
        keys.write_down().expect("once is enough");
        assert!(keys.load().expect("nothing").is_none());
    }

    #[test]
    fn a_place_that_takes_no_keys_is_known_before_there_are_any() {
        let home = tempfile::tempdir().expect("temp");
        let keys = store(home.path());
        let place = home.path().join("secrets");
        std::fs::write(&place, "in the way").expect("written");
        keys.prepare().expect_err("no place for them");
        std::fs::remove_file(&place).expect("out of the way");
        keys.prepare().expect("ready");
        assert!(keys.sealing.exists());
        let left = std::fs::read_dir(&place).expect("folder").count();
        assert_eq!(left, 0, "the trial leaves nothing");
    }

    #[test]
    fn another_hosts_key_or_damage_opens_nothing() {
        let home = tempfile::tempdir().expect("temp");
        let keys = store(home.path());
        keys.save(&Keys::new("a".into(), "b".into())).expect("saved");
        let whole = std::fs::read(&keys.file).expect("there");
        for bytes in [&whole[..5], &whole[..whole.len() - 1], &[]] {
            std::fs::write(&keys.file, bytes).expect("written");
            assert!(matches!(keys.load(), Err(KeysError::Sealed { .. })));
        }
        std::fs::write(&keys.file, &whole).expect("written");
        std::fs::write(&keys.sealing, [7; KEY_LEN]).expect("written");
        assert!(matches!(keys.load(), Err(KeysError::Sealed { .. })));
    }

    #[test]
    fn keys_that_are_put_aside_are_not_lost() {
        let home = tempfile::tempdir().expect("temp");
        let keys = store(home.path());
        keys.put_aside().expect("nothing to put aside");
        keys.save(&Keys::new("a".into(), "b".into())).expect("saved");
        keys.put_aside().expect("put aside");
        assert!(keys.load().expect("nothing").is_none());
        let left = std::fs::read_dir(home.path().join("secrets"))
            .expect("folder")
            .count();
        assert_eq!(left, 1);
    }
}
