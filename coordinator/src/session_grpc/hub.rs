//! Which nodes have a session now, and how to reach them.

use super::event::{Ending, Hello, HubEvent};
use super::log_waits::{LogError, LogText, LogWaits};
use domain::event::SessionId;
use model::ids::NodeName;
use model::node_log::NodeLog;
use proto::v1;
use proto::v1::coordinator_message::Message;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::Status;

/// The node has no session that would take the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the node is not connected")]
pub struct NotConnected;

/// What a session sends; an error ends the stream.
pub(super) type Outbound = mpsc::Sender<Result<v1::CoordinatorMessage, Status>>;

/// All sessions. Clones share them.
#[derive(Debug, Clone)]
pub struct AgentHub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sessions: Mutex<HashMap<NodeName, Line>>,
    /// Who waits for logs of nodes.
    logs: LogWaits,
    /// Held while a session is announced or taken away, so that the engine hears of both in their true order.
    announcing: tokio::sync::Mutex<()>,
    events: mpsc::Sender<HubEvent>,
    last_id: AtomicU64,
}

#[derive(Debug)]
struct Line {
    session: SessionId,
    outbound: Outbound,
    end: watch::Sender<Option<Ending>>,
}

impl AgentHub {
    /// A hub and the engine's end of it. The engine must keep reading: a full channel holds agents back.
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<HubEvent>) {
        let (events, receiver) = mpsc::channel(capacity);
        let shared = Shared {
            sessions: Mutex::default(),
            logs: LogWaits::default(),
            announcing: tokio::sync::Mutex::default(),
            events,
            last_id: AtomicU64::new(0),
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            receiver,
        )
    }

    /// Queues a message without waiting. An agent that does not read loses its session.
    pub fn send(&self, node: &NodeName, message: Message) -> Result<(), NotConnected> {
        let sessions = self.sessions();
        let line = sessions.get(node).ok_or(NotConnected)?;
        match line.outbound.try_send(Ok(v1::CoordinatorMessage {
            message: Some(message),
        })) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                line.end(Ending::SlowReader);
                Err(NotConnected)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NotConnected),
        }
    }

    /// Asks a node for one of its logs, at most `most` bytes of it, and waits until `deadline`.
    pub async fn read_log(
        &self,
        node: &NodeName,
        log: NodeLog,
        most: usize,
        deadline: Instant,
    ) -> Result<LogText, LogError> {
        let wait = self.shared.logs.begin(node, most);
        let asked = v1::ReadNodeLog {
            request: wait.request(),
            kind: proto::convert::node_log_to_wire(log).into(),
            max_bytes: u32::try_from(most).unwrap_or(u32::MAX),
        };
        self.send(node, Message::ReadLog(asked))?;
        wait.until(deadline).await
    }

    /// A part of a log came from `node`.
    pub(super) fn log_part(&self, node: &NodeName, part: v1::NodeLogPart) {
        self.shared.logs.take(node, part);
    }

    /// Ends a node's session, if it has one.
    pub fn close(&self, node: &NodeName, reason: impl Into<String>) {
        if let Some(line) = self.sessions().get(node) {
            line.end(Ending::Closed(reason.into()));
        }
    }

    /// The node's present session.
    pub fn session(&self, node: &NodeName) -> Option<SessionId> {
        self.sessions().get(node).map(|line| line.session)
    }

    /// Nodes with a session now.
    pub fn connected(&self) -> Vec<NodeName> {
        self.sessions().keys().cloned().collect()
    }

    /// Enters a session; an older one of the same node ends. The receiver says when this one must.
    pub(super) async fn enter(
        &self,
        node: &NodeName,
        hello: Hello,
        outbound: Outbound,
    ) -> (SessionId, watch::Receiver<Option<Ending>>) {
        let _order = self.shared.announcing.lock().await;
        let session = SessionId(self.shared.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let (end, ended) = watch::channel(None);
        let older = self.sessions().insert(
            node.clone(),
            Line {
                session,
                outbound,
                end,
            },
        );
        if let Some(older) = older {
            self.shared.logs.gone(node);
            older.end(Ending::Replaced);
            let reason = Ending::Replaced;
            self.tell(HubEvent::Disconnected {
                node: node.clone(),
                session: older.session,
                reason,
            })
            .await;
        }
        self.tell(HubEvent::Connected {
            node: node.clone(),
            session,
            hello,
        })
        .await;
        (session, ended)
    }

    /// Takes a session away, unless a newer one already did.
    pub(super) async fn leave(&self, node: &NodeName, session: SessionId, reason: Ending) {
        let _order = self.shared.announcing.lock().await;
        let mine = {
            let mut sessions = self.sessions();
            let mine = sessions.get(node).is_some_and(|line| line.session == session);
            if mine {
                sessions.remove(node);
            }
            mine
        };
        if mine {
            self.shared.logs.gone(node);
            self.tell(HubEvent::Disconnected {
                node: node.clone(),
                session,
                reason,
            })
            .await;
        }
    }

    /// Hands an event to the engine, waiting while it is busy. Without an engine there is nobody to tell.
    pub(super) async fn tell(&self, event: HubEvent) {
        drop(self.shared.events.send(event).await);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<NodeName, Line>> {
        self.shared
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The first reason stays.
    fn end(&self, reason: Ending) {
        self.end
            .send_if_modified(|end| end.is_none().then(|| *end = Some(reason)).is_some());
    }
}
