//! Static programs from one C file.

use std::path::Path;

use super::Site;
use crate::durable;
use crate::error::BuildError;
use crate::process::{self, Tick};
use crate::spec::SourceProgram;

/// The host's C compiler.
pub(crate) const COMPILER: &str = "cc";

/// Small, static, and without anything that differs from build to build.
pub(crate) const FLAGS: [&str; 7] = [
    "-Os",
    "-Wall",
    "-Werror",
    "-static",
    "-s",
    "-Wl,--build-id=none",
    "-o",
];

/// Builds one program.
pub(super) fn build(
    site: &Site<'_>,
    source: &SourceProgram,
    output: &Path,
    tick: Tick<'_>,
) -> Result<(), BuildError> {
    let new = durable::beside(output);
    let mut command = process::tied(COMPILER);
    command
        .args(FLAGS)
        .arg(&new)
        .arg(site.spec.folder.join(&source.file));
    process::run(command, &source.name, &site.log(&source.name), tick)?;
    durable::sync(&new)?;
    durable::publish(&new, output)
}
