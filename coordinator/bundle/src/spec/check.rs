//! Do the parts fit together: unique names, no dangling reference, no path that leaves its folder.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::{Entry, Spec, SpecError};

/// Names of all parts of a kind.
struct Names<'a> {
    kind: &'static str,
    set: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Result<Self, SpecError> {
        let mut set = BTreeSet::new();
        for name in names {
            plain_name(kind, name)?;
            if !set.insert(name.as_str()) {
                return Err(SpecError::Twice {
                    kind,
                    name: name.clone(),
                });
            }
        }
        Ok(Names { kind, set })
    }

    fn need(&self, field: impl Fn() -> String, name: &str) -> Result<(), SpecError> {
        match self.set.contains(name) {
            true => Ok(()),
            false => Err(SpecError::Dangling {
                field: field(),
                kind: self.kind,
                name: name.to_owned(),
            }),
        }
    }
}

/// Checks the whole document.
pub(super) fn check(spec: &Spec) -> Result<(), SpecError> {
    let modules = Names::of("module", spec.modules.iter().map(|m| &m.name))?;
    let built = spec
        .modules
        .iter()
        .flat_map(|m| m.programs.iter().map(|p| &p.name));
    let programs = Names::of("program", built.chain(spec.sources.iter().map(|s| &s.name)))?;
    let trees = Names::of("tree", spec.trees.iter().map(|t| &t.name))?;
    let layers = Names::of("layer", spec.layers.iter().map(|l| &l.name))?;
    let images = Names::of("image", spec.images.iter().map(|i| &i.name))?;
    let charts = Names::of("chart", spec.charts.iter().map(|c| &c.name))?;
    let crates = Names::of("crate", spec.crates.iter().map(|c| &c.name))?;
    Names::of("profile", spec.profiles.iter().map(|p| &p.name))?;
    let mut references = BTreeSet::new();
    for image in &spec.images {
        if !references.insert(&image.reference) {
            return Err(SpecError::Twice {
                kind: "reference",
                name: image.reference.clone(),
            });
        }
    }

    for module in &spec.modules {
        for path in module.overlay.iter().flat_map(|(place, file)| [place, file]) {
            inside(&|| format!("modules.{}.overlay", module.name), path)?;
        }
    }
    for layer in &spec.layers {
        let field = || format!("layers.{}", layer.name);
        for entry in &layer.entries {
            match entry {
                Entry::Directory { path, mode, .. } => {
                    inside(&field, path)?;
                    octal(&field, mode.as_deref())?;
                }
                Entry::Text { path, .. } | Entry::Symlink { path, .. } => inside(&field, path)?,
                Entry::Program { name, path } => {
                    programs.need(field, name)?;
                    inside(&field, path)?;
                }
                Entry::Tree { name } => trees.need(field, name)?,
                Entry::Module {
                    module,
                    source,
                    path,
                    mode,
                    ..
                } => {
                    modules.need(field, module)?;
                    inside(&field, path)?;
                    inside(&field, source)?;
                    octal(&field, mode.as_deref())?;
                }
            }
        }
    }
    for image in &spec.images {
        for layer in &image.layers {
            layers.need(|| format!("images.{}.layers", image.name), layer)?;
        }
    }
    for chart in &spec.charts {
        modules.need(|| format!("charts.{}.module", chart.name), &chart.module)?;
        inside(&|| format!("charts.{}.source", chart.name), &chart.source)?;
        for file in &chart.files {
            inside(&|| format!("charts.{}.files", chart.name), file)?;
        }
    }
    for profile in &spec.profiles {
        let lists = [
            (&programs, &profile.binaries),
            (&images, &profile.images),
            (&charts, &profile.charts),
            (&crates, &profile.crates),
        ];
        for (names, wanted) in lists {
            for name in wanted {
                names.need(|| format!("profiles.{}", profile.name), name)?;
            }
        }
        if let Some(tree) = &profile.rootfs {
            trees.need(|| format!("profiles.{}.rootfs", profile.name), tree)?;
        }
        if profile.store && (profile.rootfs.is_none() || spec.store.is_none()) {
            let field = format!("profiles.{}.store", profile.name);
            return Err(value(
                field,
                "true",
                "needs a rootfs, whose containerd makes it, and a `store` section",
            ));
        }
    }
    Ok(())
}

fn value(field: String, value: &str, rule: &'static str) -> SpecError {
    SpecError::Value {
        field,
        value: value.to_owned(),
        rule,
    }
}

/// Names become file names.
fn plain_name(kind: &'static str, name: &str) -> Result<(), SpecError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) {
        true => Ok(()),
        false => Err(value(
            kind.to_owned(),
            name,
            "is not a plain name (letters, digits, `._-`)",
        )),
    }
}

fn inside(field: &dyn Fn() -> String, path: &str) -> Result<(), SpecError> {
    let normal = Path::new(path)
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    match normal && !path.is_empty() {
        true => Ok(()),
        false => Err(value(field(), path, "is not a relative path without `..`")),
    }
}

fn octal(field: &dyn Fn() -> String, mode: Option<&str>) -> Result<(), SpecError> {
    match mode {
        Some(text) if u32::from_str_radix(text, 8).is_err() => {
            Err(value(field(), text, "is not an octal mode"))
        }
        _ => Ok(()),
    }
}
