//! The same work done by NATS JetStream: messages over mTLS, each fsynced before it is acknowledged, and one consumer that is
//! pushed all of them.

use super::rival::{self, Put, Watches, Writes};
use super::{Closed, Outcome, Pace};
use crate::ports;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use rustls::ClientConfig;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_stream::StreamExt;

const START: Duration = Duration::from_secs(30);
const STREAM: &str = "load";

/// A server with an empty store in a folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

#[derive(Clone)]
struct Writer(Context);

struct Watcher {
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
        let mut child = Command::new(program)
            .args(["--config", &at("nats.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("nats.log"))?)
            .spawn()
            .map_err(|e| format!("cannot run {}: {e}", program.display()))?;
        let limit = Instant::now() + START;
        loop {
            let why = match connect(address, &client).await {
                Ok(client) => match stream(&client).await {
                    Ok(()) => break,
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            if Instant::now() >= limit || child.try_wait()?.is_some() {
                let said = fs::read_to_string(at("nats.log")).unwrap_or_default();
                drop(child.kill());
                return Err(format!("NATS does not answer: {why}; it said: {said}").into());
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

    /// `writers` clients, each on a connection of its own, `together` messages in each write, one write of each at a time.
    pub async fn closed_loop(&self, writers: usize, together: usize, time: Duration) -> Outcome<Closed> {
        let (writers, watcher) = (self.writers(writers).await?, self.watcher().await?);
        rival::closed_loop(writers, watcher, together, time).await
    }

    /// Messages at a given pace over `writers` connections in turn, whatever became of the ones before.
    pub async fn paced(&self, writers: usize, pace: Pace) -> Outcome<Closed> {
        let (writers, watcher) = (self.writers(writers).await?, self.watcher().await?);
        rival::paced(writers, watcher, pace).await
    }

    async fn writers(&self, count: usize) -> Outcome<Vec<Writer>> {
        let mut writers = Vec::new();
        for _ in 0..count {
            writers.push(Writer(jetstream::new(connect(self.address, &self.client).await?)));
        }
        Ok(writers)
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

impl Drop for Nats {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
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
