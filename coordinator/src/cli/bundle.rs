//! `bundle`, and the part of `up` that makes it when something is missing.

use super::Context;
use super::args::{Bundle, BundleAction};
use super::output::outln;
use super::progress::Display;
use crate::exit::{Failure, Outcome};
use bundle::{BuildError, Builder, Manifest, Phase, Progress, Source};

/// The last phase of `up`; `bundle build` and `doctor` speak of a whole one.
pub(crate) const LAST_PHASE: u8 = 8;

pub(crate) fn run(context: &Context, options: &Bundle) -> Result<Outcome, Failure> {
    match &options.action {
        BundleAction::Build { source, profile } => {
            let source = match source.as_str() {
                "auto" => Source::Auto,
                "build" => Source::Build,
                "pull" => Source::Pull,
                other => {
                    let message = format!("--source: {other:?} is none of auto, build, pull");
                    return Err(Failure::new(
                        Outcome::Usage,
                        "DY-0104",
                        message,
                        "coordinator bundle build --help",
                    ));
                }
            };
            let mut display = Display::new(context.json);
            let builder = match profile {
                Some(profile) => builder(context, profile, source),
                None => for_phase(context, LAST_PHASE, source)?,
            };
            let manifest = build(&builder, &mut display)?;
            display.finish();
            eprintln!("bundle complete: {} artefacts", manifest.artefacts.len());
            Ok(Outcome::Done)
        }
        BundleAction::List => list(context),
        BundleAction::Verify => verify(context),
    }
}

/// Makes what `up` needs through `phase`; silent and quick when all is there.
pub(crate) fn ensure(context: &Context, phase: u8, display: &mut Display) -> Result<(), Failure> {
    build(&for_phase(context, phase, Source::Auto)?, display).map(|_| ())
}

fn build(builder: &Builder, display: &mut Display) -> Result<Manifest, Failure> {
    let mut shown = (String::new(), 0);
    builder
        .build(&mut |progress: Progress| {
            // Reports come every second; a line every ten is enough, and one at each change of program.
            let tick = (progress.name.clone(), progress.elapsed.as_secs() / 10);
            if progress.phase != Phase::Running || tick != shown {
                shown = tick;
                display.note("bundle", &describe(&progress));
            }
        })
        .map_err(|e| failed(&e))
}

/// The builder of what `up` needs through `phase`.
pub(crate) fn for_phase(context: &Context, phase: u8, source: Source) -> Result<Builder, Failure> {
    let (project, cache) = (context.places.project.clone(), context.places.cache.clone());
    Builder::for_phase(project, cache, phase, source).map_err(|e| failed(&e))
}

fn builder(context: &Context, profile: &str, source: Source) -> Builder {
    Builder {
        project: context.places.project.clone(),
        cache: context.places.cache.clone(),
        profile: profile.to_owned(),
        source,
    }
}

fn describe(progress: &Progress) -> String {
    let state = match progress.phase {
        Phase::Started => format!("started, {}", progress.why),
        Phase::Running => format!("{} s", progress.elapsed.as_secs()),
        Phase::Done => format!("done after {} s", progress.elapsed.as_secs()),
    };
    let expected = progress.expected.as_secs();
    format!(
        "{}/{} {} ({:?}): {state}, usually {expected} s",
        progress.index, progress.total, progress.name, progress.kind
    )
}

fn failed(error: &BuildError) -> Failure {
    Failure::from_error(
        Outcome::Internal,
        "DY-0140",
        error,
        "coordinator bundle build (it goes on where it stopped)",
    )
}

fn list(context: &Context) -> Result<Outcome, Failure> {
    let manifest = Manifest::load(&context.places.cache)
        .map_err(|e| Failure::from_error(Outcome::Preflight, "DY-0141", &e, "coordinator bundle build"))?;
    if context.json {
        outln!("{}", serde_json::to_string(&manifest).unwrap_or_default());
    } else {
        for artefact in &manifest.artefacts {
            let digest = artefact
                .sha256
                .as_deref()
                .map_or("-", |d| d.get(..16).unwrap_or(d));
            let mib = artefact
                .bytes
                .map_or_else(|| "-".to_owned(), |b| format!("{} MiB", b.div_ceil(1 << 20)));
            outln!("{:<40} {mib:>10} {digest}", artefact.path);
        }
    }
    Ok(Outcome::Done)
}

fn verify(context: &Context) -> Result<Outcome, Failure> {
    let report = bundle::verify(&context.places.cache)
        .map_err(|e| Failure::from_error(Outcome::Preflight, "DY-0141", &e, "coordinator bundle build"))?;
    let findings: Vec<String> = report
        .findings
        .iter()
        .map(|f| format!("{}: {:?}", f.path, f.fault))
        .collect();
    if context.json {
        outln!(
            "{}",
            serde_json::json!({"checked": report.checked, "bytes": report.bytes, "findings": findings})
        );
    } else {
        outln!(
            "{} artefacts, {} MiB read, {} findings",
            report.checked,
            report.bytes >> 20,
            findings.len()
        );
        findings.iter().for_each(|line| outln!("{line}"));
    }
    if report.is_sound() {
        return Ok(Outcome::Done);
    }
    let message = format!("{} artefacts are not as the manifest says", findings.len());
    Err(Failure::new(
        Outcome::Partial,
        "DY-0142",
        message,
        "coordinator bundle build",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;
    use ::bundle::paths;
    use model::lab::Lab;
    use std::fs;

    const SPEC: &str = r#"
schemaVersion: 1
name: test
versions: {p: v1.2.3}
host: {packages: [], go: "1.26", keptMib: 1}
epoch: 7
modules: []
sources: []
layers:
  - {name: base, entries: [{type: directory, path: tmp, mode: "1777"}]}
  - {name: more, entries: [{type: directory, path: run, mode: "0755"}]}
images:
  - {name: base, reference: "registry.example/base:${p}", layers: [base]}
  - {name: more, reference: "registry.example/more:${p}", layers: [base, more]}
profiles: [{name: core, binaries: [], images: [base, more], charts: []}]
"#;

    /// The part of `up` that comes before its run.
    #[test]
    fn up_makes_a_broken_archive_again_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temp");
        let (project, cache) = (folder.path().to_owned(), folder.path().join("cache"));
        fs::create_dir_all(project.join("values/bundle")).expect("made");
        fs::write(project.join("values/bundle/bundle.yaml"), SPEC).expect("written");
        let context = Context {
            lab: Lab::default(),
            places: Places {
                home: folder.path().join("home"),
                cache: cache.clone(),
                project,
                program: "coordinator".into(),
            },
            json: true,
        };
        let up = || ensure(&context, 3, &mut Display::new(true)).expect("the bundle");
        up();
        let [broken, sound] = ["base", "more"].map(|name| paths::image(&cache, name));
        let (whole, other) = (fs::read(&broken), fs::metadata(&sound).expect("there"));
        fs::write(&broken, "not an archive").expect("written");
        up();
        assert_eq!(fs::read(&broken).ok(), whole.ok());
        let modified = |meta: fs::Metadata| meta.modified().expect("a time");
        assert_eq!(
            modified(fs::metadata(&sound).expect("there")),
            modified(other),
            "made again too"
        );
        assert!(::bundle::verify(&cache).expect("a manifest").is_sound());
    }
}
