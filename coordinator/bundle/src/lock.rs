//! One builder at a time per cache: an advisory lock that the kernel drops with its holder.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{At as _, BuildError};
use crate::paths;

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct CacheLock {
    _held: Flock<File>,
}

/// Takes the lock of the cache; calls `waiting` once where another builder holds it, then blocks.
pub(crate) fn acquire(cache: &Path, waiting: impl FnOnce()) -> Result<CacheLock, BuildError> {
    let path = paths::lock(cache);
    let folder = paths::build(cache);
    fs::create_dir_all(&folder).at("create", &folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
    let fail = |errno: Errno| BuildError::Io { action: "lock", path: path.clone(), source: errno.into() };
    let held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(held) => held,
        Err((file, Errno::EWOULDBLOCK)) => {
            waiting();
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| fail(errno))?
        }
        Err((_, errno)) => return Err(fail(errno)),
    };
    Ok(CacheLock { _held: held })
}
