//! How each kind of artefact is made. Every maker writes beside the final name and publishes at the end.

pub(crate) mod cc;
mod chart;
pub(crate) mod debian;
pub(crate) mod go;
mod layer;
mod overlay;
mod workspace;

use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::graph::{Id, Kind, Step, Task};
use crate::manifest::ImageRecord;
use crate::process::Tick;
use crate::spec::Spec;
use crate::state::{Record, Stamp};
use crate::{digest, durable, error::At, image, paths, pull, state, store};

/// Where a build happens.
pub(crate) struct Site<'s> {
    pub(crate) spec: &'s Spec,
    pub(crate) project: &'s Path,
    pub(crate) cache: &'s Path,
    pub(crate) steps: &'s [Step<'s>],
}

impl Site<'_> {
    /// The finished output of another step.
    pub(crate) fn output(&self, kind: Kind, name: &str) -> PathBuf {
        let found = self.steps.iter().find(|s| s.id.kind == kind && s.id.name == name);
        self.cache.join(found.map_or(Path::new("absent"), |s| &s.output))
    }

    /// Where a step's tool writes what it prints.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        paths::log(self.cache, name)
    }
}

/// Makes one step's output and returns its record.
pub(crate) fn make(
    site: &Site<'_>,
    step: &Step<'_>,
    recipe: &str,
    tick: Tick<'_>,
) -> Result<Record, BuildError> {
    let output = site.cache.join(&step.output);
    durable::parent(&output)?;
    state::forget(site.cache, &step.id)?;
    let image = match step.task {
        Task::Go(module, program) => go::build(site, module, program, &output, tick).map(|()| None),
        Task::Source(source) => cc::build(site, source, &output, tick).map(|()| None),
        Task::Tree(tree) => debian::build(site, tree, &output, step.kept, tick).map(|()| None),
        Task::Layer(layer) => layer::build(site, layer, &output).map(|()| None),
        Task::Image(spec) => image_of(site, spec, &output).map(Some),
        Task::Pull(image) => {
            let failed = |source| BuildError::Pull {
                artefact: image.name.clone(),
                source,
            };
            pull::pull(image, &paths::work(site.cache), &output)
                .map(Some)
                .map_err(failed)
        }
        Task::Chart(chart) => chart::build(site, chart, &output).map(|()| None),
        Task::Crate(item, target) => workspace::build(site, item, target, &output, tick).map(|()| None),
        Task::Store(store) => store::make(site, store, &output, tick).map(|()| None),
    }?;
    let (sha256, bytes) = match step.id.kind {
        Kind::Store => (String::new(), 0),
        Kind::Tree | Kind::Chart => digest::of_tree(&output)?,
        _ => digest::of_file(&output)?,
    };
    if step.kept && step.id.kind == Kind::Tree {
        debian::write_manifest(site.cache, &output, recipe, &sha256, bytes)?;
    }
    let stamp = Stamp::of(&output).at("inspect", &output)?;
    Ok(Record {
        recipe: recipe.to_owned(),
        sha256,
        bytes,
        stamp,
        image,
    })
}

/// Puts an image together from its finished layers.
fn image_of(site: &Site<'_>, spec: &crate::spec::Image, output: &Path) -> Result<ImageRecord, BuildError> {
    let mut layers = Vec::new();
    for name in &spec.layers {
        let id = Id::new(Kind::Layer, name);
        let path = site.output(Kind::Layer, name);
        let (sha256, bytes) = match state::load(site.cache, &id) {
            Some(record) => (record.sha256, record.bytes),
            None => digest::of_file(&path)?,
        };
        layers.push(image::Blob::file(image::LAYER, sha256, bytes, path));
    }
    image::assemble(spec, layers, output)
}
