//! The `coordinator node` command by itself, with user-data from the file that `DRILLYARD_USER_DATA` names: for tests
//! of the Terraform modules, and for looking at a node without a coordinator.

use std::process::ExitCode;

use clap::Parser;
use launcher::cli::{Hooks, NodeArgs, run};

#[derive(Parser)]
enum Program {
    /// As in `coordinator node`.
    Node(NodeArgs),
}

fn main() -> ExitCode {
    let Program::Node(arguments) = Program::parse();
    let mut user_data = |_: &_, _: &_| {
        let path = std::env::var("DRILLYARD_USER_DATA").map_err(|e| e.to_string())?;
        std::fs::read_to_string(path).map_err(|e| e.to_string())
    };
    let mut hooks = Hooks {
        user_data: &mut user_data,
        store: None,
    };
    match run(&arguments, &mut hooks, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}
