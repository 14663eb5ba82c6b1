//! Terraform, run for the lab's nodes: its variables, its commands, its progress as typed events.
//!
//! State and data lie below the lab's home, never beside the sources. Terraform's state is a view for its users; what
//! exists on the host is known by our own records, so `down` works without it.

mod event;
mod inputs;
mod run;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use event::{TerraformEvent, parse_line};
pub use inputs::{Inputs, NodeInput};
pub use run::Progress;

use crate::command::in_path;
use crate::error::LaunchError;

/// `terraform`, or `tofu` where only that is on the search path.
#[must_use]
pub fn program() -> &'static str {
    if !in_path("terraform") && in_path("tofu") {
        "tofu"
    } else {
        "terraform"
    }
}

/// Terraform for one lab.
#[derive(Debug, Clone)]
pub struct Terraform {
    /// `terraform` or `tofu`.
    pub program: PathBuf,
    /// The root module, `terraform/` of the project.
    pub source: PathBuf,
    /// The lab's home; Terraform's files are in `terraform/` below it.
    pub home: PathBuf,
}

/// Why Terraform did not do what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TerraformError {
    /// The program could not be started.
    #[error("{} cannot be started", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its files could not be written or its output not be read.
    #[error("Terraform's files cannot be used")]
    Files(#[source] LaunchError),
    /// Its output is not one this version can read.
    #[error("Terraform speaks version {found} of its JSON output, but 1.x is needed")]
    Version {
        /// The version told.
        found: String,
    },
    /// It failed; the first error it told is kept, since the later ones are mostly its consequences.
    #[error("terraform {command} failed: {summary}{}", detail_of(detail))]
    Failed {
        /// `init`, `apply` or `destroy`.
        command: &'static str,
        /// The first error's summary.
        summary: String,
        /// The first error's detail; may be empty.
        detail: String,
        /// The resource that it is about.
        address: Option<String>,
    },
}

impl TerraformError {
    /// The stable code of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start { .. } => "DY-0321",
            Self::Files(_) => "DY-0322",
            Self::Version { .. } => "DY-0323",
            Self::Failed { .. } => "DY-0324",
        }
    }
}

fn detail_of(detail: &str) -> String {
    let line = detail.lines().map(str::trim).find(|l| !l.is_empty());
    line.map(|l| format!(" ({l})")).unwrap_or_default()
}

impl Terraform {
    /// [`program`] of the search path for this lab.
    #[must_use]
    pub fn new(source: &Path, home: &Path) -> Self {
        Self {
            program: PathBuf::from(program()),
            source: source.to_path_buf(),
            home: home.to_path_buf(),
        }
    }

    fn folder(&self) -> PathBuf {
        self.home.join("terraform")
    }
}
