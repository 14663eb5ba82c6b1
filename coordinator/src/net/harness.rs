//! A whole coordinator's edge on loopback, for tests: authority, three listeners, a hub, a clock that can be moved.

use super::{Clock, Limits, Listener, ListenerCertificate, Listening, Network};
use crate::authority::{AuditEvent, AuditSink, Authority, NodeSpec, OperatorName};
use crate::enrol_grpc::{AgentBinaries, enrol_routes};
use crate::session_grpc::{AgentHub, AgentService, HubEvent, StepSecrets, agent_routes};
use crate::subscribe_grpc::{Feed, Items, Pace, SharedLines, Subscribe, Subscription};
use model::ids::{ClusterName, LabName, NodeName};
use model::moment::Moment;
use model::step::Role;
use proto::v1;
use proto::v1::agent_link_client::AgentLinkClient;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::v1::operator_client::OperatorClient;
use proto::v1::operator_server::{Operator, OperatorServer};
use proto::v1::subscribe_response::Item;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use shell::channel::{self, ServerAddress};
use shell::tasks::Tasks;
use shell::tls::{self, ClientIdentity};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// Longest wait of any test for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Yard {
    pub(crate) authority: Arc<Authority>,
    pub(crate) hub: AgentHub,
    pub(crate) events: mpsc::Receiver<HubEvent>,
    pub(crate) audit: mpsc::Receiver<AuditEvent>,
    pub(crate) network: Network,
    pub(crate) enrol: Listening,
    pub(crate) agent: Listening,
    pub(crate) operator: Listening,
    pub(crate) home: tempfile::TempDir,
    shift: Arc<AtomicI64>,
}

/// What a client connects with.
pub(crate) struct Credentials {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Credentials {
    pub(crate) fn identity(&self) -> ClientIdentity {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        ClientIdentity {
            chain: self.chain.clone(),
            key,
        }
    }
}

impl Yard {
    pub(crate) fn start() -> Self {
        Self::start_with(Arc::new(crate::session_grpc::NoSecrets), AgentBinaries::new())
    }

    pub(crate) fn start_with(secrets: Arc<dyn StepSecrets>, binaries: AgentBinaries) -> Self {
        let home = tempfile::tempdir().expect("temp dir");
        let shift = Arc::<AtomicI64>::default();
        let clock: Clock = {
            let shift = Arc::clone(&shift);
            Arc::new(move || Moment(shell::clock::unix_micros() + shift.load(Ordering::SeqCst)))
        };
        let lab = LabName::new("yard").expect("valid");
        let authority = Arc::new(Authority::open(home.path(), &lab, clock()).expect("authority"));
        let (sink, audit) = AuditSink::channel(1000);
        let (hub, events) = AgentHub::new(64);
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let certificate =
            ListenerCertificate::new(Arc::clone(&authority), vec![local.ip()], clock()).expect("certificate");
        let tasks = Tasks::default();
        let network = Network {
            authority: Arc::clone(&authority),
            audit: sink.clone(),
            clock: Arc::clone(&clock),
            certificate,
            tasks: tasks.clone(),
        };
        let enrol = enrol_routes(Arc::clone(&authority), sink.clone(), Arc::clone(&clock), binaries);
        let service = AgentService {
            hub: hub.clone(),
            authority: Arc::clone(&authority),
            secrets,
            audit: sink,
            clock,
            tasks,
        };
        // Every client of a test comes from one address.
        let limits = Limits {
            pending_per_ip: 32,
            open_per_ip: 64,
            ..Limits::NODES
        };
        let listen = |kind, routes| {
            network
                .listen_with(kind, local, routes, limits)
                .expect("listening")
        };
        let enrol = listen(Listener::Enrol, enrol);
        let agent = listen(Listener::Agent, agent_routes(service));
        let operator = listen(
            Listener::Operator,
            Routes::new(OperatorServer::new(FakeOperator::default())),
        );
        Self {
            authority,
            hub,
            events,
            audit,
            network,
            enrol,
            agent,
            operator,
            home,
            shift,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        (self.network.clock)()
    }

    /// Moves the coordinator's clock; the certificates' own times are judged by the machine's.
    pub(crate) fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("small");
        self.shift.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) fn config(&self, identity: Option<ClientIdentity>) -> Arc<ClientConfig> {
        tls::client_config(std::slice::from_ref(self.authority.root()), identity).expect("client config")
    }

