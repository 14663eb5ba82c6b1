//! A scripted coordinator: two listeners, one node.

use super::authority::Authority;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, Epoch, Incarnation, NodeName, Seq};
use model::step::{NodeStep, ProbeResult, StepOrder, StepOutcome};
use proto::convert;
use proto::v1::agent_link_server::{AgentLink, AgentLinkServer};
use proto::v1::agent_message::Message as FromAgent;
use proto::v1::coordinator_message::Message as ToAgent;
use proto::v1::enrolment_server::{Enrolment, EnrolmentServer};
use proto::v1::{
    Ack, AgentMessage, CoordinatorMessage, EnrolRequest, EnrolResponse, Hello, NodeLogPart,
    PutStepSecretResponse, RenewRequest, Rewind, StepSecret, StepSecretRequest, StepStates, Welcome,
};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) events: Vec<NodeEvent>,
    pub(crate) cursors: HashMap<Incarnation, u64>,
    pub(crate) hellos: Vec<Hello>,
    pub(crate) heartbeats: u64,
    pub(crate) states: Vec<StepStates>,
    pub(crate) probes: Vec<ProbeResult>,
    pub(crate) logs: Vec<NodeLogPart>,
    pub(crate) secrets: HashMap<String, Vec<u8>>,
    pub(crate) taken: Vec<StepSecret>,
    pub(crate) enrolled: u32,
    pub(crate) renewed: u32,
    pub(crate) acks: bool,
    /// No secret is taken: the coordinator is not ready for any.
    pub(crate) takes_no_secret: bool,
    /// Every secret is refused: its attempt is none that runs.
    pub(crate) refuses_secrets: bool,
    /// Every session is closed right after its welcome.
    pub(crate) sends_away: bool,
    session: Option<mpsc::Sender<Result<CoordinatorMessage, Status>>>,
}

#[derive(Clone)]
pub(crate) struct Coordinator {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) lab: String,
    pub(crate) node: NodeName,
}

pub(crate) const TOKEN: &str = "00aa.11bb";

impl Coordinator {
    pub(crate) fn new(lab: &str, node: &str) -> Self {
        let state = State {
            epoch: 1,
            acks: true,
            ..State::default()
        };
        let node = NodeName::new(node).expect("valid");
        Self {
            state: Arc::new(Mutex::new(state)),
            authority: Arc::new(Authority::new()),
            lab: lab.into(),
            node,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }

    /// Serves both ports until the task ends; gives their addresses.
    pub(crate) async fn serve(&self, enrol: &str, agent: &str) -> (SocketAddr, SocketAddr) {
        let enrol = TcpListener::bind(enrol).await.expect("bound");
        let agent = TcpListener::bind(agent).await.expect("bound");
        let addresses = (
            enrol.local_addr().expect("address"),
            agent.local_addr().expect("address"),
        );
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(EnrolmentServer::new(self.clone()))
                .serve_with_incoming(incoming(enrol, self.authority.server(false))),
        );
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(AgentLinkServer::new(self.clone()))
                .serve_with_incoming(incoming(agent, self.authority.server(true))),
        );
        addresses
    }

    pub(crate) fn send(&self, message: ToAgent) {
        let session = self.state().session.clone().expect("a session");
        session
            .try_send(Ok(CoordinatorMessage {
                message: Some(message),
            }))
            .expect("room");
    }

    /// Whether a session is there to send on.
    pub(crate) fn takes_orders(&self) -> bool {
        self.state().session.as_ref().is_some_and(|s| !s.is_closed())
    }

    /// Cuts the session, as a lost connection would.
    pub(crate) fn cut(&self) {
        self.state().session = None;
    }

    pub(crate) fn order(&self, body: &NodeStep, attempt: u64) -> StepOrder {
        StepOrder {
            step: body.id(&self.lab, &self.node),
            attempt: Attempt(attempt),
            body: body.clone(),
            budget_ms: 120_000,
        }
    }

    pub(crate) fn run(&self, body: &NodeStep, attempt: u64) -> StepOrder {
        let order = self.order(body, attempt);
        let epoch = Epoch(self.state().epoch);
        self.send(ToAgent::RunStep(convert::run_step(&order, epoch)));
        order
    }

    /// The outcome of an attempt, once it was told.
    pub(crate) fn outcome(&self, order: &StepOrder) -> Option<StepOutcome> {
        self.state().events.iter().find_map(|event| match &event.kind {
            NodeEventKind::StepFinished {
                step,
                attempt,
                outcome,
            } if (*step, *attempt) == (order.step, order.attempt) => Some(outcome.clone()),
            _ => None,
        })
    }

    pub(crate) fn kinds(&self) -> Vec<NodeEventKind> {
        self.state().events.iter().map(|e| e.kind.clone()).collect()
    }
}

type TlsStream = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;

