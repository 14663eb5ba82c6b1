//! Builds a profile: plan, check the room, make step by step with a record after each, prune, write the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{At, BuildError};
use crate::graph::{Id, Kind, Step, Task};
use crate::make::{Site, make};
use crate::manifest::{self, Artefact, Manifest};
use crate::plan::{Plan, PlannedStep, Why, decide};
use crate::progress::{Phase, Progress};
use crate::recipe::recipes;
use crate::spec::{Profile, Spec};
use crate::{disk, durable, graph, lock, paths, prune, pull, state};

/// Where images come from. Programs, charts and trees are always built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// An image is pulled where its registry answers and has it, else built.
    #[default]
    Auto,
    /// Everything is built from pinned modules and Debian packages.
    Build,
    /// Images are pulled; one that cannot be is an error.
    Pull,
}

/// Makes the bundle of one profile in one cache folder.
#[derive(Debug, Clone)]
pub struct Builder {
    /// The project's folder, which holds `values/bundle/bundle.yaml`.
    pub project: PathBuf,
    /// The cache folder.
    pub cache: PathBuf,
    /// The profile's name, such as `core`.
    pub profile: String,
    /// Where images come from.
    pub source: Source,
}

impl Builder {
    /// The builder of what `up` needs through `phase`. Where the cache holds a larger profile that is whole, it is that
    /// one: what was built for later phases is not thrown away by a look at earlier ones.
    ///
    /// # Errors
    /// When the description is not usable or has no profile for that phase.
    pub fn for_phase(
        project: PathBuf,
        cache: PathBuf,
        phase: u8,
        source: Source,
    ) -> Result<Self, BuildError> {
        let spec = Spec::load(&project)?;
        let wanted = spec.profile_for(phase)?.name.clone();
        let held = Manifest::load(&cache).map(|m| m.profile).unwrap_or_default();
        let of = |profile: &str| Builder {
            project: project.clone(),
            cache: cache.clone(),
            profile: profile.to_owned(),
            source,
        };
        if held != wanted && spec.profile(&held).is_ok() && spec.includes(&held, &wanted) {
            let larger = of(&held);
            // The project's own programs change with every edit and take part in every profile alike; and one broken file is
            // no reason to throw the others away.
            let is_whole = |step: &PlannedStep| step.kind == Kind::Crate || step.why == Why::Damaged;
            if larger.plan()?.steps.iter().all(is_whole) {
                return Ok(larger);
            }
        }
        Ok(of(&wanted))
    }

    /// What a build would do, and what it asks of the host. Changes nothing.
    ///
    /// # Errors
    /// When the description is not usable, or a compiler whose version counts cannot be asked.
    pub fn plan(&self) -> Result<Plan, BuildError> {
        let spec = Spec::load(&self.project)?;
        let work = self.work(&spec)?;
        Ok(plan(&spec, &work.steps, &work.why, &self.cache))
    }

    /// Makes what is missing or changed, and writes the manifest. A second call with nothing to do only reads.
    ///
    /// # Errors
    /// The first step that fails ends the build; everything finished before it stays and is not made again.
    pub fn build(&self, progress: &mut dyn FnMut(Progress)) -> Result<Manifest, BuildError> {
        let spec = Spec::load(&self.project)?;
        let _lock = lock::take(&self.cache)?;
        let Work {
            steps,
            recipes,
            mut why,
        } = self.work(&spec)?;
        for (step, _) in steps
            .iter()
            .zip(&why)
            .filter(|(step, why)| step.kept && why.is_none())
        {
            state::refresh(&self.cache, &step.id, &self.cache.join(&step.output))?;
        }
        room(&plan(&spec, &steps, &why, &self.cache), &self.cache)?;
        if disk::refuse_in_use(&paths::rootfs_tree(&self.cache)).is_err() {
            put_store_off(&steps, &mut why);
        }
        not_in_use(&steps, &why, &self.cache)?;
        if why.iter().any(Option::is_some) {
            prune::sweep(&self.cache, &steps)?;
        }
        let site = Site {
            spec: &spec,
            project: &self.project,
            cache: &self.cache,
            steps: &steps,
        };
        run(&site, &recipes, &why, progress)?;
        let manifest = describe(&spec, spec.profile(&self.profile)?, &steps, &self.cache)?;
        if Manifest::load(&self.cache).ok().as_ref() != Some(&manifest) {
            manifest.save(&self.cache)?;
        }
        Ok(manifest)
    }

