//! Free disk: looked at before a step, not found out in the middle of it.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::artefact::ArtefactId;
use crate::error::BuildError;

/// MiB that this user can still write below `path`.
pub(crate) fn free_mib(path: &Path) -> Result<u64, BuildError> {
    let stat = statvfs(path).map_err(|errno| BuildError::Io {
        action: "look at the free space of",
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()) / (1024 * 1024))
}

/// Refuses a step whose peak does not fit.
pub(crate) fn require(artefact: &ArtefactId, path: &Path, need_mib: u64) -> Result<(), BuildError> {
    let have_mib = free_mib(path)?;
    if have_mib < need_mib {
        return Err(BuildError::DiskFull { artefact: artefact.clone(), path: path.to_owned(), need_mib, have_mib });
    }
    Ok(())
}
