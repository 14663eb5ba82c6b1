//! Kernel settings that are one for the whole host, and that what runs in nodes changes: kept before the first node starts,
//! put back when the last one is gone.
//!
//! Nodes share this kernel, so a kubelet that sets `vm.overcommit_memory` sets it for everybody. Only settings that our
//! nodes are known to change are touched. What cannot be put back, `kernel.unprivileged_bpf_disabled` once it is 1, and
//! what the operator agreed to raise, the inotify limits, stay until the next boot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LaunchError;
use crate::files::Lock;

/// Below `/proc/sys`: what kubelet sets at its start, then what Cilium's agent does.
const KNOWN: [&str; 8] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "kernel/timer_migration",
    "net/core/bpf_jit_enable",
];

/// The settings of one host and the note of what they were.
#[derive(Debug, Clone)]
pub(crate) struct HostSettings {
    /// `/proc/sys`.
    root: PathBuf,
    /// On a file system that a boot empties, as it does the settings. One for all labs of the host.
    note: PathBuf,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            root: "/proc/sys".into(),
            note: "/run/drillyard-host-settings.json".into(),
        }
    }
}

impl HostSettings {
    /// Notes what is set now, unless an earlier lab's note is there: then what is set now may be the nodes' doing.
    pub(crate) fn keep(&self) -> Result<(), LaunchError> {
        let _lock = self.lock()?;
        if self.note.exists() {
            return Ok(());
        }
        let now: BTreeMap<&str, String> = KNOWN
            .into_iter()
            .filter_map(|key| Some((key, self.read(key)?)))
            .collect();
        let text = serde_json::to_string(&now).map_err(|source| self.unreadable(source))?;
        crate::files::write_durably(&self.note, text.as_bytes(), 0o600)
    }

    /// Puts back what differs from the note and forgets the note; the settings put back, as `key = value`.
    pub(crate) fn put_back(&self) -> Result<Vec<String>, LaunchError> {
        if !self.note.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let text = match fs::read_to_string(&self.note) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(LaunchError::io("read", &self.note))?,
        };
        let kept: BTreeMap<String, String> =
            serde_json::from_str(&text).map_err(|source| self.unreadable(source))?;
        let mut done = Vec::new();
        for (key, value) in kept.iter().filter(|(key, _)| KNOWN.contains(&key.as_str())) {
            if self.read(key).is_some_and(|now| now != *value) {
                let path = self.root.join(key);
                fs::write(&path, value).map_err(LaunchError::io("write", &path))?;
                done.push(format!("{} = {value}", key.replace('/', ".")));
            }
        }
        fs::remove_file(&self.note).map_err(LaunchError::io("remove", &self.note))?;
        let _ = fs::remove_file(self.lock_path());
        Ok(done)
    }

    /// None where this kernel does not have it or does not show it.
    fn read(&self, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(key)).ok()?;
        Some(text.trim().to_owned())
    }

    fn lock(&self) -> Result<Lock, LaunchError> {
        Lock::take(&self.lock_path())
    }

    fn lock_path(&self) -> PathBuf {
        self.note.with_extension("lock")
    }

    fn unreadable(&self, source: serde_json::Error) -> LaunchError {
        LaunchError::Json {
            what: path_text(&self.note),
            source,
        }
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> (tempfile::TempDir, HostSettings) {
        let dir = tempfile::tempdir().expect("temp");
        let root = dir.path().join("sys");
        for folder in ["vm", "kernel"] {
            fs::create_dir_all(root.join(folder)).expect("made");
        }
        for (key, value) in [
            ("vm/overcommit_memory", "0\n"),
            ("kernel/panic", "0\n"),
            ("kernel/shmmax", "7\n"),
        ] {
            fs::write(root.join(key), value).expect("written");
        }
        let note = dir.path().join("note.json");
        (dir, HostSettings { root, note })
    }

    #[test]
    fn what_nodes_changed_is_put_back_and_nothing_else() {
        let (_dir, host) = host();
        host.keep().expect("kept");
        for key in ["vm/overcommit_memory", "kernel/shmmax"] {
            fs::write(host.root.join(key), "1").expect("changed");
        }
        // Another lab on the same host must not take the changed values for the host's own.
        host.keep().expect("kept already");
        assert_eq!(host.put_back().expect("put back"), ["vm.overcommit_memory = 0"]);
        assert_eq!(host.read("vm/overcommit_memory").as_deref(), Some("0"));
        assert_eq!(host.read("kernel/shmmax").as_deref(), Some("1"));
        assert!(host.put_back().expect("nothing is kept").is_empty());
    }

    #[test]
    fn a_damaged_note_is_told_and_changes_nothing() {
        let (_dir, host) = host();
        fs::write(&host.note, "{").expect("damaged");
        assert!(matches!(host.put_back(), Err(LaunchError::Json { .. })));
        assert_eq!(host.read("kernel/panic").as_deref(), Some("0"));
    }
}
