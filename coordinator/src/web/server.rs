//! The listener: plain HTTP/1.1 on loopback, a bounded number of connections, and an end with the daemon.

use super::access::{Capability, admit};
use super::answer::{Body, words};
use super::documents::Sources;
use super::note::Note;
use super::{assets, stream};
use crate::net::bind;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shell::tasks::Tasks;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once: a browser opens six per page.
const CONNECTIONS: usize = 64;

/// How long a client may take for its request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No port.
    #[error("no port for the web view on loopback")]
    Bind(#[source] io::Error),
    /// The address cannot be kept for `coordinator web`.
    #[error("the web view's address cannot be written to the lab's home")]
    Note(#[source] io::Error),
}

/// A page that is served.
#[derive(Debug)]
pub struct Opened {
    /// Where, without the secret.
    pub address: SocketAddr,
    /// Where, with it.
    pub note: Note,
}

/// What each connection needs.
struct Door {
    sources: Sources,
    capability: Capability,
    tasks: Tasks,
}

/// Serves the page on `port` of loopback, or on a free one when that is taken, until the tasks are stopped.
pub fn open(sources: Sources, port: u16, tasks: &Tasks) -> Result<Opened, OpenError> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = match bind(at(port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(port, "the web view's port is taken; it gets a free one");
            bind(at(0))
        }
        other => other,
    };
    let listener = listener.map_err(OpenError::Bind)?;
    let address = listener.local_addr().map_err(OpenError::Bind)?;
    let kept = Note::read(sources.places()).and_then(|note| note.capability());
    let capability = kept.unwrap_or_else(Capability::generate);
    let note = Note::new(address.port(), &capability);
    note.write(sources.places()).map_err(OpenError::Note)?;
    let door = Door {
        sources,
        capability,
        tasks: tasks.clone(),
    };
    tasks.spawn("web", accept(listener, Arc::new(door)));
    Ok(Opened { address, note })
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let token = door.tasks.token().clone();
    while let Some(accepted) = token.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, mostly: accepting again at once would burn a core.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        // Events are small, and each should be seen when it happens.
        let _ = stream.set_nodelay(true);
        let (tasks, door, token) = (door.tasks.clone(), Arc::clone(&door), token.clone());
        tasks.spawn("web connection", async move {
            token.run_until_cancelled(serve(stream, door)).await;
            drop(place);
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, door: Arc<Door>) {
    // The end of a page that takes nothing: its answer can be neither finished nor taken back.
    let cut = CancellationToken::new();
    let of_answers = cut.clone();
    let service = service_fn(move |request| {
        let (door, cut) = (Arc::clone(&door), of_answers.clone());
        async move { Ok::<_, Infallible>(door.answer(request, cut).await) }
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match cut.run_until_cancelled(conversation).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a web connection ended"),
        None => tracing::debug!("a page took nothing for too long and was let go"),
    }
}

impl Door {
    /// The request's body is never read: there is nothing to tell this page.
    async fn answer<B>(&self, request: Request<B>, cut: CancellationToken) -> Response<Body> {
        let (request, _) = request.into_parts();
        let response = match admit(&request, &self.capability) {
            Ok(path) => self.route(&request, path, cut).await,
            Err(refusal) => words(refusal.status(), &refusal.to_string()),
        };
        if request.method == Method::HEAD {
            return response.map(|_| http_body_util::Empty::new().boxed_unsync());
        }
        response
    }

    async fn route(&self, request: &Parts, path: &str, cut: CancellationToken) -> Response<Body> {
        match path {
            "events" => stream::stream(request, &self.sources, &self.tasks, cut),
            "snapshot" => self.sources.snapshot().await,
            "reports" => self.sources.reports().await,
            _ => match path.strip_prefix("reports/") {
                Some(run) => self.sources.report(run).await,
                None => assets::find(path)
                    .unwrap_or_else(|| words(StatusCode::NOT_FOUND, "there is no such page")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, Journal, MemoryJournal};
    use crate::places::Places;
    use crate::subscribe_grpc::Feed;
    use domain::record::Record;
    use futures_util::FutureExt;
    use model::ids::{ClusterName, LogId};
    use model::lab::Lab;
    use model::moment::Moment;
    use std::path::PathBuf;
    use tokio::io::{AsyncWriteExt, DuplexStream};

    /// Longer than any limit of the server.
    const HOUR: Duration = Duration::from_secs(3600);

    /// A door before a log of that many entries, which lives as long as it is held, and where a page asks for its stream.
    fn door(entries: usize) -> (Arc<Door>, String, MemoryJournal) {
        let mut log = MemoryJournal::new(LogId([7; 16]));
        let served = Record::ClusterServed {
            cluster: ClusterName::new("app1").expect("valid"),
        };
        let entry = Entry::sealed(Moment(0), served.into()).expect("sealed");
        log.append(&vec![entry; entries]).expect("appended");
        let places = Places {
            home: PathBuf::new(),
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        };
        let feed = Feed::new(log.reader(), &Lab::default());
        let status = Arc::new(|| async { Some(serde_json::json!({"lab": "yard"})) }.boxed());
        let capability = Capability::generate();
        let url = Note::new(80, &capability).url();
        let (_, path) = url.split_once(":80").expect("a URL");
        let path = format!("{path}events");
        let door = Door {
            sources: Sources::new(Arc::new(places), feed, status),
            capability,
            tasks: Tasks::default(),
        };
        (Arc::new(door), path, log)
    }

    /// The page's end of a connection on which the stream was asked for, and the server's.
    async fn asked(path: &str) -> (DuplexStream, DuplexStream) {
        let (mut page, stream) = tokio::io::duplex(1024);
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        page.write_all(request.as_bytes()).await.expect("sent");
        (page, stream)
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_takes_nothing_loses_its_connection() {
        // With many entries, and with nothing but the status.
        for entries in [1000, 0] {
            let (door, path, _log) = door(entries);
            let (_page, stream) = asked(&path).await;
            let served = tokio::time::timeout(HOUR, serve(stream, door)).await;
            assert!(served.is_ok(), "the page of {entries} entries keeps its place");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_reads_stays() {
        let (door, path, _log) = door(1000);
        let (mut page, stream) = asked(&path).await;
        let mut nowhere = tokio::io::sink();
        tokio::select! {
            _ = tokio::io::copy(&mut page, &mut nowhere) => panic!("the stream ended"),
            () = serve(stream, door) => panic!("the connection ended"),
            () = tokio::time::sleep(Duration::from_secs(120)) => {}
        }
    }
}
