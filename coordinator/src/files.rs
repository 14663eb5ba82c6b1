//! Private files of the lab's home: [`shell::private_file`] with the folder made first, and errors as every caller wraps
//! them anyway.

use shell::private_file;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
}
