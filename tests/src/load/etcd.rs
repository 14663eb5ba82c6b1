//! The same work done by etcd: puts over mTLS, each durable when it is answered, and one watch that sees all of them.

use super::etcd_grpc::{PutRequest, WatchResponse, watch, write};
use super::figures::per_second;
use super::fleet::event;
use super::{Closed, Delays, Outcome, Pace};
use crate::ports;
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};
use shell::channel::{self, ServerAddress};
use shell::tls::{self, ClientIdentity};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tonic::Streaming;
use tonic::transport::Channel;

const NAME: &str = "etcd.load";
const START: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(60);

/// A server with an empty store in a folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

/// A watch, and the moments at which what it will see was due.
#[derive(Debug)]
pub struct EtcdLoad {
    due: Arc<Mutex<Vec<Instant>>>,
    watcher: Streaming<WatchResponse>,
    value: Vec<u8>,
}

impl Etcd {
    /// Starts `program` with client certificates required, as our own listeners do, and with its defaults otherwise: every write is
    /// fsynced before it is answered.
    pub async fn start(program: &Path) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let client = certificates(folder.path())?;
        let port = ports::four_free(&[Ipv4Addr::LOCALHOST]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (clients, peers) = (
            format!("https://{address}"),
            format!("http://127.0.0.1:{}", port.saturating_add(1)),
        );
        let mut child = Command::new(program)
            .args(["--name", "load", "--log-level", "error", "--client-cert-auth"])
            .args([
                "--listen-client-urls",
                &clients,
                "--advertise-client-urls",
                &clients,
            ])
            .args([
                "--listen-peer-urls",
                &peers,
                "--initial-advertise-peer-urls",
                &peers,
            ])
            .args(["--initial-cluster", &format!("load={peers}")])
            .arg("--data-dir")
            .arg(at("data"))
            .arg("--cert-file")
            .arg(at("server.pem"))
            .arg("--key-file")
            .arg(at("server.key"))
            .arg("--trusted-ca-file")
            .arg(at("ca.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("etcd.log"))?)
            .spawn()
            .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
        let limit = Instant::now() + START;
        let probe = |n: u64| PutRequest {
            key: Bytes::from_static(b"ready"),
            value: Bytes::from(n.to_string()),
        };
        loop {
            if let Ok(channel) = connect(address, &client).await
                && write(&channel, vec![probe(1)]).await.is_ok()
            {
                break;
            }
            if Instant::now() >= limit || child.try_wait()?.is_some() {
                let said = fs::read_to_string(at("etcd.log")).unwrap_or_default();
                drop(child.kill());
                return Err(format!("etcd does not answer; it said: {said}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self {
            child,
            address,
            client,
            _folder: folder,
        })
    }

    /// A new watch over all keys of the load.
    pub async fn load(&self) -> Outcome<EtcdLoad> {
        let mut watcher = watch(
            &connect(self.address, &self.client).await?,
            Bytes::from_static(b"load/"),
            Bytes::from_static(b"load0"),
        )
        .await?;
        let first = watcher.message().await?.ok_or("the watch ended")?;
        if !first.created {
            return Err("the watch was not created".into());
        }
        Ok(EtcdLoad {
            due: Arc::default(),
            watcher,
            value: serde_json::to_vec(&event())?,
        })
    }

    /// `writers` clients, each on a connection of its own, `together` keys in each write, one write of each at a time.
    pub async fn closed_loop(&self, writers: usize, together: usize, time: Duration) -> Outcome<Closed> {
        let load = self.load().await?;
        let channels = self.connections(writers).await?;
        let (due, value) = (Arc::clone(&load.due), Bytes::from(load.value.clone()));
        let begun = Instant::now();
        let watching = tokio::spawn(load.follow());
        let mut tasks = Vec::new();
        for (writer, channel) in channels.into_iter().enumerate() {
            let (due, value) = (Arc::clone(&due), value.clone());
            tasks.push(tokio::spawn(async move {
                while begun.elapsed() < time {
                    let puts = numbered(&due, &value, writer, together, Instant::now());
                    write(&channel, puts).await?;
                }
                Outcome::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        finish(due, watching, begun).await
    }

    /// Puts at a given pace over `writers` connections in turn, whatever became of the ones before.
    pub async fn paced(&self, writers: usize, pace: Pace) -> Outcome<Closed> {
        let load = self.load().await?;
        let channels = self.connections(writers).await?;
        let (due, value) = (Arc::clone(&load.due), Bytes::from(load.value.clone()));
        let watching = tokio::spawn(load.follow());
        let together = pace.together.max(1);
        let every = Duration::from_secs(1) / u32::try_from(pace.rate.div_ceil(together).max(1))?;
        let total = u32::try_from(pace.time.as_nanos() / every.as_nanos().max(1))?;
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (group, (writer, channel)) in (0..total).zip(channels.iter().enumerate().cycle()) {
            let at = begun + every * group;
            tokio::time::sleep_until(at.into()).await;
            let puts = numbered(&due, &value, writer, together, at);
            let channel = channel.clone();
            tasks.spawn(async move { write(&channel, puts).await });
            while let Some(done) = tasks.try_join_next() {
                done??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        finish(due, watching, begun).await
    }

    async fn connections(&self, count: usize) -> Outcome<Vec<Channel>> {
        let mut channels = Vec::new();
        for _ in 0..count {
            channels.push(connect(self.address, &self.client).await?);
        }
        Ok(channels)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl EtcdLoad {
    /// The delays of all that comes, until the last due one came; the numbers of a load begin at 0.
    async fn follow(mut self) -> Outcome<(Vec<Duration>, Streaming<WatchResponse>)> {
        let mut delays = Vec::new();
        let mut seen = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_millis(200), self.watcher.message()).await;
            let response = match next {
                Ok(response) => response?.ok_or("the watch ended")?,
                // Idle, and all that was due came: the writers are done.
                Err(_) if delays.len() == locked(&self.due).len() && !delays.is_empty() => {
                    return Ok((delays, self.watcher));
                }
                Err(_) => continue,
            };
            if response.canceled {
                return Err("etcd ended the watch".into());
            }
            let due = locked(&self.due);
            for event in response.events {
                let value = event.kv.unwrap_or_default().value;
                let number = value.get(..8).and_then(|head| head.try_into().ok());
                let number = usize::try_from(u64::from_be_bytes(number.ok_or("a value of nobody")?))?;
                delays.push(due.get(number).ok_or("a key that nobody wrote")?.elapsed());
                seen.resize(seen.len().max(number + 1), false);
                if std::mem::replace(&mut seen[number], true) {
                    return Err(format!("key {number} came twice").into());
                }
            }
        }
    }
}

async fn finish(
    due: Arc<Mutex<Vec<Instant>>>,
    watching: tokio::task::JoinHandle<Outcome<(Vec<Duration>, Streaming<WatchResponse>)>>,
    begun: Instant,
) -> Outcome<Closed> {
    let (total, written) = (locked(&due).len(), begun.elapsed());
    let (delays, _) = tokio::time::timeout(DRAIN, watching).await???;
    if delays.len() != total {
        return Err(format!("{} of {total} keys were seen", delays.len()).into());
    }
    Ok(Closed {
        rate: per_second(total, written),
        delays: Delays::new(delays),
    })
}

/// `count` puts with numbers of their own, all due at `at`. Each writer has keys of its own, as each node has.
fn numbered(
    due: &Mutex<Vec<Instant>>,
    value: &Bytes,
    writer: usize,
    count: usize,
    at: Instant,
) -> Vec<PutRequest> {
    let mut due = locked(due);
    let put = |slot: usize| {
        let number = u64::try_from(due.len()).unwrap_or(u64::MAX);
        due.push(at);
        PutRequest {
            key: Bytes::from(format!("load/{writer}/{slot}")),
            value: Bytes::from([&number.to_be_bytes(), value.as_ref()].concat()),
        }
    };
    (0..count).map(put).collect()
}

fn locked(due: &Mutex<Vec<Instant>>) -> std::sync::MutexGuard<'_, Vec<Instant>> {
    due.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Outcome<Channel> {
    let server_name = ServerName::try_from(NAME)?;
    Ok(channel::connect(ServerAddress { address, server_name }, Arc::clone(config)).await?)
}

/// An authority, a server's certificate in `folder`, and what a client connects with.
fn certificates(folder: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let (server, client) = (KeyPair::generate()?, KeyPair::generate()?);
    let leaf =
        CertificateParams::new([NAME.to_owned(), "127.0.0.1".to_owned()])?.signed_by(&server, &issuer)?;
    fs::write(folder.join("ca.pem"), issuer.pem())?;
    fs::write(folder.join("server.pem"), leaf.pem())?;
    fs::write(folder.join("server.key"), server.serialize_pem())?;
    let leaf = CertificateParams::new(Vec::<String>::new())?.signed_by(&client, &issuer)?;
    let identity = ClientIdentity {
        chain: vec![leaf.der().clone()],
        key: PrivatePkcs8KeyDer::from(client.serialize_der()).into(),
    };
    Ok(tls::client_config(&[issuer.der().clone()], Some(identity))?)
}
