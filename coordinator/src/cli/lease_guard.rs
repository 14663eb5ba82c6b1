//! `lease-guard`: the detached process that undoes one fault on the host. It needs no lab document and no checkout, as it
//! must work whatever became of both.

use crate::exit::{Failure, Outcome};
use launcher::LabHandle;
use launcher::fault::run_guard;
use model::ids::LeaseId;
use std::path::PathBuf;

/// Options of `lease-guard`.
#[derive(Debug, clap::Args)]
pub struct LeaseGuard {
    /// The lab's name.
    #[arg(long)]
    lab: String,
    /// State of the lab.
    #[arg(long)]
    home: PathBuf,
    /// Bundle and root file system.
    #[arg(long)]
    cache: PathBuf,
    /// The lease.
    lease: String,
}

pub(crate) fn run(options: &LeaseGuard) -> Result<Outcome, Failure> {
    let lease = LeaseId::parse(&options.lease)
        .map_err(|e| Failure::from_error(Outcome::Usage, "DY-0170", &e, "coordinator drill doctor"))?;
    let handle = LabHandle {
        lab: options.lab.clone(),
        home: options.home.clone(),
        cache: options.cache.clone(),
    };
    run_guard(&handle, lease, &mut std::io::stdout())
        .map(|()| Outcome::Done)
        .map_err(|e| Failure::from_error(Outcome::Internal, e.code(), &e, e.remedy()))
}
