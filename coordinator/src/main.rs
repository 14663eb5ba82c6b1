//! The `coordinator` program: parse, call the library, map the outcome to an exit code.

use clap::{CommandFactory, Parser};
use coordinator::cli::{Args, run};
use coordinator::places::Environment;
use std::process::ExitCode;

/// Most of what the daemon allocates in one thread is freed in another. glibc's allocator takes a fifth of its CPU for that
/// under load, and keeps half as much memory again (docs/performance.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Two providers could be linked in one day; rustls panics unless one is chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Ends the process here when a shell asks for completions.
    clap_complete::CompleteEnv::with_factory(Args::command).complete();
    run(Args::parse(), &Environment::read()).into()
}
