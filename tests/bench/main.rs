//! The table of `docs/performance.md`, "Under load".

use std::process::ExitCode;

mod args;
mod parts;

fn main() -> ExitCode {
    let args = <args::Args as clap::Parser>::parse();
    match parts::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
