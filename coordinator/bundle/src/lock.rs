//! One builder per cache: an exclusive lock on a file, gone with the process that holds it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::error::{At, BuildError};
use crate::{durable, paths};

/// Held while building.
pub(crate) struct BuildLock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

/// Takes the cache's build lock, or says that another builder has it.
pub(crate) fn take(cache: &Path) -> Result<BuildLock, BuildError> {
    let path = paths::work(cache).join("lock");
    durable::parent(&path)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .at("open", &path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            // For a person who looks who it is; the lock itself needs no content.
            let _ = held
                .set_len(0)
                .and_then(|()| writeln!(held, "{}", std::process::id()));
            Ok(BuildLock(held))
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(BuildError::Locked { path }),
        Err((_, errno)) => Err(errno.into()).at("lock", &path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_builder_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        assert!(matches!(take(dir.path()), Err(BuildError::Locked { .. })));
        drop(first);
        take(dir.path()).unwrap();
    }
}
