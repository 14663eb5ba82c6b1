//! The same work done by etcd: puts over mTLS, each durable when it is answered, and one watch that sees all of them.

use super::etcd_grpc::{PutRequest, WatchResponse, watch, write};
use super::rival::{self, NAME, Put, Watches, Writes};
use super::{Closed, Outcome, Pace};
use crate::ports;
use bytes::Bytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use shell::channel::{self, ServerAddress};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Streaming;
use tonic::transport::Channel;

const START: Duration = Duration::from_secs(30);

/// A server with an empty store in a folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

#[derive(Clone)]
struct Writer(Channel);

struct Watcher(Streaming<WatchResponse>);

impl Etcd {
    /// Starts `program` with client certificates required, as our own listeners do, and with its defaults otherwise: every write is
    /// fsynced before it is answered.
    pub async fn start(program: &Path) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let client = rival::certificates(folder.path())?;
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
        let probe = || PutRequest {
            key: Bytes::from_static(b"ready"),
            value: Bytes::from_static(b"1"),
        };
        loop {
            if let Ok(channel) = connect(address, &client).await
                && write(&channel, vec![probe()]).await.is_ok()
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

    /// `writers` clients, each on a connection of its own, `together` keys in each write, one write of each at a time.
    pub async fn closed_loop(&self, writers: usize, together: usize, time: Duration) -> Outcome<Closed> {
        let (writers, watcher) = (self.writers(writers).await?, self.watcher().await?);
        rival::closed_loop(writers, watcher, together, time).await
    }

    /// Puts at a given pace over `writers` connections in turn, whatever became of the ones before.
    pub async fn paced(&self, writers: usize, pace: Pace) -> Outcome<Closed> {
        let (writers, watcher) = (self.writers(writers).await?, self.watcher().await?);
        rival::paced(writers, watcher, pace).await
    }

    async fn writers(&self, count: usize) -> Outcome<Vec<Writer>> {
        let mut writers = Vec::new();
        for _ in 0..count {
            writers.push(Writer(connect(self.address, &self.client).await?));
        }
        Ok(writers)
    }

    /// A new watch over all keys of the load.
    async fn watcher(&self) -> Outcome<Watcher> {
        let mut watcher = watch(
            &connect(self.address, &self.client).await?,
            Bytes::from_static(b"load/"),
            Bytes::from_static(b"load0"),
        )
        .await?;
        let first = watcher.message().await?.ok_or("the watch ended")?;
        if first.created {
            Ok(Watcher(watcher))
        } else {
            Err("the watch was not created".into())
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Writes for Writer {
    /// In one transaction. Each writer has keys of its own, as each node has.
    async fn write(&self, puts: Vec<Put>) -> Outcome<()> {
        let put = |put: Put| PutRequest {
            key: Bytes::from(format!("load/{}/{}", put.writer, put.slot)),
            value: put.value,
        };
        Ok(write(&self.0, puts.into_iter().map(put).collect()).await?)
    }
}

impl Watches for Watcher {
    async fn next(&mut self) -> Outcome<Vec<Bytes>> {
        let response = self.0.message().await?.ok_or("the watch ended")?;
        if response.canceled {
            return Err("etcd ended the watch".into());
        }
        let values = response.events.into_iter();
        Ok(values.map(|event| event.kv.unwrap_or_default().value).collect())
    }
}

async fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Outcome<Channel> {
    let server_name = ServerName::try_from(NAME)?;
    Ok(channel::connect(ServerAddress { address, server_name }, Arc::clone(config)).await?)
}
