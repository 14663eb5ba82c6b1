//! Go programs from a pinned module: static, without paths or build ids, so that two builds give the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::{Site, overlay};
use crate::error::{At, BuildError};
use crate::process::{self, Tick};
use crate::spec::{Module, Program};
use crate::{durable, paths};

/// How long one module and what it needs may take to come, from a slow proxy too.
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);

/// Environment of every Go command. Where modules come from (GOPROXY, GOSUMDB) stays the user's choice.
pub(crate) const FIXED: [(&str, &str); 6] = [
    ("CGO_ENABLED", "0"),
    ("GOOS", "linux"),
    ("GOARCH", "amd64"),
    ("GOTOOLCHAIN", "local"),
    ("GOWORK", "off"),
    ("GOFLAGS", ""),
];

/// Arguments of `go` for one program, without the output.
pub(crate) fn arguments(module: &Module, program: &Program) -> Vec<String> {
    let flags = ["-s -w -buildid="].into_iter().map(str::to_owned);
    let ldflags: Vec<String> = flags
        .chain(module.ldflags.iter().chain(&program.ldflags).cloned())
        .collect();
    let mut out: Vec<String> = ["build", "-trimpath", "-buildvcs=false"]
        .map(str::to_owned)
        .into();
    out.extend(["-ldflags".to_owned(), ldflags.join(" ")]);
    if !module.tags.is_empty() {
        out.extend(["-tags".to_owned(), module.tags.join(",")]);
    }
    out.push(program.package.clone());
    out
}

/// Builds one program.
pub(super) fn build(
    site: &Site<'_>,
    module: &Module,
    program: &Program,
    output: &Path,
    tick: Tick<'_>,
) -> Result<(), BuildError> {
    check_version(site, module)?;
    let new = durable::beside(output);
    let mut command = go(site, &overlay::folder(site, module)?);
    let mut arguments = arguments(module, program);
    arguments.splice(1..1, ["-o".to_owned(), new.to_string_lossy().into_owned()]);
    command.args(arguments);
    process::run(command, &program.name, &site.log(&program.name), tick)?;
    durable::sync(&new)?;
    durable::publish(&new, output)
}

/// The unpacked, verified sources of a Go module, by what our module pins.
pub(super) fn sources(site: &Site<'_>, module: &str, of: &str) -> Result<PathBuf, BuildError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        dir: PathBuf,
    }
    let mut command = go(site, &site.spec.folder.join(module));
    command.args(["mod", "download", "-json", of]);
    let text = process::capture(command, of, DOWNLOAD)?;
    let answer = || BuildError::Answer {
        tool: "go mod download".to_owned(),
        answer: text.clone(),
    };
    serde_json::from_str::<Download>(&text)
        .map(|d| d.dir)
        .map_err(|_| answer())
}

/// A Go command in the folder of one of our modules, with caches of its own.
fn go(site: &Site<'_>, folder: &Path) -> Command {
    let mut command = process::tied("go");
    command.current_dir(folder);
    command.envs(FIXED);
    command
        .env("GOCACHE", paths::go_build(site.cache))
        .env("GOMODCACHE", paths::go_mod(site.cache));
    command
}

/// The description must not claim another version than go.mod pins.
fn check_version(site: &Site<'_>, module: &Module) -> Result<(), BuildError> {
    let path = site.spec.folder.join(&module.name).join("go.mod");
    let text = fs::read_to_string(&path).at("read", &path)?;
    let found = required(&text, &module.version.of).unwrap_or("nothing");
    if found == module.version.is {
        return Ok(());
    }
    Err(BuildError::VersionDiffers {
        module: module.name.clone(),
        of: module.version.of.clone(),
        found: found.to_owned(),
        said: module.version.is.clone(),
    })
}

/// The version that a go.mod requires of a module path.
fn required<'t>(text: &'t str, of: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("require ").unwrap_or(line);
        let mut words = line.split_whitespace();
        (words.next() == Some(of))
            .then(|| words.next())
            .flatten()
            .filter(|v| v.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::required;

    #[test]
    fn finds_a_requirement_in_either_form() {
        let text = "tool a.b/c\n\nrequire a.b/c v1.2.3\n\nrequire (\n\tx.y/z v0.1.0 // indirect\n)\n";
        assert_eq!(required(text, "a.b/c"), Some("v1.2.3"));
        assert_eq!(required(text, "x.y/z"), Some("v0.1.0"));
        assert_eq!(required(text, "x.y"), None);
    }
}
