//! Debian trees by mmdebstrap, and the facts that are kept about the nodes' root file system.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Site;
use crate::error::{At, BuildError};
use crate::process::{self, Tick};
use crate::spec::Tree;
use crate::{disk, durable, paths};

/// What no node and no image reads; licences stay.
const LEFT_OUT: [&str; 6] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/bug/*",
    "/usr/share/lintian/*",
];

/// Options of every tree. A mirror may lag behind the date that its index claims to be valid for.
pub(crate) fn options() -> Vec<String> {
    let mut out: Vec<String> = ["--mode=root", "--format=directory"].map(str::to_owned).into();
    out.push("--aptopt=Acquire::Check-Valid-Until \"false\"".to_owned());
    out.extend(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")));
    out.push("--dpkgopt=path-include=/usr/share/doc/*/copyright".to_owned());
    out
}

/// Makes one tree. `rootfs`: nodes may stand on the one before, which is then not replaced.
pub(super) fn build(
    site: &Site<'_>,
    tree: &Tree,
    output: &Path,
    rootfs: bool,
    tick: Tick<'_>,
) -> Result<(), BuildError> {
    if rootfs {
        disk::refuse_in_use(output)?;
    }
    let new = durable::beside(output);
    durable::remove_dir(&new)?;
    let folder = fs::canonicalize(&site.spec.folder).at("resolve", &site.spec.folder)?;
    let list = folder.join(&tree.packages);
    let text = fs::read_to_string(&list).at("read", &list)?;
    let packages = packages(&text);

    // In namespaces of its own: what mmdebstrap mounts and starts ends with it, however it ends.
    let mut command = process::tied("unshare");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "mmdebstrap",
    ]);
    command.env("SOURCE_DATE_EPOCH", site.spec.epoch.to_string());
    command.args(options());
    command
        .arg(format!("--variant={}", tree.variant))
        .arg(format!("--include={}", packages.join(",")));
    if let Some(files) = &tree.files {
        let files = quoted(&folder.join(files));
        command.arg(format!(
            "--customize-hook=cp -a --no-preserve=ownership {files}/. \"$1\"/"
        ));
    }
    if let Some(customize) = &tree.customize {
        let script = quoted(&folder.join(&customize.script));
        command.arg(format!("--{}-hook={script} \"$1\"", customize.hook));
    }
    command.arg(&tree.suite).arg(&new);
    process::run(command, &tree.name, &site.log(&tree.name), tick)?;
    nix::unistd::sync();
    durable::publish_dir(&new, output)
}

/// mmdebstrap gives a hook to a shell; the path is ours, and may hold a space.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

fn packages(text: &str) -> Vec<&str> {
    text.lines()
        .map(|l| l.split('#').next().unwrap_or_default().trim())
        .filter(|l| !l.is_empty())
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TreeManifest<'a> {
    schema_version: u32,
    recipe: &'a str,
    sha256: &'a str,
    bytes: u64,
    /// `name version architecture`, sorted: what Debian served on the day of the build.
    packages: Vec<String>,
}

/// Writes `rootfs/manifest.json`.
pub(super) fn write_manifest(
    cache: &Path,
    tree: &Path,
    recipe: &str,
    sha256: &str,
    bytes: u64,
) -> Result<(), BuildError> {
    let status = tree.join("var/lib/dpkg/status");
    let text = fs::read_to_string(&status).at("read", &status)?;
    let manifest = TreeManifest {
        schema_version: 1,
        recipe,
        sha256,
        bytes,
        packages: installed(&text),
    };
    let path = paths::rootfs_manifest(cache);
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(std::io::Error::from)
        .at("encode", &path)?;
    durable::write(&path, &text)
}

/// Installed packages by dpkg's status file.
fn installed(status: &str) -> Vec<String> {
    let field = |block: &str, name: &str| {
        block
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .map(|v| v.trim().to_owned())
            .unwrap_or_default()
    };
    let mut out: Vec<String> = status
        .split("\n\n")
        .filter(|block| block.contains("Status: install ok installed"))
        .map(|b| {
            format!(
                "{} {} {}",
                field(b, "Package:"),
                field(b, "Version:"),
                field(b, "Architecture:")
            )
        })
        .collect();
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_packages() {
        assert_eq!(packages("# a\n\nsystemd\ncurl # fetches\n"), ["systemd", "curl"]);
    }

    #[test]
    fn status_lists_what_is_installed() {
        let text = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\nPackage: c\nStatus: deinstall ok config-files\n\nPackage: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";
        assert_eq!(installed(text), ["a 1 all", "b 2 amd64"]);
    }

    #[test]
    fn a_hook_path_survives_the_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
