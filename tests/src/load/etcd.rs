//! The same work done by etcd: puts over mTLS, each durable when it is answered, and one watch that sees all of them.

use super::Outcome;
use super::etcd_grpc::{PutRequest, WatchResponse, watch, write};
use super::rival::{self, NAME, Put, Rival, Watches, Writes};
use crate::ports;
use crate::running::Running;
use bytes::Bytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use shell::channel::{self, ServerAddress};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tonic::Streaming;
use tonic::transport::Channel;

/// A server with an empty store in a folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    _running: Running,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Writer(Channel);

/// A watch over all keys of the load.
#[derive(Debug)]
pub struct Watcher(Streaming<WatchResponse>);

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
        let mut command = Command::new(program);
        command
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
            .arg(at("ca.pem"));
        let mut running = Running::start(&mut command, at("etcd.log"))?;
        let probe = || PutRequest {
            key: Bytes::from_static(b"ready"),
            value: Bytes::from_static(b"1"),
        };
        rival::until_it_answers(&mut running, "etcd", async || {
            Ok(write(&connect(address, &client).await?, vec![probe()]).await?)
        })
        .await?;
        Ok(Self {
            _running: running,
            address,
            client,
            _folder: folder,
        })
    }
}

impl Rival for Etcd {
    type Writer = Writer;
    type Watcher = Watcher;

    async fn writer(&self) -> Outcome<Writer> {
        Ok(Writer(connect(self.address, &self.client).await?))
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