fn incoming(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
) -> ReceiverStream<Result<TlsStream, std::io::Error>> {
    let (sender, receiver) = mpsc::channel(4);
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(tcp).await {
                    let _ = sender.send(Ok(stream)).await;
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

#[tonic::async_trait]
impl Enrolment for Coordinator {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        if request.token != TOKEN || request.node != self.node.as_str() {
            return Err(Status::unauthenticated("no such token"));
        }
        self.state().enrolled += 1;
        Ok(Response::new(self.issued(&request.csr_der)))
    }
}

impl Coordinator {
    fn issued(&self, csr: &[u8]) -> EnrolResponse {
        let ca = self.authority.der();
        EnrolResponse {
            certificate_der: self.authority.sign(csr),
            chain_der: vec![],
            root_der: ca,
        }
    }

    fn take(&self, wire: Vec<proto::v1::NodeEvent>) -> Option<ToAgent> {
        let mut state = self.state();
        let mut reply = None;
        for event in wire {
            let event = convert::event_from_wire(event).expect("a valid event");
            let cursor = *state.cursors.get(&event.incarnation).unwrap_or(&0);
            let first = match event.kind {
                NodeEventKind::Dropped { from, .. } => from.0,
                _ => event.seq.0,
            };
            if first > cursor + 1 {
                return Some(ToAgent::Rewind(Rewind {
                    expected_seq: cursor + 1,
                }));
            }
            if event.seq.0 > cursor {
                state.cursors.insert(event.incarnation, event.seq.0);
                state.events.push(event.clone());
            }
            reply = Some(ToAgent::Ack(Ack {
                durable_upto: state.cursors[&event.incarnation],
            }));
        }
        reply.filter(|_| state.acks)
    }
}

#[tonic::async_trait]
impl AgentLink for Coordinator {
    type SessionStream = ReceiverStream<Result<CoordinatorMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        assert!(
            request.peer_certs().is_some_and(|certs| !certs.is_empty()),
            "no client certificate"
        );
        let mut inbound = request.into_inner();
        let (sender, receiver) = mpsc::channel(64);
        let this = self.clone();
        tokio::spawn(async move {
            let Ok(Some(AgentMessage {
                message: Some(FromAgent::Hello(hello)),
            })) = inbound.message().await
            else {
                return;
            };
            let incarnation = convert::incarnation(&hello.incarnation).expect("an incarnation");
            let welcome = {
                let mut state = this.state();
                let expected_seq = state.cursors.get(&incarnation).unwrap_or(&0) + 1;
                state.hellos.push(hello);
                Welcome {
                    epoch: state.epoch,
                    log_id: vec![1; 16],
                    expected_seq,
                    heartbeat_ms: 500,
                    time_micros: 0,
                }
            };
            let say = |message| {
                Ok(CoordinatorMessage {
                    message: Some(message),
                })
            };
            if sender.send(say(ToAgent::Welcome(welcome))).await.is_err() {
                return;
            }
            if this.state().sends_away {
                return;
            }
            this.state().session = Some(sender.clone());
            let weak = sender.downgrade();
            drop(sender);
            while let Ok(Some(message)) = inbound.message().await {
                let reply = match message.message {
                    Some(FromAgent::Events(batch)) => this.take(batch.events),
                    Some(FromAgent::Heartbeat(_)) => {
                        this.state().heartbeats += 1;
                        None
                    }
                    Some(FromAgent::StepStates(states)) => {
                        this.state().states.push(states);
                        None
                    }
                    Some(FromAgent::Log(part)) => {
                        this.state().logs.push(part);
                        None
                    }
                    Some(FromAgent::Probe(answer)) => {
                        let result = convert::probe_from_wire(&answer.result_json).expect("a probe");
                        this.state().probes.push(result);
                        None
                    }
                    _ => None,
                };
                // The only strong sender is in the state: dropping that one ends the stream.
                let Some(sender) = weak.upgrade() else { return };
                if let Some(reply) = reply {
                    let _ = sender.send(say(reply)).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<EnrolResponse>, Status> {
        self.state().renewed += 1;
        *self.authority.leaf_seconds.lock().expect("lock") = 3600;
        Ok(Response::new(self.issued(&request.into_inner().csr_der)))
    }

    async fn fetch_step_secret(
        &self,
        request: Request<StepSecretRequest>,
    ) -> Result<Response<StepSecret>, Status> {
        let StepSecretRequest {
            step_id,
            attempt,
            name,
        } = request.into_inner();
        let value = self
            .state()
            .secrets
            .get(&name)
            .cloned()
            .ok_or_else(|| Status::not_found("no such secret"))?;
        Ok(Response::new(StepSecret {
            step_id,
            attempt,
            name,
            value,
        }))
    }

    async fn put_step_secret(
        &self,
        request: Request<StepSecret>,
    ) -> Result<Response<PutStepSecretResponse>, Status> {
        if self.state().takes_no_secret {
            return Err(Status::unavailable("not now"));
        }
        if self.state().refuses_secrets {
            return Err(Status::permission_denied("no such step"));
        }
        self.state().taken.push(request.into_inner());
        Ok(Response::new(PutStepSecretResponse {}))
    }
}

/// The numbers of one incarnation's events, to check that none is missing or doubled.
pub(crate) fn numbers(state: &State, incarnation: Incarnation) -> Vec<Seq> {
    state
        .events
        .iter()
        .filter(|e| e.incarnation == incarnation)
        .map(|e| e.seq)
        .collect()
}
