//! Helm charts and folders of manifests, taken as they are out of a Go module's sources.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{Site, go};
use crate::durable;
use crate::error::{At, BuildError};
use crate::spec::Chart;

/// Copies one chart and checks that it has the version that the description says.
pub(super) fn build(site: &Site<'_>, chart: &Chart, output: &Path) -> Result<(), BuildError> {
    let source = go::sources(site, &chart.module, &chart.of)?.join(&chart.source);
    let new = durable::beside(output);
    durable::remove_dir(&new)?;
    if chart.files.is_empty() {
        copy(&source, &new)?;
    } else {
        pick(&chart.files, &source, &new)?;
    }
    if let Some(said) = chart.version.clone() {
        let found = version(&new.join("Chart.yaml"))?;
        if found != said {
            let (module, of) = (chart.module.clone(), chart.source.clone());
            return Err(BuildError::VersionDiffers {
                module,
                of,
                found,
                said,
            });
        }
    }
    // Its stamp is the folder's inode alone: a file without its content would not be noticed later.
    durable::sync_dir(&new)?;
    durable::publish_dir(&new, output)
}

/// Only the named files: the folder has more than is wanted.
fn pick(files: &[String], source: &Path, new: &Path) -> Result<(), BuildError> {
    for file in files {
        // Read and written, not copied: the module cache's files are read-only.
        let (from, to) = (source.join(file), new.join(file));
        let text = fs::read(&from).at("read", &from)?;
        let parent = to.parent().unwrap_or(new);
        fs::create_dir_all(parent).at("create", parent)?;
        fs::write(&to, text).at("write", &to)?;
    }
    Ok(())
}

fn version(path: &Path) -> Result<String, BuildError> {
    #[derive(Deserialize)]
    struct Meta {
        version: String,
    }
    let text = fs::read_to_string(path).at("read", path)?;
    let meta: Meta = serde_norway::from_str(&text)
        .map_err(io::Error::other)
        .at("parse", path)?;
    Ok(meta.version)
}

/// Copies folders and files with plain modes: the module cache's own are read-only.
fn copy(from: &Path, to: &Path) -> Result<(), BuildError> {
    use std::os::unix::fs::PermissionsExt;
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(io::Error::from).at("walk", from)?;
        let target = to.join(entry.path().strip_prefix(from).unwrap_or(Path::new("")));
        let folder = entry.file_type().is_dir();
        if folder {
            fs::create_dir_all(&target).at("create", &target)?;
        } else {
            fs::copy(entry.path(), &target).at("write", &target)?;
        }
        let mode = if folder { 0o755 } else { 0o644 };
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).at("set the mode of", &target)?;
    }
    Ok(())
}
