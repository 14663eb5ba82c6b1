//! A whole small cluster on two real nodes, driven step by step. Ignored unless nodes are there: it wants
//! `AGENT_TEST_KIT`, a folder that both nodes see, and `AGENT_TEST_GATEWAY`, the host's address on their bridge. It leaves
//! a seed for each node in the folder and waits for their agents. `AGENT_TEST_CHAOS` names a program that is run with a
//! node's name while a step runs there; `AGENT_TEST_STAY` keeps the coordinators for so many seconds more.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use model::step::{ClusterParams, InitPhase, JoinPhase, NodeStep, Role, StepOrder, StepOutcome};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Instant;
use support::authority::SERVER_NAME;
use support::coordinator::{Coordinator, TOKEN};
use support::until;

const LAB: &str = "nodes";

struct Node {
    coordinator: Coordinator,
    address: Ipv4Addr,
    role: Role,
}

async fn node(kit: &Path, gateway: Ipv4Addr, name: &str, host: u8, role: Role, port: u16) -> Node {
    let coordinator = Coordinator::new(LAB, name);
    coordinator
        .serve(&format!("{gateway}:{port}"), &format!("{gateway}:{}", port + 1))
        .await;
    let seed = kit.join(format!("seed-{name}"));
    std::fs::create_dir_all(&seed).expect("made");
    let role_name = if role == Role::Worker {
        "worker"
    } else {
        "control_plane"
    };
    let document = format!(
        r#"{{"lab":"{LAB}","cluster":"a","node":"{name}","role":"{role_name}","enrol_url":"https://{gateway}:{port}",
            "agent_url":"https://{gateway}:{}","server_name":"{SERVER_NAME}"}}"#,
        port + 1
    );
    std::fs::write(seed.join("agent.json"), document).expect("written");
    std::fs::write(seed.join("ca.pem"), coordinator.authority.pem()).expect("written");
    std::fs::write(seed.join("token"), TOKEN).expect("written");
    let octets = gateway.octets();
    Node {
        coordinator,
        address: Ipv4Addr::new(octets[0], octets[1], octets[2], host),
        role,
    }
}

impl Node {
    async fn connected(&self) {
        until("a session", 300, || match self.coordinator.state().heartbeats {
            0 => Err("no heartbeat".into()),
            _ => Ok(()),
        })
        .await;
    }

    /// A session that takes orders, after whatever happened to the last one.
    async fn connected_now(&self) {
        until("a session", 60, || {
            if self.coordinator.takes_orders() {
                Ok(())
            } else {
                Err("none".into())
            }
        })
        .await;
    }

    /// The outcome; after every new session the order is sent again, as it may have been lost on its way.
    async fn ended(&self, order: &StepOrder) -> StepOutcome {
        let mut sessions = self.coordinator.state().hellos.len();
        until("an outcome", 300, || {
            let now = self.coordinator.state().hellos.len();
            if now > sessions && self.coordinator.takes_orders() {
                sessions = now;
                self.coordinator.run(&order.body, order.attempt.0);
            }
            self.coordinator
                .outcome(order)
                .ok_or_else(|| format!("{:?}", self.coordinator.kinds().last()))
        })
        .await
    }

    /// Runs a step to its success; after an unknown outcome with the next attempt, as every step here may be rerun.
    async fn run(&self, body: NodeStep) -> u64 {
        for attempt in 1..=5 {
            let (outcome, took) = self.attempt(&body, attempt).await;
            match outcome {
                StepOutcome::Succeeded { run_ms, cpu_ms } => {
                    let label = body.label();
                    println!(
                        "{:9} {label:38} {took:6} ms, run {run_ms:6} ms, cpu {cpu_ms:5} ms",
                        self.coordinator.node
                    );
                    return run_ms;
                }
                StepOutcome::Unknown { reason } => {
                    println!("{:9} {}: unknown: {reason}", self.coordinator.node, body.label())
                }
                other => panic!("{}: {other:?}", body.label()),
            }
        }
        panic!("{}: no attempt left", body.label());
    }

