//! The front's end of the socket to the root helper: one connection for requests, one that listens for pushes.

use crate::exec::protocol::{self, Push, Reply, Request};
use crate::step::StepResult;
use model::ids::{Attempt, StepId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

const RETRY: Duration = Duration::from_millis(50);

/// Looks at once, each on a connection of its own: the helper takes eight, two of which are ours for the rest.
const LOOKS: usize = 4;

/// Requests to the helper; several users take turns.
#[derive(Debug, Clone)]
pub(super) struct Helper {
    socket: PathBuf,
    stream: Arc<Mutex<Option<UnixStream>>>,
    looks: Arc<Semaphore>,
    /// Counts connections of the listening side: a change means that pushes may have been missed.
    pub(super) connected: watch::Receiver<u64>,
}

impl Helper {
    /// Of an agent that has none: whatever is asked of it fails.
    pub(super) fn none() -> Self {
        Self {
            socket: PathBuf::new(),
            stream: Arc::default(),
            looks: Arc::new(Semaphore::new(LOOKS)),
            connected: watch::channel(0).1,
        }
    }

    /// Starts listening; pushes arrive on the receiver.
    pub(super) fn start(socket: PathBuf) -> (Self, mpsc::Receiver<Push>) {
        let (pushes, receiver) = mpsc::channel(64);
        let (count, connected) = watch::channel(0);
        tokio::spawn(listen(socket.clone(), pushes, count));
        (
            Self {
                socket,
                stream: Arc::default(),
                looks: Arc::new(Semaphore::new(LOOKS)),
                connected,
            },
            receiver,
        )
    }

    /// Asks once; a broken connection is made anew once.
    pub(super) async fn ask(&self, request: &Request) -> io::Result<Reply> {
        // A probe may take its time, so it has a connection of its own and holds nobody up.
        if matches!(
            request,
            Request::Probe { .. } | Request::Gather { .. } | Request::Survey
        ) {
            let _turn = self.looks.acquire().await.map_err(io::Error::other)?;
            let mut stream = UnixStream::connect(&self.socket).await?;
            return exchange(&mut stream, request).await;
        }
        let mut held = self.stream.lock().await;
        if let Some(stream) = held.as_mut()
            && let Ok(reply) = exchange(stream, request).await
        {
            return Ok(reply);
        }
        *held = None;
        let mut stream = UnixStream::connect(&self.socket).await?;
        let reply = exchange(&mut stream, request).await?;
        *held = Some(stream);
        Ok(reply)
    }

    /// Asks for a log, on a connection of its own; `each` gets its parts as they come, the last one last.
    pub(super) async fn read_log(&self, request: &Request, mut each: impl FnMut(Reply)) -> io::Result<()> {
        let _turn = self.looks.acquire().await.map_err(io::Error::other)?;
        let mut stream = UnixStream::connect(&self.socket).await?;
        write(&mut stream, request).await?;
        loop {
            let reply: Reply = read(&mut stream).await?;
            let is_last = !matches!(reply, Reply::LogPart { last: false, .. });
            each(reply);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Asks until the helper answers: it is restarted by systemd whenever it ends.
    pub(super) async fn ask_until(&self, request: &Request) -> Reply {
        loop {
            match self.ask(request).await {
                Ok(reply) => return reply,
                Err(error) => {
                    tracing::warn!(%error, "the root helper does not answer");
                    tokio::time::sleep(RETRY * 10).await;
                }
            }
        }
    }

    /// What is known of an attempt.
    pub(super) async fn look(&self, step: StepId, attempt: Attempt) -> Option<Reply> {
        match self.ask_until(&Request::Look { step, attempt }).await {
            Reply::Absent => None,
            reply => Some(reply),
        }
    }
}

async fn listen(socket: PathBuf, pushes: mpsc::Sender<Push>, connected: watch::Sender<u64>) {
    loop {
        if let Ok(mut stream) = UnixStream::connect(&socket).await
            && exchange(&mut stream, &Request::Subscribe).await.is_ok()
        {
            connected.send_modify(|count| *count += 1);
            while let Ok(push) = read::<Push>(&mut stream).await {
                if pushes.send(push).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn exchange(stream: &mut UnixStream, request: &Request) -> io::Result<Reply> {
    write(stream, request).await?;
    read(stream).await
}

async fn write(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&protocol::encode(message)?).await
}

async fn read<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut head = [0u8; 4];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0u8; protocol::body_length(head)?];
    stream.read_exact(&mut body).await?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// The result in a reply, where there is one.
pub(super) fn result_of(reply: Reply) -> Option<StepResult> {
    match reply {
        Reply::Finished { result } => Some(result),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::StepId;
    use model::step::{NodeStep, ProbeResult, Role, StepOrder};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A helper that is away at first and then counts how many ask it at once.
    #[tokio::test]
    async fn many_looks_wait_for_their_turn_and_for_a_helper_that_is_away() {
        let dir = tempfile::tempdir().expect("temp");
        let socket = dir.path().join("exec.sock");
        let (helper, _pushes) = Helper::start(socket.clone());
        let most = Arc::new(AtomicUsize::new(0));
        let counted = most.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let listener = tokio::net::UnixListener::bind(socket).expect("bound");
            let now = Arc::new(AtomicUsize::new(0));
            while let Ok((mut stream, _)) = listener.accept().await {
                let (now, most) = (now.clone(), counted.clone());
                tokio::spawn(async move {
                    let Ok(Request::Probe { .. }) = read::<Request>(&mut stream).await else {
                        return;
                    };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let result = ProbeResult::NotStarted;
                    let _ = write(&mut stream, &Reply::Probed { result }).await;
                });
            }
        });
        let looks = (0..12u8).map(|n| {
            let (helper, step) = (helper.clone(), StepId([n; 32]));
            tokio::spawn(async move {
                let order = StepOrder {
                    step,
                    attempt: Attempt(1),
                    body: NodeStep::ImportImages { role: Role::Worker },
                    budget_ms: 1000,
                };
                helper.ask_until(&Request::Probe { order }).await
            })
        });
        for look in looks.collect::<Vec<_>>() {
            assert!(matches!(look.await.expect("answered"), Reply::Probed { .. }));
        }
        assert!((2..=LOOKS).contains(&most.load(Ordering::SeqCst)));
    }
}
