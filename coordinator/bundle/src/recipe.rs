//! The recipe digest of every step: all that decides its output, and nothing else. No output is read for it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::digest::Recipe;
use crate::error::{At, BuildError};
use crate::graph::{Id, Step, Task};
use crate::make::{cc, debian, go};
use crate::process;
use crate::spec::Spec;

/// Raised when this program writes layers, images or trees differently from the same inputs.
const FORMAT: &str = "1";

/// How long a compiler may take to say its version; for a busy host, an idle one answers at once.
const VERSION: Duration = Duration::from_secs(20);

/// Digests by step. Steps must come in build order.
pub(crate) fn recipes(
    spec: &Spec,
    project: &Path,
    steps: &[Step<'_>],
) -> Result<BTreeMap<Id, String>, BuildError> {
    let mut tools = Tools::default();
    let mut done: BTreeMap<Id, String> = BTreeMap::new();
    for step in steps {
        let mut recipe = Recipe::new(FORMAT);
        recipe.add_json("kind", &step.id.kind);
        recipe.add("epoch", spec.epoch.to_string().as_bytes());
        own(&mut recipe, &mut tools, spec, project, &step.task)?;
        for need in &step.needs {
            if let Some(digest) = done.get(need) {
                recipe.add(&need.name, digest.as_bytes());
            }
        }
        done.insert(step.id.clone(), recipe.finish());
    }
    Ok(done)
}

/// Adds what the step itself brings, beside the steps that it needs.
fn own(
    recipe: &mut Recipe,
    tools: &mut Tools,
    spec: &Spec,
    project: &Path,
    task: &Task<'_>,
) -> Result<(), BuildError> {
    match task {
        Task::Go(module, program) => {
            recipe.add("go", tools.go()?.as_bytes());
            recipe.add_json("arguments", &go::arguments(module, program));
            recipe.add_json("environment", &go::FIXED);
            // Left out where there is none: what has none is what it was.
            if !module.overlay.is_empty() {
                recipe.add_json("overlay", &module.overlay);
            }
            folder(recipe, &spec.folder.join(&module.name))
        }
        Task::Source(source) => {
            recipe.add("cc", tools.cc()?.as_bytes());
            recipe.add_json("arguments", &cc::FLAGS);
            file(recipe, &spec.folder.join(&source.file))
        }
        Task::Tree(tree) => {
            recipe.add_json("tree", tree);
            recipe.add_json("options", &debian::options());
            folder(recipe, &spec.folder.join(&tree.recipe))
        }
        Task::Layer(layer) => {
            recipe.add_json("layer", layer);
            for module in spec.modules.iter().filter(|m| uses_module(layer, &m.name)) {
                folder(recipe, &spec.folder.join(&module.name))?;
            }
            Ok(())
        }
        Task::Image(image) => {
            recipe.add_json("image", image);
            Ok(())
        }
        Task::Pull(image) => {
            recipe.add("pull", image.reference.as_bytes());
            recipe.add_json("digest", &image.digest);
            Ok(())
        }
        Task::Chart(chart) => {
            recipe.add_json("chart", chart);
            folder(recipe, &spec.folder.join(&chart.module))
        }
        Task::Crate(item, target) => {
            recipe.add("target", target.as_bytes());
            recipe.add_json("crate", item);
            item.inputs
                .iter()
                .try_for_each(|input| folder(recipe, &project.join(input)))
        }
        Task::Store(store) => {
            recipe.add_json("store", store);
            file(recipe, &spec.folder.join(&store.script))
        }
    }
}

fn uses_module(layer: &crate::spec::Layer, name: &str) -> bool {
    let uses =
        |e: &crate::spec::Entry| matches!(e, crate::spec::Entry::Module { module, .. } if module == name);
    layer.entries.iter().any(uses)
}

/// Adds every file below a folder, or a single file: relative path, whether executable, content.
fn folder(recipe: &mut Recipe, path: &Path) -> Result<(), BuildError> {
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(io::Error::from).at("walk", path)?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
            recipe.add("path", name.as_os_str().as_bytes());
            file(recipe, entry.path())?;
        }
    }
    Ok(())
}

fn file(recipe: &mut Recipe, path: &Path) -> Result<(), BuildError> {
    let mode = fs::metadata(path).at("inspect", path)?.permissions().mode();
    recipe.add("executable", &[u8::from(mode & 0o100 != 0)]);
    recipe.add("content", &fs::read(path).at("read", path)?);
    Ok(())
}

/// Versions of the compilers, asked once and only when a step needs them.
#[derive(Default)]
struct Tools {
    go: Option<String>,
    cc: Option<String>,
}

impl Tools {
    fn go(&mut self) -> Result<&str, BuildError> {
        let mut command = Command::new("go");
        command.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
        once(&mut self.go, command)
    }

    fn cc(&mut self) -> Result<&str, BuildError> {
        let mut command = Command::new(cc::COMPILER);
        command.arg("--version");
        once(&mut self.cc, command)
    }
}

fn once(slot: &mut Option<String>, command: Command) -> Result<&str, BuildError> {
    if slot.is_none() {
        *slot = Some(process::capture(command, "the bundle", VERSION)?);
    }
    Ok(slot.as_deref().unwrap_or_default())
}