    async fn attempt(&self, body: &NodeStep, attempt: u64) -> (StepOutcome, u64) {
        let began = Instant::now();
        self.connected_now().await;
        let order = self.coordinator.run(body, attempt);
        // A program that does harm to the node while the step runs, for example kills its agent.
        let chaos = std::env::var("AGENT_TEST_CHAOS").ok();
        let harm = chaos.map(|c| {
            std::process::Command::new(c)
                .arg(self.coordinator.node.as_str())
                .spawn()
                .expect("spawned")
        });
        let outcome = self.ended(&order).await;
        if let Some(mut harm) = harm {
            assert!(harm.wait().expect("ended").success(), "the harm was not done");
        }
        (
            outcome,
            u64::try_from(began.elapsed().as_millis()).expect("short"),
        )
    }

    async fn prepare(&self) {
        self.run(NodeStep::PrepareNode {
            role: self.role,
            address: self.address,
        })
        .await;
        self.run(NodeStep::ImportImages { role: self.role }).await;
    }
}

#[tokio::test]
#[ignore = "needs two booted nodes"]
async fn two_nodes_become_a_cluster() {
    let kit = std::env::var("AGENT_TEST_KIT").expect("AGENT_TEST_KIT");
    let gateway: Ipv4Addr = std::env::var("AGENT_TEST_GATEWAY")
        .expect("AGENT_TEST_GATEWAY")
        .parse()
        .expect("an address");
    let kit = Path::new(&kit);
    let plane = node(kit, gateway, "a-cp", 10, Role::ControlPlane, 7443).await;
    let worker = node(kit, gateway, "a-w", 11, Role::Worker, 7453).await;
    std::fs::write(kit.join("seeds-ready"), "").expect("written");
    tokio::join!(plane.connected(), worker.connected());
    println!("both connected");
    let began = Instant::now();

    let params = ClusterParams {
        cluster: model::ids::ClusterName::new("a").expect("valid"),
        kubernetes_version: model::step::KubernetesVersion::new("1.35.4").expect("supported"),
        control_plane: SocketAddrV4::new(plane.address, 6443),
        pod_cidr: "10.100.0.0/16".parse().expect("a network"),
        service_cidr: "10.96.0.0/16".parse().expect("a network"),
        etcd_tag: model::step::ImageTag::new("3.6.14-0").expect("a tag"),
        coredns_tag: model::step::ImageTag::new("v1.14.5").expect("a tag"),
    };
    let token = |ca: &str| {
        serde_json::json!({"token": "abcdef.0123456789abcdef", "ca_pem": ca})
            .to_string()
            .into_bytes()
    };
    plane
        .coordinator
        .state()
        .secrets
        .insert("join_token".into(), token(""));
    tokio::join!(plane.prepare(), worker.prepare());
    let mut run_ms = 0;
    for phase in InitPhase::ALL {
        run_ms += plane
            .run(NodeStep::KubeadmInit {
                phase,
                params: params.clone(),
                address: plane.address,
            })
            .await;
        if phase == InitPhase::WaitControlPlane {
            println!("API server ready after {:?}", began.elapsed());
        }
    }
    plane
        .run(NodeStep::MintKubeconfig {
            params: params.clone(),
        })
        .await;
    let kubeconfig = plane.coordinator.state().taken[0].value.clone();
    let ca = ca_of(&String::from_utf8(kubeconfig.clone()).expect("text"));
    std::fs::write(kit.join("kubeconfig"), kubeconfig).expect("written");
    worker
        .coordinator
        .state()
        .secrets
        .insert("join_token".into(), token(&ca));
    for phase in JoinPhase::ALL {
        worker
            .run(NodeStep::KubeadmJoin {
                phase,
                params: params.clone(),
                address: worker.address,
            })
            .await;
    }
    println!("joined after {:?}, init's units ran {run_ms} ms", began.elapsed());
    let stay = std::env::var("AGENT_TEST_STAY")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    tokio::time::sleep(std::time::Duration::from_secs(stay)).await;
    for node in [&plane, &worker] {
        for kind in node.coordinator.kinds() {
            if !matches!(kind, model::event::NodeEventKind::StepFinished { .. }) {
                println!("{} {kind:?}", node.coordinator.node);
            }
        }
    }
}

fn ca_of(kubeconfig: &str) -> String {
    use base64::Engine as _;
    let line = kubeconfig
        .lines()
        .find_map(|l| l.trim().strip_prefix("certificate-authority-data: "))
        .expect("a CA");
    String::from_utf8(
        base64::engine::general_purpose::STANDARD
            .decode(line)
            .expect("base64"),
    )
    .expect("PEM")
}
