//! Programs of this project's own workspace that travel in the bundle, built by cargo for one target.

use std::fs;
use std::path::{Path, PathBuf};

use super::Site;
use crate::durable;
use crate::error::{At, BuildError};
use crate::paths;
use crate::process::{self, Tick};
use crate::spec::WorkspaceCrate;

/// Builds one program for one target, in a target folder of its own: a caller's own cargo run is not disturbed.
pub(super) fn build(
    site: &Site<'_>,
    item: &WorkspaceCrate,
    target: &str,
    output: &Path,
    tick: Tick<'_>,
) -> Result<(), BuildError> {
    let folder = paths::work(site.cache).join("cargo");
    let mut command = process::tied("cargo");
    command.current_dir(site.project);
    command.args([
        "build",
        "--locked",
        "--profile",
        &item.profile,
        "--package",
        &item.package,
    ]);
    command
        .args(["--target", target])
        .env("CARGO_TARGET_DIR", &folder);
    // A cargo that runs us hands down settings of its own build.
    command.env_remove("CARGO").env_remove("RUSTC_WRAPPER");
    command.env("CARGO_ENCODED_RUSTFLAGS", remap(site.project, &folder));
    let name = format!("{}-{target}", item.name);
    process::run(command, &name, &site.log(&name), tick)?;
    let built = folder.join(target).join(&item.profile).join(&item.package);
    let new = durable::beside(output);
    fs::copy(&built, &new).at("copy", &built)?;
    durable::sync(&new)?;
    durable::publish(&new, output)
}

/// Keeps this machine's folders out of the binary. Cargo's encoded form allows spaces in them.
fn remap(project: &Path, target: &Path) -> String {
    let project = fs::canonicalize(project).unwrap_or_else(|_| project.to_owned());
    let mut flags = vec![flag(&project, "/src"), flag(target, "/target")];
    flags.extend(cargo_home().map(|home| flag(&home, "/cargo")));
    flags.join("\x1f")
}

fn flag(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

fn cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}