    pub(crate) fn server(&self, at: &Listening) -> ServerAddress {
        let server_name = ServerName::try_from(self.authority.server_name()).expect("valid");
        ServerAddress {
            address: at.address,
            server_name,
        }
    }

    pub(crate) async fn channel(
        &self,
        at: &Listening,
        identity: Option<ClientIdentity>,
    ) -> Result<Channel, tonic::transport::Error> {
        channel::connect(self.server(at), self.config(identity)).await
    }

    pub(crate) async fn enrolment(&self) -> EnrolmentClient<Channel> {
        EnrolmentClient::new(self.channel(&self.enrol, None).await.expect("connected"))
    }

    /// As [`Self::enrolment`], when no token is about yet.
    pub(crate) async fn enrolment_open(&self) -> EnrolmentClient<Channel> {
        self.mint("opens-the-door");
        self.enrolment().await
    }

    pub(crate) async fn link(&self, credentials: &Credentials) -> AgentLinkClient<Channel> {
        let identity = Some(credentials.identity());
        AgentLinkClient::new(self.channel(&self.agent, identity).await.expect("connected"))
    }

    pub(crate) fn mint(&self, name: &str) -> String {
        let (token, _) = self
            .authority
            .mint(&spec(name), false, self.now())
            .expect("minted");
        token.expose().to_owned()
    }

    /// A node with a certificate, made without the wire.
    pub(crate) fn credentials(&self, name: &str) -> Credentials {
        self.credentials_at(name, self.now())
    }

    pub(crate) fn credentials_at(&self, name: &str, at: Moment) -> Credentials {
        let (token, _) = self.authority.mint(&spec(name), false, at).expect("minted");
        let (key, csr) = request(CertificateParams::default());
        let (issued, _) = self
            .authority
            .enrol(token.expose(), name, &csr, at)
            .expect("enrolled");
        Credentials {
            chain: [vec![issued.certificate], issued.chain].concat(),
            key,
        }
    }

    pub(crate) fn operator_identity(&self) -> ClientIdentity {
        let name = OperatorName::new("jane").expect("valid");
        let pem = self
            .authority
            .operator_identity_pem(&name, self.now())
            .expect("signed");
        ClientIdentity::from_pem(pem.as_bytes(), pem.as_bytes()).expect("parses")
    }

    /// The next event that is not a heartbeat.
    pub(crate) async fn event(&mut self) -> HubEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv())
                .await
                .expect("an event in time");
            match event.expect("the hub lives") {
                HubEvent::Heartbeat { .. } => {}
                event => return event,
            }
        }
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.network.tasks.token().cancel();
    }
}

pub(crate) fn spec(name: &str) -> NodeSpec {
    NodeSpec {
        cluster: ClusterName::new("app1").expect("valid"),
        name: node(name),
        role: Role::Worker,
    }
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("valid")
}

/// A new P-256 key and a request for it with whatever `params` ask.
pub(crate) fn request(params: CertificateParams) -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key");
    let csr = params.serialize_request(&key).expect("request").der().to_vec();
    (key, csr)
}

pub(crate) fn enrol_request(token: &str, node: &str, csr: &[u8]) -> v1::EnrolRequest {
    v1::EnrolRequest {
        token: token.to_owned(),
        csr_der: csr.to_vec(),
        node: node.to_owned(),
    }
}

/// Answers `GetStatus` with the caller and refuses the rest. One with a script never answers `GetStatus`, as while a cluster is away,
/// and tells every subscriber what is in it, but no entry twice to one that goes on, nor that it was too slow.
#[derive(Default)]
pub(crate) struct FakeOperator {
    pub(crate) script: Option<Vec<v1::SubscribeResponse>>,
    /// What those are told of who subscribe to shared lines.
    pub(crate) feed: Option<Feed>,
    /// What `GetStatus` answers, whoever asks.
    pub(crate) status: Option<Vec<u8>>,
    /// How long it takes to refuse a report.
    pub(crate) takes: Duration,
}

