//! Serving HTTP/2 over accepted connections, with bounds, and with an end.

use super::accept::Incoming;
use super::authorise::Authorise;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

/// How long open calls may go on after a stop.
const HARD_STOP: Duration = Duration::from_secs(2);

/// Bounds of one listener's HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Streams per connection.
    pub streams: u32,
    /// Whether HTTP/1.1 is served too.
    pub http1: bool,
}

impl HttpLimits {
    /// Enrolment and the agent's download.
    pub const ENROL: HttpLimits = HttpLimits {
        streams: 4,
        http1: true,
    };
    /// Agents: one session, renewal, secrets.
    pub const AGENT: HttpLimits = HttpLimits {
        streams: 8,
        http1: false,
    };
    /// Operators.
    pub const OPERATOR: HttpLimits = HttpLimits {
        streams: 32,
        http1: false,
    };
}

/// Serves until `cancel`; then waits for open calls at most two seconds and cuts what is left.
pub async fn serve(
    routes: Routes,
    incoming: Incoming,
    http: HttpLimits,
    authorise: Authorise,
    cancel: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let Incoming { connections, cut_all } = incoming;
    let _cut_at_the_end = cut_all.drop_guard();
    let serving = Server::builder()
        .accept_http1(http.http1)
        .max_concurrent_streams(http.streams)
        .concurrency_limit_per_connection(usize::try_from(http.streams).unwrap_or(usize::MAX))
        .load_shed(true)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .http2_max_header_list_size(8 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .timeout(Duration::from_secs(10))
        .layer(authorise)
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections, cancel.clone().cancelled_owned());
    let hard_stop = async {
        cancel.cancelled().await;
        tokio::time::sleep(HARD_STOP).await;
    };
    tokio::select! {
        result = serving => result,
        () = hard_stop => Ok(()),
    }
}
