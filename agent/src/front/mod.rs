//! The unprivileged front: dials out, holds the session, keeps the journal, watches the node's health.
//!
//! Tasks: `link` (enrol, connect, renew), one `session` at a time, `health`, one `attempt` per running step, the helper's
//! listener; and one thread that owns the journal. All share [`context::Context`]; any failure of the journal ends the
//! process, and systemd begins it anew.

mod attempt;
mod backoff;
mod conditions;
mod connect_grpc;
mod context;
mod enrol_grpc;
mod evidence;
mod health;
mod helper;
mod identity;
mod ledger;
mod link_grpc;
mod log_grpc;
mod look;
mod offset;
pub mod outbox;
#[cfg(feature = "failpoints")]
mod producer;
mod secrets_grpc;
mod seen;
mod session_grpc;
pub mod simulated;
mod steps;
mod vitals;

use crate::journal::{Batch, Draft, JournalError, SledJournal, Writer};
use crate::logs::{self, LogFormat};
use crate::paths::Paths;
use crate::{clock, notify};
use context::Context;
pub use context::Failure;
pub use identity::IdentityError;
use model::event::NodeEventKind;
use model::ids::BootId;
use std::io;
use std::time::Duration;
use steps::Steps;
use tokio::sync::{mpsc, watch};

/// Why the front ended.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No runtime.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The installed configuration or identity cannot be used.
    #[error("the installed configuration cannot be used")]
    Identity(#[from] IdentityError),
    /// The journal cannot be opened.
    #[error("the journal cannot be opened")]
    Journal(#[source] JournalError),
    /// Something failed that only a new life mends.
    #[error("the front cannot go on")]
    Failed(#[from] Failure),
}

/// Runs until it fails or is told to end.
pub fn run(paths: Paths, format: LogFormat) -> Result<(), FrontError> {
    logs::init(format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(FrontError::Runtime)?;
    runtime.block_on(serve(paths))
}

async fn serve(paths: Paths) -> Result<(), FrontError> {
    let files = identity::Files::new(paths.front());
    let seed = files.seed()?;
    let boot = await_boot(&paths).await;
    let started = NodeEventKind::AgentStarted {
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let stamp = Draft {
        time: clock::now(),
        monotonic_ms: clock::monotonic_ms(),
        boot,
        kind: started,
    };
    let journal = SledJournal::open(&paths.front().join("journal"), &stamp).map_err(FrontError::Journal)?;
    let (journal, records, epoch) = Writer::start(Box::new(journal));

    let (helper, mut pushes) = helper::Helper::start(paths.socket());
    let (failures, mut failed) = mpsc::unbounded_channel();
    let (link, linked) = watch::channel(None);
    let lab = seed.lab.as_str().into();
    let context = Context {
        lab,
        node: seed.node.clone(),
        boot,
        source: None,
        journal,
        helper,
        link: linked,
        clock: watch::Sender::new(None),
        certificate: watch::Sender::new(None),
        failures,
    };
    match context
        .append(Batch {
            events: vec![stamp],
            ..Batch::default()
        })
        .await
    {
        Ok(()) | Err(Failure::Full) => {}
        Err(failure) => return Err(failure.into()),
    }
    let steps = Steps::recover(context.clone(), records, epoch);
    notify::ready();
    tokio::spawn(health::watch(context.clone(), paths.clone(), seed.role));
    tokio::spawn(seen::tell(context.clone()));
    #[cfg(feature = "failpoints")]
    tokio::spawn(producer::produce(context.clone()));
    tokio::spawn(link_grpc::keep(files, seed, steps.clone(), link));

    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(FrontError::Runtime)?;
    loop {
        tokio::select! {
            Some(push) = pushes.recv() => steps.pushed(push).await?,
            Some(failure) = failed.recv() => match failure {
                // Whoever met it goes on trying; the condition tells of it.
                Failure::Full => {}
                other => return Err(other.into()),
            },
            _ = ended.recv() => return Ok(()),
        }
    }
}

/// The root helper draws the boot's id; it starts beside us.
async fn await_boot(paths: &Paths) -> BootId {
    let file = paths.boot();
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Ok(boot) = BootId::parse(text.trim()) {
            return boot;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
