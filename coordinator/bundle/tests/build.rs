//! The builder on a small project: what is made, what is made again, what an interrupt leaves, and reproducibility.
#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use bundle::{BuildError, Builder, Kind, Manifest, Phase, Source, Why, paths, verify};

const SPEC: &str = r#"
schemaVersion: 1
name: test
versions: {p: v1.2.3}
host: {packages: [], go: "1.26", keptMib: 1}
epoch: 7
modules: []
sources: [{name: p, file: p.c, seconds: 1}]
layers:
  - {name: base, entries: [{type: directory, path: tmp, mode: "1777"}]}
  - {name: p, entries: [{type: program, name: p, path: usr/bin/p}, {type: symlink, path: bin/p, target: ../usr/bin/p}]}
images:
  - {name: p, reference: "registry.example/p:${p}", layers: [base, p], entrypoint: [/bin/p], maxMib: 8}
  - {name: base, reference: "registry.example/base:${p:bare}", layers: [base]}
profiles: [{name: core, binaries: [p], images: [p, base], charts: []}]
"#;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Project {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(project.values()).unwrap();
        project.spec(SPEC);
        project.source("int main(void) { return 0; }\n");
        project
    }

    fn values(&self) -> PathBuf {
        self.dir.path().join("values/bundle")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn spec(&self, text: &str) {
        fs::write(self.values().join("bundle.yaml"), text).unwrap();
    }

    fn source(&self, text: &str) {
        fs::write(self.values().join("p.c"), text).unwrap();
    }

    fn builder(&self) -> Builder {
        let (project, cache) = (self.dir.path().to_owned(), self.cache());
        Builder {
            project,
            cache,
            profile: "core".to_owned(),
            source: Source::Build,
        }
    }

    /// Builds, and tells which steps ran.
    fn build(&self) -> Result<(Manifest, Vec<String>), BuildError> {
        let mut ran = Vec::new();
        let manifest = self.builder().build(&mut |p| {
            if p.phase == Phase::Done {
                ran.push(format!("{:?}/{}", p.kind, p.name));
            }
        })?;
        Ok((manifest, ran))
    }
}

fn compiler_is_there() -> bool {
    let there = std::process::Command::new("cc").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: no C compiler on this host");
    }
    there
}

#[test]
fn two_builds_in_two_caches_give_the_same_manifest() {
    if !compiler_is_there() {
        return;
    }
    let (one, two) = (Project::new(), Project::new());
    let (first, ran) = one.build().unwrap();
    assert_eq!(
        ran,
        ["Program/p", "Layer/base", "Layer/p", "Image/p", "Image/base"]
    );
    assert_eq!(first, two.build().unwrap().0);
    let text = |p: &Project| fs::read(paths::manifest(&p.cache())).unwrap();
    assert_eq!(text(&one), text(&two));
    let image = first.find(Kind::Image, "p").unwrap().image.clone().unwrap();
    assert_eq!(image.reference, "registry.example/p:v1.2.3");
}

#[test]
fn only_what_changed_or_is_damaged_is_made_again() {
    if !compiler_is_there() {
        return;
    }
    let project = Project::new();
    let (first, _) = project.build().unwrap();
    assert_eq!(project.build().unwrap(), (first.clone(), vec![]));

    project.source("int main(void) { return 1; }\n");
    let why: Vec<_> = project
        .builder()
        .plan()
        .unwrap()
        .steps
        .into_iter()
        .map(|s| (s.name, s.why))
        .collect();
    assert!(why.contains(&("p".to_owned(), Why::Changed)), "{why:?}");
    let (second, ran) = project.build().unwrap();
    // The base layer is needed again for the image; the image that is only the base is not.
    assert_eq!(ran, ["Program/p", "Layer/base", "Layer/p", "Image/p"]);
    assert_ne!(first, second);

    let image = paths::image(&project.cache(), "base");
    fs::write(&image, "damage").unwrap();
    let report = verify(&project.cache()).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(project.build().unwrap().1, ["Layer/base", "Image/base"]);
    assert!(verify(&project.cache()).unwrap().is_sound());
}

#[test]
fn damage_that_no_file_time_tells_is_mended_once_it_was_found() {
    if !compiler_is_there() {
        return;
    }
    let project = Project::new();
    project.build().unwrap();
    let image = paths::image(&project.cache(), "base");
    let modified = fs::metadata(&image).unwrap().modified().unwrap();
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).unwrap();
    fs::File::options()
        .write(true)
        .open(&image)
        .unwrap()
        .set_modified(modified)
        .unwrap();

    // Reading every file at each `up` would take longer than the rest of it.
    assert_eq!(project.build().unwrap().1, [""; 0]);
    assert_eq!(verify(&project.cache()).unwrap().findings.len(), 1);
    assert_eq!(project.build().unwrap().1, ["Layer/base", "Image/base"]);
    assert!(verify(&project.cache()).unwrap().is_sound());
}

