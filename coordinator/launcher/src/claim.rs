//! Which home a lab's label belongs to. Bridge, control groups and ports are named after the lab alone, so a second home with
//! a lab of the same name would adopt them, and its `down` would take them away.
//!
//! A note names the home before the first thing of the lab is made; a `down` that leaves nothing removes it. Only nodes on this
//! kernel have it: Multipass itself refuses a name that is taken.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::LaunchError;
use crate::files::{Lock, write_durably};
use crate::names;
use crate::spec::LabHandle;

/// A boot empties it, as it takes away all that the note speaks of.
const FOLDER: &str = "/run";

/// The claim of one home on a lab's label.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    lab: &'a str,
    home: &'a Path,
    note: PathBuf,
}

/// Refuses what would make, change or remove things of another home's lab.
///
/// # Errors
/// [`LaunchError::OtherHome`] names that home.
pub fn check_claim(lab: &LabHandle) -> Result<(), LaunchError> {
    Claim::of(lab).check()
}

impl<'a> Claim<'a> {
    pub(crate) fn of(lab: &'a LabHandle) -> Self {
        Self::kept_in(Path::new(FOLDER), lab)
    }

    fn kept_in(folder: &Path, lab: &'a LabHandle) -> Self {
        Self {
            lab: &lab.lab,
            home: &lab.home,
            note: folder.join(format!("{}.home", names::lab_label(&lab.lab))),
        }
    }

    /// Fails while the label is another home's. One that was deleted has no lab any more, only leftovers that anybody may
    /// remove.
    pub(crate) fn check(&self) -> Result<(), LaunchError> {
        match self.holder()? {
            Some(holder) if holder.is_dir() && !is_same(&holder, self.home) => Err(LaunchError::OtherHome {
                lab: self.lab.to_owned(),
                home: holder,
            }),
            _ => Ok(()),
        }
    }

    /// Takes the label for this home. Whoever makes something that carries it comes here first.
    pub(crate) fn take(&self) -> Result<(), LaunchError> {
        let _lock = Lock::take(&self.lock())?;
        self.check()?;
        if self.holder()?.is_some_and(|holder| is_same(&holder, self.home)) {
            return Ok(());
        }
        write_durably(&self.note, self.home.as_os_str().as_bytes(), 0o644)
    }

    /// Gives the label back, if it is this home's or a deleted one's.
    pub(crate) fn release(&self) -> Result<(), LaunchError> {
        if self.holder()?.is_none() {
            return Ok(());
        }
        let _lock = Lock::take(&self.lock())?;
        self.check()?;
        for file in [&self.note, &self.lock()] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(LaunchError::io("remove", file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn holder(&self) -> Result<Option<PathBuf>, LaunchError> {
        match fs::read(&self.note) {
            Ok(path) => Ok(Some(std::ffi::OsString::from_vec(path).into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LaunchError::io("read", &self.note)(error)),
        }
    }

    fn lock(&self) -> PathBuf {
        self.note.with_extension("home-lock")
    }
}

/// The same folder, whatever links lead to it.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host(tempfile::TempDir);

    impl Host {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// A home with a folder.
        fn home(&self, name: &str) -> LabHandle {
            fs::create_dir_all(self.path(name)).unwrap();
            LabHandle {
                lab: "twice".into(),
                home: self.path(name),
                cache: self.path("cache"),
            }
        }

        fn claim<'a>(&self, lab: &'a LabHandle) -> Claim<'a> {
            Claim::kept_in(self.0.path(), lab)
        }

        fn notes(&self) -> usize {
            let entries = fs::read_dir(self.0.path()).unwrap().flatten();
            entries.filter(|entry| entry.path().is_file()).count()
        }
    }

    #[test]
    fn a_second_home_is_refused_until_the_first_gives_the_label_back() {
        let host = Host::new();
        let (one, two) = (host.home("one"), host.home("two"));
        let (first, second) = (host.claim(&one), host.claim(&two));
        second.check().unwrap();
        first.take().unwrap();
        first.take().unwrap();
        first.check().unwrap();
        for outcome in [second.check(), second.take(), second.release()] {
            let error = outcome.unwrap_err();
            assert!(
                matches!(&error, LaunchError::OtherHome { home, .. } if *home == one.home),
                "{error}"
            );
            assert_eq!(error.code(), "DY-0318");
            let remedy = format!("DRILLYARD_HOME={} coordinator down", one.home.display());
            assert!(error.remedy().contains(&remedy), "{}", error.remedy());
        }
        first.release().unwrap();
        assert_eq!(host.notes(), 0);
        second.take().unwrap();
        assert!(first.check().is_err());
    }

    #[test]
    fn a_deleted_home_blocks_nobody() {
        let host = Host::new();
        let (one, two) = (host.home("one"), host.home("two"));
        host.claim(&one).take().unwrap();
        fs::remove_dir_all(&one.home).unwrap();
        host.claim(&two).check().unwrap();
        host.claim(&two).take().unwrap();
        let one = host.home("one");
        assert!(
            host.claim(&one).check().is_err(),
            "made anew, it is the second one"
        );
        host.claim(&two).release().unwrap();

        host.claim(&one).take().unwrap();
        fs::remove_dir_all(&one.home).unwrap();
        host.claim(&two).release().unwrap();
        assert_eq!(host.notes(), 0, "its leftovers may be removed from anywhere");
    }

    #[test]
    fn links_to_one_home_are_one_home_and_labs_of_other_names_are_others() {
        let host = Host::new();
        let one = host.home("one");
        host.claim(&one).take().unwrap();
        std::os::unix::fs::symlink(&one.home, host.path("link")).unwrap();
        let linked = LabHandle {
            home: host.path("link"),
            ..one
        };
        host.claim(&linked).check().unwrap();
        let other = LabHandle {
            lab: "twice-more".into(),
            ..host.home("two")
        };
        host.claim(&other).take().unwrap();
    }
}
