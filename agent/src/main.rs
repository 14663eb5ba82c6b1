//! `drillyard-agent`: one program, one subcommand per process of the node.

use agent::logs::LogFormat;
use agent::paths::Paths;
use agent::{evidence, exec, fault, front, install, node_log, step};
use model::causes::chain;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Runs typed steps on a Drillyard node and reports.

usage: drillyard-agent install --seed DIR   make user, folders and units, start them (root)
       drillyard-agent front [--log-format text|json]
                                            speak with the coordinator (user drillyard)
       drillyard-agent exec                 start steps as units (root)
       drillyard-agent step FILE            perform one step; what a unit runs
       drillyard-agent probe FILE           look what is there of a step
       drillyard-agent gather FILE          look for what holds a step up
       drillyard-agent ended ID ATTEMPT     leave a result for a unit that left none
       drillyard-agent undo LEASE CAUSE     undo a fault; what its timer runs
       drillyard-agent undo-all CAUSE       undo all faults; what a boot runs
       drillyard-agent survey FILE          look for faults and what is left of them
       drillyard-agent log LOG BYTES FILE   read the end of one of this node's logs
       drillyard-agent --version";

const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let paths = Paths::below(agent::failpoint::root());
    let done = match words.as_slice() {
        ["--version"] => {
            println!("drillyard-agent {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["install", "--seed", seed] => install::run(&paths, Path::new(seed)).map_err(boxed),
        ["front"] => front::run(paths, LogFormat::Text).map_err(boxed),
        ["front", "--log-format", word] => match LogFormat::parse(word) {
            Some(format) => front::run(paths, format).map_err(boxed),
            None => {
                eprintln!("drillyard-agent: --log-format {word:?} is not text or json");
                return ExitCode::from(USAGE_ERROR);
            }
        },
        ["exec"] => exec::run(paths).map_err(boxed),
        ["step", file] => step::run_file(&paths, Path::new(file))
            .map_err(boxed)
            .and_then(|result| match result.outcome {
                model::step::StepOutcome::Succeeded { .. } => Ok(()),
                other => Err(format!("{other:?}").into()),
            }),
        ["probe", file] => step::probe_file(&paths, Path::new(file))
            .map(|result| println!("{result:?}"))
            .map_err(boxed),
        ["gather", file] => evidence::gather_file(&paths, Path::new(file))
            .map(|count| println!("{count} pieces of evidence"))
            .map_err(boxed),
        ["ended", id, attempt] => ended(&paths, id, attempt),
        ["undo", lease, cause] => undo(&paths, Some(lease), cause),
        ["undo-all", cause] => undo(&paths, None, cause),
        ["survey", file] => fault::survey_file(&paths, Path::new(file)).map_err(boxed),
        ["log", log, bytes, file] => read_log(&paths, log, bytes, Path::new(file)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drillyard-agent: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

type AnyError = Box<dyn std::error::Error>;

fn boxed(error: impl std::error::Error + 'static) -> AnyError {
    Box::new(error)
}

fn ended(paths: &Paths, id: &str, attempt: &str) -> Result<(), AnyError> {
    let step = model::ids::StepId::parse(id)?;
    let attempt = model::ids::Attempt(attempt.parse()?);
    step::ended(paths, step, attempt, &step::UnitEnd::from_environment()).map_err(boxed)
}

fn read_log(paths: &Paths, log: &str, bytes: &str, file: &Path) -> Result<(), AnyError> {
    let log = model::node_log::NodeLog::parse(log)?;
    node_log::read_file(paths, log, bytes.parse()?, file).map_err(boxed)
}

fn undo(paths: &Paths, lease: Option<&str>, cause: &str) -> Result<(), AnyError> {
    let cause = model::lease::UndoCause::parse(cause)?;
    let undone = match lease {
        Some(lease) => fault::undo(paths, model::ids::LeaseId::parse(lease)?, cause),
        None => fault::undo_all(paths, cause),
    };
    undone.map_err(boxed)
}
