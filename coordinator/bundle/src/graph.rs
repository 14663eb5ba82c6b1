//! What a profile needs, as a list in build order: every step comes after the steps it uses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::paths;
use crate::spec::{
    Chart, Entry, Image, Layer, Module, Profile, Program, SourceProgram, Spec, Store, Tree, WorkspaceCrate,
};

/// Kinds of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A static program.
    Program,
    /// A Debian tree.
    Tree,
    /// An image layer.
    Layer,
    /// An image archive.
    Image,
    /// A Helm chart.
    Chart,
    /// A program of the project's own workspace, for one target.
    Crate,
    /// The ready content store.
    Store,
}

/// Names one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Id {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Id {
            kind,
            name: name.to_owned(),
        }
    }
}

/// What a step does, with its part of the description.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task<'s> {
    Go(&'s Module, &'s Program),
    Source(&'s SourceProgram),
    Tree(&'s Tree),
    Layer(&'s Layer),
    Image(&'s Image),
    Pull(&'s Image),
    Chart(&'s Chart),
    Crate(&'s WorkspaceCrate, &'s str),
    Store(&'s Store),
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step<'s> {
    pub(crate) id: Id,
    pub(crate) task: Task<'s>,
    pub(crate) needs: Vec<Id>,
    pub(crate) seconds: u64,
    /// Relative to the cache folder.
    pub(crate) output: PathBuf,
    /// Part of the bundle; otherwise only a means to make another step's output.
    pub(crate) kept: bool,
}

/// The steps of a profile. `pulled` names the images that come from a registry.
pub(crate) fn steps<'s>(
    spec: &'s Spec,
    profile: &'s Profile,
    project: &Path,
    pulled: &BTreeSet<String>,
) -> Vec<Step<'s>> {
    let images: Vec<&Image> = spec
        .images
        .iter()
        .filter(|i| profile.images.contains(&i.name))
        .collect();
    let built = |i: &&&Image| !pulled.contains(&i.name);
    let layers: Vec<&Layer> = spec
        .layers
        .iter()
        .filter(|l| images.iter().filter(built).any(|i| i.layers.contains(&l.name)))
        .collect();
    let used = |wanted: &Id| layers.iter().any(|l| layer_needs(l).contains(wanted));
    let here = Path::new("");

    let mut steps = Vec::new();
    let mut program = |name: &str, task, seconds| {
        let kept = profile.binaries.iter().any(|b| b == name);
        let id = Id::new(Kind::Program, name);
        if kept || used(&id) {
            let output = if kept {
                paths::bin(here, name)
            } else {
                paths::work(here).join("out").join(name)
            };
            steps.push(Step {
                id,
                task,
                needs: Vec::new(),
                seconds,
                output,
                kept,
            });
        }
    };
    for module in &spec.modules {
        for p in &module.programs {
            program(&p.name, Task::Go(module, p), p.seconds);
        }
    }
    for source in &spec.sources {
        program(&source.name, Task::Source(source), source.seconds);
    }
    for tree in &spec.trees {
        let id = Id::new(Kind::Tree, &tree.name);
        if profile.rootfs.as_ref() != Some(&tree.name) && used(&id) {
            let output = paths::work(here).join("trees").join(&tree.name);
            steps.push(Step {
                id,
                task: Task::Tree(tree),
                needs: Vec::new(),
                seconds: tree.seconds,
                output,
                kept: false,
            });
        }
    }
    for layer in layers {
        let output = paths::work(here)
            .join("layers")
            .join(format!("{}.tar", layer.name));
        let id = Id::new(Kind::Layer, &layer.name);
        let needs = layer_needs(layer);
        steps.push(Step {
            id,
            task: Task::Layer(layer),
            needs,
            seconds: 2,
            output,
            kept: false,
        });
    }
    for image in &images {
        let id = Id::new(Kind::Image, &image.name);
        let output = paths::image(here, &image.name);
        let (task, needs) = match pulled.contains(&image.name) {
            true => (Task::Pull(image), Vec::new()),
            false => (
                Task::Image(image),
                image.layers.iter().map(|l| Id::new(Kind::Layer, l)).collect(),
            ),
        };
        steps.push(Step {
            id,
            task,
            needs,
            seconds: 2,
            output,
            kept: true,
        });
    }
    for chart in spec.charts.iter().filter(|c| profile.charts.contains(&c.name)) {
        let id = Id::new(Kind::Chart, &chart.name);
        let output = paths::chart(here, &chart.name);
        steps.push(Step {
            id,
            task: Task::Chart(chart),
            needs: Vec::new(),
            seconds: 1,
            output,
            kept: true,
        });
    }
    // Late, because nodes may stand on the one before: what does not depend on it is made by then.
    for tree in spec
        .trees
        .iter()
        .filter(|t| profile.rootfs.as_ref() == Some(&t.name))
    {
        let id = Id::new(Kind::Tree, &tree.name);
        let output = paths::rootfs_tree(here);
        steps.push(Step {
            id,
            task: Task::Tree(tree),
            needs: Vec::new(),
            seconds: tree.seconds,
            output,
            kept: true,
        });
    }
    if let (true, Some(rootfs), Some(store)) = (profile.store, &profile.rootfs, &spec.store) {
        let mut needs: Vec<Id> = images.iter().map(|i| Id::new(Kind::Image, &i.name)).collect();
        needs.push(Id::new(Kind::Tree, rootfs));
        let id = Id::new(Kind::Store, "store");
        steps.push(Step {
            id,
            task: Task::Store(store),
            needs,
            seconds: store.seconds,
            output: paths::store(here),
            kept: true,
        });
    }
    for item in spec.crates.iter().filter(|c| profile.crates.contains(&c.name)) {
        let complete = item.inputs.iter().all(|input| project.join(input).exists());
        for target in item.targets.iter().filter(|_| complete) {
            let id = Id::new(Kind::Crate, &format!("{}-{target}", item.name));
            let output = paths::crate_bin(here, &item.name, target);
            let task = Task::Crate(item, target);
            steps.push(Step {
                id,
                task,
                needs: Vec::new(),
                seconds: item.seconds,
                output,
                kept: true,
            });
        }
    }
    steps
}

fn layer_needs(layer: &Layer) -> Vec<Id> {
    let need = |entry: &Entry| match entry {
        Entry::Program { name, .. } => Some(Id::new(Kind::Program, name)),
        Entry::Tree { name } => Some(Id::new(Kind::Tree, name)),
        _ => None,
    };
    layer.entries.iter().filter_map(need).collect()
}
