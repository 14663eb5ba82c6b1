//! The same work done by another store: writes over mTLS, each durable when it is answered, and one watcher that sees all of them.

use super::figures::per_second;
use super::{Closed, Delays, Outcome, Pace};
use crate::running::{Running, START};
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use shell::tls::{self, ClientIdentity};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of every rival's server, beside its address.
pub(super) const NAME: &str = "rival.load";

const DRAIN: Duration = Duration::from_secs(60);

/// How long nothing comes until it is looked whether that was all.
const IDLE: Duration = Duration::from_millis(200);

/// How long nothing answers until it is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// A store that does our work.
pub trait Rival {
    /// A connection that writes.
    type Writer: Writes;
    /// What sees every value.
    type Watcher: Watches;

    /// A writer on a connection of its own.
    fn writer(&self) -> impl Future<Output = Outcome<Self::Writer>> + Send;

    /// A watcher of all that is written from now on.
    fn watcher(&self) -> impl Future<Output = Outcome<Self::Watcher>> + Send;

    /// `writers` clients, each on a connection of its own, `together` values in each write, one write of each at a time.
    fn closed_loop(
        &self,
        writers: usize,
        together: usize,
        time: Duration,
    ) -> impl Future<Output = Outcome<Closed>> {
        async move {
            let (writers, watcher) = (several(self, writers).await?, self.watcher().await?);
            closed_loop(writers, watcher, together, time).await
        }
    }

    /// Values at a given pace over `writers` connections in turn, whatever became of the ones before.
    fn paced(&self, writers: usize, pace: Pace) -> impl Future<Output = Outcome<Closed>> {
        async move {
            let (writers, watcher) = (several(self, writers).await?, self.watcher().await?);
            paced(writers, watcher, pace).await
        }
    }
}

/// One value of one writer.
#[derive(Debug, Clone)]
pub struct Put {
    /// Of the writer.
    pub writer: usize,
    /// Of the value within its write.
    pub slot: usize,
    /// Its number, 8 bytes, and what an event of ours has.
    pub value: Bytes,
}

/// A connection that writes.
pub trait Writes: Clone + Send + Sync + 'static {
    /// Writes all of `puts`; they are durable when it returns.
    fn write(&self, puts: Vec<Put>) -> impl Future<Output = Outcome<()>> + Send;
}

/// What sees every value.
pub trait Watches: Send + 'static {
    /// The next values. May be dropped while it waits, and loses nothing then.
    fn next(&mut self) -> impl Future<Output = Outcome<Vec<Bytes>>> + Send;
}

/// Values with numbers, and the moments at which they were due.
#[derive(Clone)]
struct Numbers {
    due: Arc<Mutex<Vec<Instant>>>,
    value: Bytes,
}

/// What a watcher saw.
struct Seen {
    delays: Vec<Duration>,
    /// When the last value came.
    last: Instant,
}

async fn several<R: Rival + ?Sized>(rival: &R, count: usize) -> Outcome<Vec<R::Writer>> {
    let mut writers = Vec::with_capacity(count);
    for _ in 0..count {
        writers.push(rival.writer().await?);
    }
    Ok(writers)
}

/// Waits until `ask` gets an answer from a program that was just started.
pub(super) async fn until_it_answers(
    running: &mut Running,
    name: &str,
    ask: impl AsyncFn() -> Outcome<()>,
) -> Outcome<()> {
    let limit = Instant::now() + START;
    loop {
        let Err(why) = ask().await else {
            return Ok(());
        };
        if Instant::now() >= limit || running.ended()? {
            return Err(format!("{name} does not answer: {why}; it said: {}", running.log_tail()).into());
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn closed_loop<W: Writes>(
    writers: Vec<W>,
    watcher: impl Watches,
    together: usize,
    time: Duration,
) -> Outcome<Closed> {
    let numbers = Numbers::new()?;
    let begun = Instant::now();
    let watching = tokio::spawn(follow(watcher, numbers.clone()));
    let mut tasks = Vec::new();
    for (at, writer) in writers.into_iter().enumerate() {
        let numbers = numbers.clone();
        tasks.push(tokio::spawn(async move {
            while begun.elapsed() < time {
                writer.write(numbers.puts(at, together, Instant::now())).await?;
            }
            Outcome::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    finish(&numbers, watching, begun).await
}

async fn paced<W: Writes>(writers: Vec<W>, watcher: impl Watches, pace: Pace) -> Outcome<Closed> {
    let numbers = Numbers::new()?;
    let watching = tokio::spawn(follow(watcher, numbers.clone()));
    let together = pace.together.max(1);
    let every = Duration::from_secs(1) / u32::try_from(pace.rate.div_ceil(together).max(1))?;
    let total = u32::try_from(pace.time.as_nanos() / every.as_nanos().max(1))?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (group, (at, writer)) in (0..total).zip(writers.iter().enumerate().cycle()) {
        let due = begun + every * group;
        tokio::time::sleep_until(due.into()).await;
        let puts = numbers.puts(at, together, due);
        let writer = writer.clone();
        tasks.spawn(async move { writer.write(puts).await });
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    finish(&numbers, watching, begun).await
}

async fn finish(
    numbers: &Numbers,
    watching: tokio::task::JoinHandle<Outcome<Seen>>,
    begun: Instant,
) -> Outcome<Closed> {
    let total = numbers.due().len();
    let Seen { delays, last } = tokio::time::timeout(DRAIN, watching).await???;
    let took = last.saturating_duration_since(begun);
    if delays.len() != total {
        return Err(format!("{} of {total} values were seen", delays.len()).into());
    }
    Ok(Closed {
        rate: per_second(total, took),
        delays: Delays::new(delays),
    })
}

/// Takes all that comes, until the last due one came.
async fn follow(mut watcher: impl Watches, numbers: Numbers) -> Outcome<Seen> {
    let (mut delays, mut last) = (Vec::new(), Instant::now());
    let mut seen = Vec::new();
    loop {
        let values = match tokio::time::timeout(IDLE, watcher.next()).await {
            Ok(values) => values?,
            // Idle, and all that was due came: the writers are done.
            Err(_) if delays.len() == numbers.due().len() && !delays.is_empty() => {
                return Ok(Seen { delays, last });
            }
            Err(_) => continue,
        };
        last = Instant::now();
        let due = numbers.due();
        for value in values {
            let number = value.get(..8).and_then(|head| head.try_into().ok());
            let number = usize::try_from(u64::from_be_bytes(number.ok_or("a value of nobody")?))?;
            delays.push(due.get(number).ok_or("a value that nobody wrote")?.elapsed());
            seen.resize(seen.len().max(number + 1), false);
            if std::mem::replace(&mut seen[number], true) {
                return Err(format!("value {number} came twice").into());
            }
        }
    }
}

impl Numbers {
    fn new() -> Outcome<Self> {
        Ok(Self {
            due: Arc::default(),
            value: serde_json::to_vec(&super::fleet::event())?.into(),
        })
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `count` values with numbers of their own, all due at `at`.
    fn puts(&self, writer: usize, count: usize, at: Instant) -> Vec<Put> {
        let mut due = self.due();
        let put = |slot: usize| {
            let number = u64::try_from(due.len()).unwrap_or(u64::MAX);
            due.push(at);
            Put {
                writer,
                slot,
                value: Bytes::from([&number.to_be_bytes(), self.value.as_ref()].concat()),
            }
        };
        (0..count).map(put).collect()
    }
}

/// An authority `ca.pem`, a server's `server.pem` and `server.key` in `folder`, and what a client connects with.
pub(super) fn certificates(folder: &Path) -> Outcome<Arc<ClientConfig>> {
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
