//! Termination signals become a cancelled token; the second one is left to the shell's patience, not to us.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that ask a daemon to stop, registered before anything slow starts.
#[derive(Debug)]
pub struct Termination {
    interrupt: Signal,
    terminate: Signal,
}

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// SIGINT: a person at a terminal.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

impl Termination {
    /// Registers the handlers; needs a tokio runtime with I/O enabled.
    pub fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn received(&mut self) -> Received {
        tokio::select! {
            _ = self.interrupt.recv() => Received::Interrupt,
            _ = self.terminate.recv() => Received::Terminate,
        }
    }

    /// Cancels `token` on the first signal; ends early when somebody else cancelled it.
    pub async fn cancel(mut self, token: CancellationToken) {
        tokio::select! {
            received = self.received() => {
                tracing::info!(signal = ?received, "stopping");
                token.cancel();
            }
            () = token.cancelled() => {}
        }
    }
}
