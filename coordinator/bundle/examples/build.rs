//! Builds a profile into a cache and prints what happens: `build PROJECT CACHE [plan|build|verify|seed NODE]`,
//! where NODE is the folder that becomes a node's `/var/lib/containerd`.

use std::path::{Path, PathBuf};

use bundle::{Builder, Phase, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut path = |name: &str| {
        arguments
            .next()
            .map(PathBuf::from)
            .ok_or(format!("{name} is missing"))
    };
    let (project, cache) = (path("PROJECT")?, path("CACHE")?);
    let what = arguments.next().unwrap_or_else(|| "plan".to_owned());
    let builder = Builder {
        project,
        cache,
        profile: "core".to_owned(),
        source: Source::Build,
    };
    match what.as_str() {
        "plan" => {
            let plan = builder.plan()?;
            for step in &plan.steps {
                println!(
                    "{:?} {}: {}, about {} s",
                    step.kind,
                    step.name,
                    step.why,
                    step.expected.as_secs()
                );
            }
            println!(
                "{} s in all; peak {} MiB, {} MiB free needed",
                plan.expected.as_secs(),
                plan.peak_mib,
                plan.need_mib
            );
        }
        "build" => {
            let manifest = builder.build(&mut |p| {
                if p.phase == Phase::Done {
                    println!(
                        "{}/{} {:?} {} {:.1} s",
                        p.index,
                        p.total,
                        p.kind,
                        p.name,
                        p.elapsed.as_secs_f64()
                    );
                }
            });
            match manifest {
                Ok(manifest) => println!("{} artefacts", manifest.artefacts.len()),
                Err(error) => {
                    println!("{error}");
                    let mut source = std::error::Error::source(&error);
                    while let Some(cause) = source {
                        println!("  because {cause}");
                        source = cause.source();
                    }
                    return Err("not built".into());
                }
            }
        }
        "seed" => {
            let node = PathBuf::from(arguments.next().ok_or("NODE is missing")?);
            let begun = std::time::Instant::now();
            let mounted = Path::new("/opt/drillyard/store");
            let report = bundle::store::seed_node(&bundle::paths::store(&builder.cache), &node, mounted)?;
            println!("{report:?} in {:?}", begun.elapsed());
        }
        _ => println!("{:#?}", bundle::verify(&builder.cache)?),
    }
    Ok(())
}
