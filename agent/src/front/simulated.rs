//! A front without a node, for load on a coordinator: the real enrolment, back-off, session, window and renewal over a real
//! socket, with a journal in memory and no root helper. Any number of them live in one process.
//!
//! What it is told is safe is so at the coordinator only: nothing here survives the process.

use super::context::{Context, Failure};
use super::helper::Helper;
use super::identity::{Files, IdentityError};
use super::link_grpc;
use super::steps::Steps;
use crate::clock;
use crate::journal::{Batch, MemoryJournal, Position, Writer};
use model::event::NodeEventKind;
use model::ids::{BootId, Epoch, Incarnation};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `agent.json`, `ca.pem` or `token` in its folder.
    #[error("the folder is not what an installer leaves")]
    Files(#[from] IdentityError),
    /// No random bytes.
    #[error("no random bytes")]
    Random(#[source] io::Error),
}

/// One agent. It ends when it is dropped; its last connection then closes by itself.
#[derive(Debug)]
pub struct Simulated {
    context: Context,
    keeper: JoinHandle<()>,
    _failures: mpsc::UnboundedReceiver<Failure>,
}

impl Simulated {
    /// Starts an agent on the present runtime from a `folder` as the installer leaves it: `agent.json`, `ca.pem`, `token`. It dials
    /// from `source`. It enrols and connects by itself, and comes back whenever it is cut off.
    pub fn start(folder: PathBuf, source: Option<IpAddr>) -> Result<Self, StartError> {
        let files = Files::new(folder);
        let seed = files.seed()?;
        let random = || clock::random().map_err(StartError::Random);
        let journal = MemoryJournal::new(Incarnation(random()?));
        let (failures, _failures) = mpsc::unbounded_channel();
        let (link, linked) = watch::channel(None);
        let context = Context {
            lab: seed.lab.as_str().into(),
            node: seed.node.clone(),
            boot: BootId(random()?),
            source,
            journal: Writer::start_in_task(journal),
            helper: Helper::none(),
            link: linked,
            clock: watch::Sender::new(None),
            certificate: watch::Sender::new(None),
            failures,
        };
        let steps = Steps::recover(context.clone(), Vec::new(), Epoch(0));
        let keeper = tokio::spawn(link_grpc::keep(files, seed, steps, link));
        Ok(Self {
            context,
            keeper,
            _failures,
        })
    }

    /// Appends events together, as a real agent does with what belongs together. They go out by themselves.
    pub async fn append(&self, kinds: Vec<NodeEventKind>) -> Result<(), Failure> {
        let events = kinds.into_iter().map(|kind| self.context.draft(kind)).collect();
        self.context
            .append(Batch {
                events,
                ..Batch::default()
            })
            .await
    }

    /// Where its stream stands: `first_unacked` is beyond `last` when the coordinator has made all of it durable.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.context.journal.position()
    }

    /// Whether the coordinator has welcomed its present session.
    pub fn is_connected(&self) -> bool {
        self.context.link.borrow().is_some()
    }

    /// Waits for the next welcome, or returns at once in a session.
    pub async fn connected(&self) {
        let mut link = self.context.link.clone();
        // The sender lives in the keeper, which never ends by itself.
        drop(link.wait_for(Option::is_some).await);
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