#[test]
fn a_broken_file_of_a_larger_profile_throws_no_other_away() {
    if !compiler_is_there() {
        return;
    }
    let project = Project::new();
    let core = "[{name: core, binaries: [p], images: [p, base], charts: []}]";
    let two = "[{name: core, through: 3, binaries: [], images: [base], charts: []},
  {name: whole, extends: core, binaries: [p], images: [p], charts: []}]";
    project.spec(&SPEC.replace(core, two));
    let of_phase = |phase| {
        let (root, cache) = (project.dir.path().to_owned(), project.cache());
        Builder::for_phase(root, cache, phase, Source::Build).unwrap()
    };
    of_phase(8).build(&mut |_| ()).unwrap();
    fs::write(paths::image(&project.cache(), "base"), "damage").unwrap();
    let early = of_phase(3);
    assert_eq!(early.profile, "whole");
    early.build(&mut |_| ()).unwrap();
    assert!(paths::image(&project.cache(), "p").exists());
    assert!(verify(&project.cache()).unwrap().is_sound());
}

#[test]
fn a_failed_step_keeps_what_was_finished_and_says_why() {
    if !compiler_is_there() {
        return;
    }
    let project = Project::new();
    project.source("this is not C\n");
    let BuildError::Failed {
        artefact, tail, log, ..
    } = project.build().unwrap_err()
    else {
        panic!()
    };
    assert_eq!(artefact, "p");
    assert!(tail.contains("error"), "{tail}");
    assert!(log.starts_with(project.cache()));
    assert!(!Path::new(&paths::bin(&project.cache(), "p")).exists());
    assert!(bundle::Manifest::load(&project.cache()).unwrap_err().is_absent());

    project.source("int main(void) { return 0; }\n");
    project.build().unwrap();
    // What no profile names any more goes with the next change.
    let stray = paths::image(&project.cache(), "stray");
    fs::write(&stray, "x").unwrap();
    project.source("int main(void) { return 2; }\n");
    project.build().unwrap();
    assert!(!stray.exists());
}

#[test]
fn wrong_descriptions_are_refused_with_the_place() {
    let project = Project::new();
    for (from, to, expected) in [
        (
            "layers: [base, p]",
            "layers: [base, q]",
            "images.p.layers: there is no layer named `q`",
        ),
        ("${p:bare}", "${q}", "`${q}` is no known version"),
        (
            "path: usr/bin/p",
            "path: ../p",
            "is not a relative path without `..`",
        ),
        ("epoch: 7", "epoch: 7\nsurprise: 1", "does not follow the schema"),
        ("schemaVersion: 1", "schemaVersion: 2", "schemaVersion 2 is not 1"),
        (
            "name: base, reference",
            "name: p, reference",
            "two parts of kind image are named `p`",
        ),
    ] {
        project.spec(&SPEC.replace(from, to));
        let error = project.builder().plan().unwrap_err();
        let source = std::error::Error::source(&error).unwrap_or(&error).to_string();
        let text = format!("{error}: {source}");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn an_image_over_its_limit_is_refused() {
    if !compiler_is_there() {
        return;
    }
    let project = Project::new();
    project.spec(&SPEC.replace("maxMib: 8", "maxMib: 0"));
    assert!(matches!(
        project.build().unwrap_err(),
        BuildError::TooLarge { .. }
    ));
}

#[test]
fn the_projects_own_description_is_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let spec = bundle::Spec::load(&root).unwrap();
    assert!(spec.profile("core").is_ok());
}

#[test]
fn an_interrupt_after_any_step_costs_no_finished_step() {
    if !compiler_is_there() {
        return;
    }
    let (expected, all) = Project::new().build().unwrap();
    for stop in 1..all.len() {
        let project = Project::new();
        let mut done = 0;
        let builder = project.builder();
        let interrupted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            builder.build(&mut |p| {
                done += usize::from(p.phase == Phase::Done);
                // A panic in the callback ends the builder between two steps, as a signal would.
                assert!(done < stop, "interrupted");
            })
        }));
        assert!(interrupted.is_err());
        let (manifest, ran) = project.build().unwrap();
        assert_eq!(
            (&manifest, ran.as_slice()),
            (&expected, &all[stop..]),
            "stopped after {stop}"
        );
    }
}
