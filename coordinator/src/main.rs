//! The `coordinator` program: parse, call the library, map the outcome to an exit code.

use clap::{CommandFactory, Parser};
use coordinator::cli::{Args, run};
use coordinator::places::Environment;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Two providers could be linked in one day; rustls panics unless one is chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Ends the process here when a shell asks for completions.
    clap_complete::CompleteEnv::with_factory(Args::command).complete();
    run(Args::parse(), &Environment::read()).into()
}