    /// Steps, their recipes, and which of them have to run.
    fn work<'s>(&self, spec: &'s Spec) -> Result<Work<'s>, BuildError> {
        let profile = spec.profile(&self.profile)?;
        let with = |pulled: &BTreeSet<String>| -> Result<Work<'s>, BuildError> {
            let steps = graph::steps(spec, profile, &self.project, pulled);
            let recipes = recipes(spec, &self.project, &steps)?;
            let why = decide(&self.cache, &steps, &recipes);
            Ok(Work { steps, recipes, why })
        };
        let every = || profile.images.iter().cloned().collect();
        match self.source {
            Source::Build => with(&BTreeSet::new()),
            Source::Pull => with(&every()),
            Source::Auto => {
                let mut silent = BTreeSet::new();
                // What stands stays, however it came; only what must be made anew is worth asking a registry.
                let (built, pulled) = (with(&BTreeSet::new())?, with(&every())?);
                let chosen = spec
                    .images
                    .iter()
                    .filter(|i| profile.images.contains(&i.name))
                    .filter(|image| {
                        let stands = |work: &Work<'_>| work.stands(&Id::new(Kind::Image, &image.name));
                        !stands(&built) && (stands(&pulled) || pull::is_there(image, &mut silent))
                    });
                with(&chosen.map(|i| i.name.clone()).collect())
            }
        }
    }
}

/// What a build consists of.
struct Work<'s> {
    steps: Vec<Step<'s>>,
    recipes: BTreeMap<Id, String>,
    why: Vec<Option<Why>>,
}

impl Work<'_> {
    fn stands(&self, id: &Id) -> bool {
        self.steps
            .iter()
            .zip(&self.why)
            .any(|(step, why)| step.id == *id && why.is_none())
    }
}

/// Runs the chosen steps in order.
fn run(
    site: &Site<'_>,
    recipes: &BTreeMap<Id, String>,
    why: &[Option<Why>],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let chosen: Vec<(&Step<'_>, Why)> = chosen(site.steps, why).collect();
    // Less than twice the largest module is short.
    let short = 2 * site
        .spec
        .modules
        .iter()
        .map(|m| m.peak_mib)
        .max()
        .unwrap_or_default();
    for (place, (step, why)) in chosen.iter().enumerate() {
        let mut tell = |phase, elapsed| {
            progress(Progress {
                name: step.id.name.clone(),
                kind: step.id.kind,
                why: *why,
                phase,
                index: place + 1,
                total: chosen.len(),
                elapsed,
                expected: Duration::from_secs(step.seconds),
            });
        };
        let begun = crate::process::now();
        tell(Phase::Started, Duration::ZERO);
        let recipe = recipes.get(&step.id).map(String::as_str).unwrap_or_default();
        let record = make(site, step, recipe, &mut |elapsed| tell(Phase::Running, elapsed))?;
        state::save(site.cache, &step.id, &record)?;
        tracing::info!(kind = ?step.id.kind, name = step.id.name, seconds = begun.elapsed().as_secs(), "built");
        tell(Phase::Done, begun.elapsed());
        if let Task::Go(module, _) = step.task {
            let more = |s: &Step<'_>| matches!(s.task, Task::Go(m, _) if m.name == module.name);
            if !chosen[place + 1..].iter().any(|(step, _)| more(step)) {
                prune::after_module(site.cache, short)?;
            }
        }
    }
    match chosen.is_empty() {
        true => Ok(()),
        false => prune::after_build(site.cache, short),
    }
}

/// The steps that have to run, each with its reason.
fn chosen<'a, 's>(
    steps: &'a [Step<'s>],
    why: &'a [Option<Why>],
) -> impl Iterator<Item = (&'a Step<'s>, Why)> {
    steps
        .iter()
        .zip(why)
        .filter_map(|(step, why)| why.map(|why| (step, why)))
}

