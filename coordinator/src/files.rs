//! Private files of the lab's home: [`shell::private_file`] with the folder made first, and errors as every caller wraps
//! them anyway. Files that grow are opened here too.

use shell::private_file;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes `dir` and its parents; new ones get mode 0700. One that is there is taken as it is: the home may be the
/// operator's own choice, and every file in it is private by itself.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces `path` by `content` so that a crash leaves the old or the new file, mode 0600.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .ok_or_else(|| io::Error::other("path has no folder"))?;
    private_dir(dir)?;
    private_file::write(path, content).map_err(io::Error::other)
}

/// Opens `path` with `options`. A new file gets mode 0600; on one that is there, group and others lose their rights.
pub fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_files_are_the_owner_s_alone() {
        let home = tempfile::tempdir().expect("temp");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("the operator's choice");
        let path = home.path().join("a/b");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&home.path().join("a"))), (0o600, 0o700));
    }

    #[test]
    fn files_that_grow_are_the_owner_s_alone_from_the_first_and_from_now_on() {
        let home = tempfile::tempdir().expect("temp");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let open = |name: &str| {
            let path = home.path().join(name);
            open_private(&path, OpenOptions::new().create(true).append(true)).expect("opened");
            path
        };
        assert_eq!(mode(&open("new")), 0o600);
        let old = home.path().join("old");
        fs::write(&old, "kept").expect("written");
        fs::set_permissions(&old, Permissions::from_mode(0o644)).expect("as it was made once");
        assert_eq!(mode(&open("old")), 0o600);
        assert_eq!(fs::read(&old).expect("read"), b"kept");
    }
}
