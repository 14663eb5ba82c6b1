//! What is removed while and after building: compilers' caches, layers, and files that no profile names any more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{At, BuildError};
use crate::graph::Step;
use crate::{disk, durable, paths};

/// After the last program of a module: the next one shares little with it, and room may be short.
pub(crate) fn after_module(cache: &Path, short_mib: u64) -> Result<(), BuildError> {
    match disk::free_mib(cache)? < short_mib {
        true => {
            durable::remove_dir(&paths::go_build(cache))?;
            durable::remove_dir(&paths::go_mod(cache))
        }
        false => Ok(()),
    }
}

/// After a build: layers and trees are inside the images, and quick to make again.
pub(crate) fn after_build(cache: &Path, short_mib: u64) -> Result<(), BuildError> {
    for folder in ["layers", "trees"] {
        durable::remove_dir(&paths::work(cache).join(folder))?;
    }
    durable::remove_dir(&paths::go_build(cache))?;
    downloads_when_short(cache, short_mib)
}

/// Downloaded modules spare the network the next time; they go first where room is short.
fn downloads_when_short(cache: &Path, short_mib: u64) -> Result<(), BuildError> {
    match disk::free_mib(cache)? < short_mib {
        true => durable::remove_dir(&paths::go_mod(cache)),
        false => Ok(()),
    }
}

/// Removes files of earlier profiles and interrupted steps from the folders that nodes see.
pub(crate) fn sweep(cache: &Path, steps: &[Step<'_>]) -> Result<(), BuildError> {
    let known: BTreeSet<PathBuf> = steps.iter().map(|s| cache.join(&s.output)).collect();
    for folder in ["bin", "images", "charts"] {
        let folder = paths::bundle(cache).join(folder);
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.at("list", &folder)?.path();
            if known.contains(&path) {
                continue;
            }
            tracing::info!(path = %path.display(), "removing what the profile does not name");
            if path.is_dir() {
                durable::remove_dir(&path)?;
            } else {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
    }
    Ok(())
}
