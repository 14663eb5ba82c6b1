//! A node that was suspended past the end of its certificate comes back by itself: the real agent against the real
//! coordinator's listener, on loopback.

use coordinator::authority::{AuditEvent, AuditSink, Authority, NodeSpec};
use coordinator::net::{Listener, ListenerCertificate, Network};
use coordinator::session_grpc::{AgentHub, AgentService, HubEvent, NoSecrets, agent_routes};
use model::ids::{ClusterName, LabName, NodeName};
use model::moment::Moment;
use model::step::Role;
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const NODE: &str = "app1-cp";
const HOUR_MS: i64 = 3_600_000;

fn now() -> Moment {
    Moment(shell::clock::unix_micros())
}

/// A coordinator's authority and agent listener, and what they tell.
struct Yard {
    home: tempfile::TempDir,
    authority: Arc<Authority>,
    agent: std::net::SocketAddr,
    events: mpsc::Receiver<HubEvent>,
    audit: mpsc::Receiver<AuditEvent>,
}

impl Yard {
    /// The authority is as old as `since`; its listener is of today.
    fn start(since: Moment) -> Self {
        let home = tempfile::tempdir().expect("temp");
        let lab = LabName::new("test").expect("valid");
        let authority = Arc::new(Authority::open(home.path(), &lab, since).expect("authority"));
        let (sink, audit) = AuditSink::channel(100);
        let (hub, events) = AgentHub::new(64);
        let tasks = shell::tasks::Tasks::default();
        let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let network = Network {
            authority: Arc::clone(&authority),
            audit: sink.clone(),
            clock: Arc::new(now),
            certificate: ListenerCertificate::new(Arc::clone(&authority), vec![local.ip()], now())
                .expect("certificate"),
            tasks: tasks.clone(),
        };
        let service = AgentService {
            hub,
            authority: Arc::clone(&authority),
            secrets: Arc::new(NoSecrets),
            audit: sink,
            clock: Arc::new(now),
            tasks,
        };
        let listening = network
            .listen(Listener::Agent, local, agent_routes(service))
            .expect("listening");
        Self {
            home,
            authority,
            agent: listening.address,
            events,
            audit,
        }
    }

    /// Leaves on `front` what an agent has that enrolled at `at` and was not seen since.
    fn enrolled(&self, front: &Path, at: Moment) {
        let spec = NodeSpec {
            cluster: ClusterName::new("app1").expect("valid"),
            name: NodeName::new(NODE).expect("valid"),
            role: Role::ControlPlane,
        };
        let (token, _) = self.authority.mint(&spec, false, at).expect("minted");
        let key = KeyPair::generate().expect("key");
        let request = CertificateParams::default()
            .serialize_request(&key)
            .expect("request");
        let (issued, _) = self
            .authority
            .enrol(token.expose(), NODE, request.der(), at)
            .expect("enrolled");
        let mut identity = key.serialize_pem();
        for der in std::iter::once(&issued.certificate).chain(&issued.chain) {
            identity.push_str(&pem(der));
        }
        let seed = serde_json::json!({
            "lab": "test", "cluster": "app1", "node": NODE, "role": "control_plane",
            "enrol_url": "https://127.0.0.1:1", "agent_url": format!("https://{}", self.agent),
            "server_name": self.authority.server_name(),
        });
        std::fs::create_dir_all(front).expect("made");
        std::fs::set_permissions(front, std::fs::Permissions::from_mode(0o700)).expect("closed");
        for (name, content) in [
            ("agent.json", seed.to_string()),
            ("ca.pem", self.authority.root_pem().to_owned()),
            ("identity.pem", identity),
        ] {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(front.join(name))
                .expect("made");
            std::io::Write::write_all(&mut file, content.as_bytes()).expect("written");
        }
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn a_certificate_that_ran_out_while_the_node_slept_is_recovered_and_counted() {
    let eighty_hours_ago = Moment(now().0 - 80 * HOUR_MS * 1000);
    let mut yard = Yard::start(eighty_hours_ago);
    let paths = agent::paths::Paths::below(yard.home.path().join("node"));
    yard.enrolled(&paths.front(), eighty_hours_ago);
    std::fs::create_dir_all(paths.run()).expect("made");
    std::fs::write(paths.boot(), model::ids::BootId([5; 16]).to_string()).expect("written");
    std::thread::spawn(move || agent::front::run(paths, agent::logs::LogFormat::Text));

    let connected = tokio::time::timeout(Duration::from_secs(20), yard.events.recv()).await;
    let Ok(Some(HubEvent::Connected { node, .. })) = connected else {
        panic!("no session: {connected:?}");
    };
    assert_eq!(node.as_str(), NODE);
    let mut issued = 0;
    while let Ok(event) = yard.audit.try_recv() {
        match event {
            AuditEvent::CertificateIssued { not_after, .. } if not_after > now() => issued += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(issued, 1, "one recovery, one certificate");
    let registry = std::fs::read_to_string(yard.home.path().join("pki/registry.json")).expect("registry");
    assert!(registry.contains("\"recoveries\": 1"), "{registry}");
}
