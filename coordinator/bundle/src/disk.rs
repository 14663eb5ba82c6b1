//! Room on the cache's file system, and whether running nodes stand on a tree.

use std::path::Path;

use crate::error::{At, BuildError};

/// MiB that an ordinary process may still write at `path`, which must exist.
pub(crate) fn free_mib(path: &Path) -> Result<u64, BuildError> {
    let stat = nix::sys::statvfs::statvfs(path)
        .map_err(std::io::Error::from)
        .at("measure", path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()) >> 20)
}

/// MiB that lie below the cache folder already.
pub(crate) fn used_mib(cache: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = walkdir::WalkDir::new(cache).into_iter().filter_map(Result::ok);
    entries
        .filter_map(|e| e.metadata().ok())
        .map(|m| m.blocks() * 512)
        .sum::<u64>()
        >> 20
}

/// Refuses when some overlay of this host has `tree` as a lower folder.
pub(crate) fn refuse_in_use(tree: &Path) -> Result<(), BuildError> {
    let mounts = Path::new("/proc/self/mounts");
    let text = std::fs::read_to_string(mounts).at("read", mounts)?;
    match in_use(&text, tree) {
        true => Err(BuildError::InUse {
            path: tree.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Looks for `tree` among the lower folders of the overlay mounts in a mount table.
fn in_use(mounts: &str, tree: &Path) -> bool {
    let lowers = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .flat_map(|options| options.split(','));
    lowers
        .filter_map(|option| option.strip_prefix("lowerdir="))
        .flat_map(|lower| lower.split(':'))
        .any(|lower| Path::new(lower) == tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_lower_folder_counts() {
        let line =
            "overlay /n/root overlay rw,relatime,lowerdir=/a:/c/rootfs/tree,upperdir=/u,workdir=/w 0 0\n";
        assert!(in_use(line, Path::new("/c/rootfs/tree")));
        assert!(!in_use(line, Path::new("/c/rootfs")));
        assert!(!in_use("", Path::new("/c/rootfs/tree")));
    }
}
