//! Sessions over real mTLS on loopback: the agent's end, shared by the tests below.

mod access;
mod conversation;
mod endings;
mod logs;

use super::{AgentHub, Ending, HubEvent, NotTaken, SecretBytes, StepSecrets};
use crate::authority::AuditEvent;
use crate::enrol_grpc::AgentBinaries;
use crate::net::harness::{Credentials, PATIENCE, Yard, node, request, spec};
use domain::event::{AgentPhase, SessionId};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, BootId, Incarnation, NodeName, Seq, StepId};
use model::moment::Moment;
use model::step::{ProbeResult, SecretName};
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::agent_message::Message;
use proto::v1::coordinator_message::Message as ToAgent;
use proto::v1::operator_client::OperatorClient;
use proto::{convert, v1};
use rcgen::CertificateParams;
use secrecy::ExposeSecret;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// The agent's end of a session.
struct Agent {
    to: mpsc::Sender<v1::AgentMessage>,
    from: Streaming<v1::CoordinatorMessage>,
}

impl Agent {
    async fn open(link: &mut AgentLinkClient<Channel>, first: Message) -> Result<Self, Status> {
        let (to, receiver) = mpsc::channel(16);
        to.send(v1::AgentMessage { message: Some(first) })
            .await
            .expect("queued");
        let from = link.session(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { to, from })
    }

    async fn say(&self, message: Message) {
        self.to
            .send(v1::AgentMessage {
                message: Some(message),
            })
            .await
            .expect("queued");
    }

    async fn hear(&mut self) -> Result<Option<ToAgent>, Status> {
        let heard = tokio::time::timeout(PATIENCE, self.from.message())
            .await
            .expect("an answer in time");
        Ok(heard?.and_then(|message| message.message))
    }

    /// Reads until the stream ends and says how.
    async fn ending(&mut self) -> Code {
        loop {
            match self.hear().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}

fn hello(name: &str) -> Message {
    Message::Hello(v1::Hello {
        node: name.to_owned(),
        agent_version: "0.1.0".to_owned(),
        boot_id: vec![1; 16],
        incarnation: vec![2; 16],
        highest_epoch: 3,
        first_unacked_seq: 4,
        last_seq: 9,
    })
}

fn event(seq: u64) -> NodeEvent {
    NodeEvent {
        incarnation: Incarnation([2; 16]),
        seq: Seq(seq),
        time: Moment(5),
        monotonic_ms: 6,
        boot: BootId([1; 16]),
        kind: NodeEventKind::AgentStarted {
            version: "0.1.0".to_owned(),
        },
    }
}

fn batch(events: impl IntoIterator<Item = NodeEvent>) -> Message {
    Message::Events(v1::EventBatch {
        events: events.into_iter().map(|e| convert::event_to_wire(&e)).collect(),
    })
}

async fn connected(yard: &mut Yard) -> SessionId {
    match yard.event().await {
        HubEvent::Connected { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

async fn disconnected(yard: &mut Yard) -> (SessionId, Ending) {
    loop {
        if let HubEvent::Disconnected { session, reason, .. } = yard.event().await {
            return (session, reason);
        }
    }
}

async fn session(yard: &mut Yard, name: &str) -> (Credentials, AgentLinkClient<Channel>, Agent, SessionId) {
    let credentials = yard.credentials(name);
    let mut link = yard.link(&credentials).await;
    let agent = Agent::open(&mut link, hello(name)).await.expect("a session");
    let id = connected(yard).await;
    (credentials, link, agent, id)
}