fn plan(spec: &Spec, steps: &[Step<'_>], why: &[Option<Why>], cache: &Path) -> Plan {
    let planned = |(step, why): (&Step<'_>, Why)| {
        let expected = Duration::from_secs(step.seconds);
        PlannedStep {
            kind: step.id.kind,
            name: step.id.name.clone(),
            why,
            expected,
        }
    };
    let go = |step: &Step<'_>| match step.task {
        Task::Go(module, _) => Some(module.peak_mib),
        _ => None,
    };
    let caches = chosen(steps, why)
        .filter_map(|(step, _)| go(step))
        .max()
        .unwrap_or_default();
    let planned: Vec<PlannedStep> = chosen(steps, why).map(planned).collect();
    let peak_mib = if planned.is_empty() {
        0
    } else {
        spec.host.kept_mib + caches
    };
    // Looking at every file takes seconds, and is needed only where room is short.
    let roomy = disk::free_mib(cache).is_ok_and(|free| free >= peak_mib);
    let need_mib = if roomy {
        peak_mib
    } else {
        peak_mib.saturating_sub(disk::used_mib(cache))
    };
    let expected = planned.iter().map(|s| s.expected).sum();
    Plan {
        steps: planned,
        expected,
        peak_mib,
        need_mib,
        kept_mib: spec.host.kept_mib,
        go: spec.host.go.clone(),
    }
}

fn room(plan: &Plan, cache: &Path) -> Result<(), BuildError> {
    std::fs::create_dir_all(cache).at("create", cache)?;
    let have_mib = disk::free_mib(cache)?;
    match have_mib >= plan.need_mib {
        true => Ok(()),
        false => Err(BuildError::NoSpace {
            path: cache.to_owned(),
            need_mib: plan.need_mib,
            have_mib,
        }),
    }
}

/// Nodes stand on the store: where it only lacks images that are new, it may stay as it is until they are gone. They
/// import what it lacks from the archives.
fn put_store_off(steps: &[Step<'_>], why: &mut [Option<Why>]) {
    let due = |kind: Kind| {
        steps
            .iter()
            .zip(why.iter())
            .filter(move |(step, _)| step.kept && step.id.kind == kind)
            .filter_map(|(_, why)| *why)
    };
    let stands = due(Kind::Store).all(|why| why == Why::Changed);
    let only_new = due(Kind::Image).all(|why| why == Why::Missing) && due(Kind::Image).next().is_some();
    if !stands || !only_new || due(Kind::Tree).next().is_some() {
        return;
    }
    for (step, why) in steps.iter().zip(why) {
        if step.id.kind == Kind::Store {
            *why = None;
        }
    }
}

/// Nodes may stand on the root file system, and have links into the store: said before minutes are spent.
fn not_in_use(steps: &[Step<'_>], why: &[Option<Why>], cache: &Path) -> Result<(), BuildError> {
    let tree = paths::rootfs_tree(cache);
    let shared = |step: &Step<'_>| step.kept && matches!(step.id.kind, Kind::Tree | Kind::Store);
    let replaced = |(step, why): (&Step<'_>, &Option<Why>)| {
        why.is_some() && shared(step) && cache.join(&step.output).exists()
    };
    match steps.iter().zip(why).any(replaced) {
        true => disk::refuse_in_use(&tree),
        false => Ok(()),
    }
}

/// The manifest of what stands now.
fn describe(
    spec: &Spec,
    profile: &Profile,
    steps: &[Step<'_>],
    cache: &Path,
) -> Result<Manifest, BuildError> {
    let mut artefacts = Vec::new();
    for step in steps.iter().filter(|s| s.kept) {
        let Some(record) = state::load(cache, &step.id) else {
            continue;
        };
        let fixed = step.id.kind != Kind::Store;
        artefacts.push(Artefact {
            path: step.output.to_string_lossy().into_owned(),
            kind: step.id.kind,
            name: step.id.name.clone(),
            recipe: record.recipe,
            sha256: fixed.then_some(record.sha256),
            bytes: fixed.then_some(record.bytes),
            image: record.image,
        });
    }
    artefacts.sort_by(|a, b| a.path.cmp(&b.path));
    durable::parent(&paths::manifest(cache))?;
    Ok(Manifest {
        schema_version: manifest::SCHEMA,
        set: spec.name.clone(),
        profile: profile.name.clone(),
        versions: spec.versions.clone(),
        artefacts,
    })
}
