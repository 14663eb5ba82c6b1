//! The same work done by NATS JetStream: messages over mTLS, each fsynced before it is acknowledged, and one consumer that is
//! pushed all of them.

use super::Outcome;
use super::rival::{self, Put, Rival, Watches, Writes};
use crate::ports;
use crate::running::Running;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use rustls::ClientConfig;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio_stream::StreamExt;

const STREAM: &str = "load";

/// A server with an empty store in a folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Nats {
    _running: Running,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Writer(Context);

/// A consumer of all that came since it was made.
pub struct Watcher {
    messages: push::Ordered,
    /// The connection that they come over.
    _client: Client,
}

impl Nats {
    /// Starts `program` with client certificates required and a stream in files whose every message is fsynced before its
    /// acknowledgement; by default it would be after two minutes.
    pub async fn start(program: &Path) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let client = rival::certificates(folder.path())?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::four_free(&[Ipv4Addr::LOCALHOST])));
        let settings = format!(
            "listen: \"{address}\"\n\
             tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n\
             jetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            at("server.pem"),
            at("server.key"),
            at("ca.pem"),
            at("data"),
        );
        fs::write(at("nats.conf"), settings)?;
        let mut command = Command::new(program);
        command.args(["--config", &at("nats.conf")]);
        let mut running = Running::start(&mut command, folder.path().join("nats.log"))?;
        rival::until_it_answers(&mut running, "NATS", async || {
            stream(&connect(address, &client).await?).await
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

impl Rival for Nats {
    type Writer = Writer;
    type Watcher = Watcher;

    async fn writer(&self) -> Outcome<Writer> {
        Ok(Writer(jetstream::new(connect(self.address, &self.client).await?)))
    }

    /// A new consumer of all that comes from now on.
    async fn watcher(&self) -> Outcome<Watcher> {
        let client = connect(self.address, &self.client).await?;
        let stream = jetstream::new(client.clone()).get_stream(STREAM).await?;
        let consumer = stream
            .create_consumer(push::OrderedConfig {
                deliver_subject: client.new_inbox(),
                deliver_policy: DeliverPolicy::New,
                ..push::OrderedConfig::default()
            })
            .await?;
        Ok(Watcher {
            messages: consumer.messages().await?,
            _client: client,
        })
    }
}

impl Writes for Writer {
    /// Messages one after another without waiting, then their acknowledgements: unlike a transaction, each stands alone. Each
    /// writer has a subject of its own, as each node has.
    async fn write(&self, puts: Vec<Put>) -> Outcome<()> {
        let mut acknowledged = Vec::with_capacity(puts.len());
        for put in puts {
            let subject = format!("load.{}.{}", put.writer, put.slot);
            acknowledged.push(self.0.publish(subject, put.value).await?);
        }
        for acknowledged in acknowledged {
            acknowledged.await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watches for Watcher {
    async fn next(&mut self) -> Outcome<Vec<Bytes>> {
        let message = self.messages.next().await.ok_or("the consumer ended")??;
        Ok(vec![message.message.payload])
    }
}

async fn stream(client: &Client) -> Outcome<()> {
    let wanted = Config {
        name: STREAM.to_owned(),
        subjects: vec!["load.>".to_owned()],
        storage: StorageType::File,
        ..Config::default()
    };
    jetstream::new(client.clone()).create_stream(wanted).await?;
    Ok(())
}

async fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Outcome<Client> {
    let options = ConnectOptions::new()
        .require_tls(true)
        .tls_client_config(ClientConfig::clone(config));
    Ok(options.connect(format!("tls://{address}")).await?)
}
