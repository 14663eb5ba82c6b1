//! A lab document with as many nodes as wanted, its authority, and a real daemon that serves it on loopback.

use super::Outcome;
use crate::patience::until;
use crate::ports;
use coordinator::authority::{Authority, NodeSpec};
use coordinator::clock;
use coordinator::operator_auth::connect_operator;
use model::ids::NodeName;
use model::lab::{AddressRange, Cluster, Lab, Node};
use model::step::Role;
use proto::v1::operator_client::OperatorClient;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tonic::transport::Channel;

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Resident memory of the daemon, KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub now_kib: u64,
    /// At most since it started.
    pub peak_kib: u64,
}

/// The lab. The daemon is killed when it is dropped, and the home is removed.
#[derive(Debug)]
pub struct Yard {
    /// The document.
    pub lab: Lab,
    program: PathBuf,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Yard {
    /// A lab of `agents` nodes, for `program` to serve. Nothing runs yet.
    pub fn new(program: &Path, agents: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let mut lab = large_lab(agents)?;
        lab.network.coordinator_port = ports::four_free(&[Ipv4Addr::LOCALHOST]);
        fs::write(folder.path().join("document.yaml"), lab.to_yaml())?;
        fs::create_dir(folder.path().join("home"))?;
        Ok(Self {
            lab,
            program: program.to_owned(),
            folder,
            child: None,
        })
    }

    /// Makes a token for every node and leaves in a folder of its own what an installer would: `agent.json`, `ca.pem`, `token`. Before
    /// the daemon is started, which owns the authority from then on.
    pub fn seed(&self) -> Outcome<Vec<PathBuf>> {
        let now = clock::now();
        let authority = Authority::open(&self.home(), &self.lab.name, now)?;
        let network = &self.lab.network;
        let mut folders = Vec::new();
        for (cluster, node) in self.lab.nodes() {
            let (token, _) = authority.mint(&NodeSpec::of(cluster, node), false, now)?;
            let folder = self.folder.path().join("agents").join(node.name.as_str());
            fs::create_dir_all(&folder)?;
            let seed = serde_json::json!({
                "lab": self.lab.name,
                "cluster": cluster.name,
                "node": node.name,
                "role": node.role,
                "enrol_url": format!("https://{}:{}", network.gateway, network.coordinator_port),
                "agent_url": format!("https://{}:{}", network.gateway, network.coordinator_port.saturating_add(1)),
                "server_name": authority.server_name(),
            });
            fs::write(folder.join("agent.json"), serde_json::to_vec(&seed)?)?;
            fs::write(folder.join("ca.pem"), authority.root_pem())?;
            shell::private_file::write(&folder.join("token"), token.expose().as_bytes())?;
            folders.push(folder);
        }
        Ok(folders)
    }

    /// The lab's home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Starts the daemon; it may not listen yet.
    pub fn serve(&mut self) -> Outcome<()> {
        let folder = self.folder.path();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("serve.log"))?;
        let mut command = Command::new(&self.program);
        command
            .arg("--file")
            .arg(folder.join("document.yaml"))
            .arg("serve")
            .env("DRILLYARD_HOME", folder.join("home"))
            .env("DRILLYARD_CACHE", folder.join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let started = command
            .spawn()
            .map_err(|e| format!("cannot run {}: {e}", self.program.display()))?;
        self.child = Some(started);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Outcome<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// What the daemon said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }

    /// The daemon's memory.
    pub fn memory(&self) -> Outcome<Memory> {
        let child = self.child.as_ref().ok_or("the daemon does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok())
                .ok_or_else(|| format!("no {name} in the daemon's status"))
        };
        Ok(Memory {
            now_kib: field("VmRSS:")?,
            peak_kib: field("VmHWM:")?,
        })
    }

    /// The daemon's CPU time so far.
    pub fn cpu(&self) -> Outcome<Duration> {
        let child = self.child.as_ref().ok_or("the daemon does not run")?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        // After the name in parentheses; user and system time are fields 14 and 15, in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks.saturating_mul(10)))
    }

    /// A connection of the local operator, on a socket of its own, as soon as the daemon answers.
    pub async fn operator(&self) -> Outcome<OperatorClient<Channel>> {
        let limit = tokio::time::Instant::now() + PATIENCE;
        loop {
            match connect_operator(&self.home()).await {
                Ok(channel) => return Ok(OperatorClient::new(channel)),
                Err(error) if tokio::time::Instant::now() >= limit => {
                    return Err(format!("{error}; the daemon said: {}", self.said()).into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Ends the daemon with SIGTERM, as an operator would.
    pub fn stop(&mut self) -> Outcome<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        until("the daemon's end", Duration::from_secs(30), || {
            match child.try_wait() {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err("it runs".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })?;
        Ok(())
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// One cluster of that many nodes at addresses of 127.0.0.0/8.
fn large_lab(agents: usize) -> Outcome<Lab> {
    let mut lab = Lab::with_subnet("load", [127, 0, 0]);
    lab.network.subnet = "127.0.0.0/8".parse()?;
    lab.network.gateway = Ipv4Addr::LOCALHOST;
    lab.clusters.truncate(1);
    let cluster: &mut Cluster = lab.clusters.first_mut().ok_or("the default lab has no cluster")?;
    cluster.load_balancer_pool = AddressRange {
        first: Ipv4Addr::new(127, 255, 0, 1),
        last: Ipv4Addr::new(127, 255, 0, 9),
    };
    let node = |at: usize| -> Outcome<Node> {
        // 127.1.0.10, 127.1.0.11 and so on, 200 of them in each /24.
        let (high, low) = (u8::try_from(at / 200)?, u8::try_from(at % 200)?);
        Ok(Node {
            name: NodeName::new(format!("node-{at}"))?,
            role: if at == 0 { Role::ControlPlane } else { Role::Worker },
            address: Ipv4Addr::new(127, 1, high, low.saturating_add(10)),
            cpus: 1,
            memory_mib: 2048,
            disk_gb: 10,
        })
    };
    cluster.nodes = (0..agents).map(node).collect::<Outcome<_>>()?;
    let count = u64::try_from(agents)?;
    lab.budget.memory_mib = count.saturating_mul(2048);
    lab.budget.disk_gb = count.saturating_mul(10);
    Ok(Lab::from_yaml(&lab.to_yaml())?)
}
