//! The command line: words in, one exit code out. Data goes to stdout, everything else to stderr.

mod args;
mod bundle;
mod certs;
mod client;
pub mod complete;
mod doctor;
mod down;
mod drill;
mod drill_doctor;
mod enrol;
mod events;
mod explain;
mod fault;
mod host_checks;
mod lease_guard;
mod log_check;
mod man;
mod node;
mod output;
mod position;
mod progress;
mod replay;
mod report;
mod serve;
mod spec;
mod status;
mod support_bundle;
mod up;
mod watch;
mod web;

pub use args::Args;

use crate::exit::{Failure, Outcome};
use crate::places::{Environment, Places};
use args::Command;
use model::lab::{Lab, LabError};
use std::path::Path;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) lab: Lab,
    pub(crate) places: Places,
    pub(crate) json: bool,
}

/// Runs the command that `args` name.
pub fn run(args: Args, environment: &Environment) -> Outcome {
    let json = args.json;
    match dispatch(args, environment) {
        Ok(outcome) => outcome,
        Err(failure) => {
            failure.print(json);
            failure.outcome
        }
    }
}

fn dispatch(args: Args, environment: &Environment) -> Result<Outcome, Failure> {
    // Neither needs a lab or a checkout.
    match &args.command {
        Command::Completions { shell } => return complete::script(shell),
        Command::Man(options) => return man::run(options),
        Command::Explain(options) => return explain::run(options, args.json),
        Command::LeaseGuard(options) => return lease_guard::run(options),
        Command::Replay(options) => return replay::run(options, args.json),
        Command::Spec(options) => return spec::run(options, args.document.as_deref(), args.json),
        _ => {}
    }
    // A home that is named has its document with it: what Terraform calls needs no more than the environment.
    let kept = environment
        .home
        .as_ref()
        .map(|home| home.join("lab.yaml"))
        .filter(|path| path.is_file());
    let lab = load_lab(args.document.as_deref().or(kept.as_deref()))?;
    let places = Places::new(lab.name.as_str(), environment).map_err(|e| {
        Failure::from_error(
            Outcome::Preflight,
            "DY-0101",
            &e,
            "set DRILLYARD_HOME, DRILLYARD_CACHE or DRILLYARD_PROJECT",
        )
    })?;
    let json_logs = matches!(args.command, Command::Serve(_)) && args.log_format == args::LogFormat::Json;
    let context = Context {
        lab,
        places,
        json: args.json || json_logs,
    };
    match args.command {
        Command::Up(options) => up::run(&context, &options),
        Command::Down(options) => down::run(&context, &options),
        Command::Status(options) => status::run(&context, &options),
        Command::Events(options) => events::run(&context, &options),
        Command::Certs(options) => certs::run(&context, &options),
        Command::Report(options) => report::run(&context, &options),
        Command::Drill(options) => drill::run(&context, &options),
        Command::Doctor(options) => doctor::run(&context, &options),
        Command::Bundle(options) => bundle::run(&context, &options),
        Command::Enrol(options) => enrol::run(&context, &options),
        Command::Revoke(options) => enrol::revoke(&context, &options),
        Command::Fault(options) => fault::run(&context, &options),
        Command::Serve(options) => serve::run(&context, &options),
        Command::Web => web::run(&context),
        Command::SupportBundle(options) => support_bundle::run(&context, &options),
        Command::Node(options) => node::run(&context, options),
        Command::Completions { .. }
        | Command::Man(_)
        | Command::LeaseGuard(_)
        | Command::Spec(_)
        | Command::Replay(_)
        | Command::Explain(_) => Ok(Outcome::Done),
    }
}

/// The document at `path`, or the compiled-in default.
pub(crate) fn load_lab(path: Option<&Path>) -> Result<Lab, Failure> {
    let Some(path) = path else {
        return Ok(Lab::default());
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Failure::new(
            Outcome::Usage,
            "DY-0102",
            message,
            "give --file the path of a lab document; `coordinator spec` prints one",
        )
    })?;
    Lab::from_yaml(&text).map_err(|error| lab_failure(path, &error))
}

pub(crate) fn lab_failure(path: &Path, error: &LabError) -> Failure {
    let message = format!("{}: {}", path.display(), crate::exit::chain(error));
    Failure::new(
        Outcome::Usage,
        "DY-0103",
        message,
        "correct the named fields, then `coordinator spec --check FILE`",
    )
}

/// A runtime for the commands that talk to the daemon.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0100", &e, "try again"))?;
    let ended = runtime.block_on(future);
    // A thread that still waits for a line from the terminal ends with the process; dropped, the runtime would wait for it.
    runtime.shutdown_background();
    ended
}

#[cfg(test)]
impl Context {
    /// The compiled-in lab with this home.
    fn at(home: &Path) -> Self {
        Self {
            lab: Lab::default(),
            places: Places::at(home),
            json: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_question_that_nobody_answers_holds_up_no_end() {
        let (answer, asked) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let outcome = block_on(async {
                let (begin, begun) = tokio::sync::oneshot::channel();
                let _question = tokio::task::spawn_blocking(move || {
                    let _ = begin.send(());
                    asked.recv()
                });
                let _ = begun.await;
                Ok(())
            });
            let _ = ended.send(outcome.is_ok());
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok(true));
        drop(answer);
    }
}
