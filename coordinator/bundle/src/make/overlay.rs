//! A Go module with some of its files replaced by ours. Go's own overlays refuse files of its module cache, so the module's
//! verified sources are copied, and a go.mod beside the copy has it take the place of the pinned version.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Site, go};
use crate::error::{At, BuildError};
use crate::spec::Module;
use crate::{durable, paths};

/// Where the copy is, seen from the go.mod: what a program records of a replaced module is this and no folder of the host.
const COPY: &str = "./upstream";

/// The folder to build in: the module's own, or for one with an overlay another, made anew.
pub(super) fn folder(site: &Site<'_>, module: &Module) -> Result<PathBuf, BuildError> {
    let own = site.spec.folder.join(&module.name);
    if module.overlay.is_empty() {
        return Ok(own);
    }
    let pinned = format!("{}@{}", module.version.of, module.version.is);
    let upstream = go::sources(site, &module.name, &pinned)?;
    let folder = paths::work(site.cache).join("overlay").join(&module.name);
    durable::remove_dir(&folder)?;
    lay(&upstream, &own, module, &folder)?;
    Ok(folder)
}

/// Copies `upstream` with the overlay's files of `own` in their places, and its go.mod and go.sum, into `folder`.
fn lay(upstream: &Path, own: &Path, module: &Module, folder: &Path) -> Result<(), BuildError> {
    let copy = folder.join(COPY);
    copy_tree(upstream, &copy)?;
    for (place, file) in &module.overlay {
        let (place, file) = (copy.join(place), own.join(file));
        // A new file would be none that anything of upstream's waits for.
        fs::metadata(&place).at("replace", &place)?;
        fs::write(&place, fs::read(&file).at("read", &file)?).at("write", &place)?;
    }
    let from = own.join("go.mod");
    let text = fs::read_to_string(&from).at("read", &from)?;
    let to = folder.join("go.mod");
    fs::write(&to, format!("{text}\nreplace {} => {COPY}\n", module.version.of)).at("write", &to)?;
    let (from, to) = (own.join("go.sum"), folder.join("go.sum"));
    fs::write(&to, fs::read(&from).at("read", &from)?).at("write", &to)
}

/// Files and folders only, writable: the module cache's are not.
fn copy_tree(from: &Path, to: &Path) -> Result<(), BuildError> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(std::io::Error::from).at("walk", from)?;
        let place = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        if entry.file_type().is_dir() {
            fs::create_dir_all(&place).at("create", &place)?;
        } else if entry.file_type().is_file() {
            fs::write(&place, fs::read(entry.path()).at("read", entry.path())?).at("write", &place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn module(place: &str) -> Module {
        serde_json::from_value(serde_json::json!({
            "name": "m", "version": {"of": "a.b/c", "is": "v1.2.3"}, "peakMib": 1,
            "overlay": {place: "overlay/list.go"}, "programs": [],
        }))
        .unwrap()
    }

    #[test]
    fn only_the_named_files_are_ours() {
        let root = tempfile::tempdir().unwrap();
        let (upstream, own) = (root.path().join("upstream"), root.path().join("own"));
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(upstream.join("pkg/list.go"), "theirs");
        write(upstream.join("pkg/rest.go"), "theirs");
        fs::set_permissions(upstream.join("pkg/list.go"), fs::Permissions::from_mode(0o444)).unwrap();
        write(own.join("overlay/list.go"), "ours");
        write(own.join("go.mod"), "require a.b/c v1.2.3");
        write(own.join("go.sum"), "sums");
        let folder = root.path().join("work");
        lay(&upstream, &own, &module("pkg/list.go"), &folder).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("upstream/pkg/list.go"), "ours");
        assert_eq!(read("upstream/pkg/rest.go"), "theirs");
        assert_eq!(read("go.sum"), "sums");
        assert_eq!(
            read("go.mod"),
            "require a.b/c v1.2.3\nreplace a.b/c => ./upstream\n"
        );

        let gone = module("pkg/gone.go");
        let error = lay(&upstream, &own, &gone, &root.path().join("other")).unwrap_err();
        assert!(error.to_string().contains("pkg/gone.go"), "{error}");
    }
}