/// A client of this operator over a real connection, and the server, which ends when it is aborted.
pub(crate) async fn dialled(
    operator: FakeOperator,
) -> (
    OperatorClient<Channel>,
    JoinHandle<Result<(), tonic::transport::Error>>,
) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let mut server = tonic::transport::Server::builder();
    let router = match operator.feed {
        Some(_) => server.add_service(SharedLines::new(operator, 4096)),
        None => server.add_service(OperatorServer::new(operator)),
    };
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tokio::spawn(router.serve_with_incoming(incoming));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    let channel = endpoint.connect().await.expect("connected");
    (OperatorClient::new(channel), server)
}

impl Subscribe for FakeOperator {
    fn subscribe(&self, wanted: v1::SubscribeRequest) -> Result<Items, Status> {
        let feed = self.feed.clone().ok_or_else(|| Status::unimplemented(""))?;
        let subscription = Subscription::new(feed, wanted, Pace::default())
            .map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
        let (outlet, items) = Subscription::channel();
        tokio::spawn(subscription.run(outlet));
        Ok(items)
    }
}

#[tonic::async_trait]
impl Operator for FakeOperator {
    type SubscribeStream = tokio_stream::Iter<std::vec::IntoIter<Result<v1::SubscribeResponse, Status>>>;
    type FollowDrillStream = tokio_stream::Empty<Result<v1::DrillUpdate, Status>>;
    type ReadNodeLogsStream = tokio_stream::Empty<Result<v1::NodeLog, Status>>;

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        if let Some(status_json) = self.status.clone() {
            return Ok(Response::new(v1::GetStatusResponse { status_json }));
        }
        if self.script.is_some() {
            std::future::pending::<()>().await;
        }
        let status_json = super::peer(&request)?.label().into_bytes();
        Ok(Response::new(v1::GetStatusResponse { status_json }))
    }

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let script = self.script.clone().ok_or_else(|| Status::unimplemented(""))?;
        let after = request.into_inner().after;
        let is_old = |told: &v1::SubscribeResponse| match &told.item {
            Some(Item::Entry(entry)) => entry.revision <= after,
            Some(Item::TooSlow(slow)) => slow.last <= after,
            _ => false,
        };
        let told: Vec<_> = script.into_iter().filter(|told| !is_old(told)).map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(told)))
    }

    async fn start_run(
        &self,
        _: Request<v1::StartRunRequest>,
    ) -> Result<Response<v1::StartRunResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn confirm_gate(
        &self,
        _: Request<v1::ConfirmGateRequest>,
    ) -> Result<Response<v1::ConfirmGateResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn cancel_run(
        &self,
        _: Request<v1::CancelRunRequest>,
    ) -> Result<Response<v1::CancelRunResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn mint_user_data(
        &self,
        _: Request<v1::MintUserDataRequest>,
    ) -> Result<Response<v1::MintUserDataResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_node(
        &self,
        _: Request<v1::RevokeNodeRequest>,
    ) -> Result<Response<v1::RevokeNodeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn enrol_node(
        &self,
        _: Request<v1::EnrolNodeRequest>,
    ) -> Result<Response<v1::EnrolNodeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_run_report(
        &self,
        _: Request<v1::GetRunReportRequest>,
    ) -> Result<Response<v1::GetRunReportResponse>, Status> {
        tokio::time::sleep(self.takes).await;
        Err(Status::unimplemented(""))
    }

    async fn start_drill(
        &self,
        _: Request<v1::StartDrillRequest>,
    ) -> Result<Response<v1::StartDrillResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn follow_drill(
        &self,
        _: Request<v1::FollowDrillRequest>,
    ) -> Result<Response<Self::FollowDrillStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn abort_drill(
        &self,
        _: Request<v1::AbortDrillRequest>,
    ) -> Result<Response<v1::AbortDrillResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn inject_fault(
        &self,
        _: Request<v1::InjectFaultRequest>,
    ) -> Result<Response<v1::FaultResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn release_fault(
        &self,
        _: Request<v1::ReleaseFaultRequest>,
    ) -> Result<Response<v1::FaultResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn survey_faults(
        &self,
        _: Request<v1::SurveyFaultsRequest>,
    ) -> Result<Response<v1::SurveyFaultsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn read_node_logs(
        &self,
        _: Request<v1::ReadNodeLogsRequest>,
    ) -> Result<Response<Self::ReadNodeLogsStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stop_daemon(
        &self,
        _: Request<v1::StopDaemonRequest>,
    ) -> Result<Response<v1::StopDaemonResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
