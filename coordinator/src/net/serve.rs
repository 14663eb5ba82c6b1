//! Serving HTTP/2 over accepted connections, with bounds, and with an end.

use super::accept::Incoming;
use super::authorise::Authorise;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

/// How long open calls may go on after a stop.
const HARD_STOP: Duration = Duration::from_secs(2);

/// How long a call of a node or a stranger may take.
const CALL: Duration = Duration::from_secs(10);

/// Bounds of one listener's HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Streams per connection.
    pub streams: u32,
    /// Whether HTTP/1.1 is served too.
    pub http1: bool,
    /// Longest time to the first answer of a call, which is dropped then; None where some rightly take longer.
    pub call: Option<Duration>,
}

impl HttpLimits {
    /// Enrolment and the agent's download.
    pub const ENROL: HttpLimits = HttpLimits {
        streams: 4,
        http1: true,
        call: Some(CALL),
    };
    /// Agents: one session, renewal, secrets.
    pub const AGENT: HttpLimits = HttpLimits {
        streams: 8,
        http1: false,
        call: Some(CALL),
    };
    /// Operators: a survey waits for agents that are away, a report reads the whole log. Each such call has an end of its own.
    pub const OPERATOR: HttpLimits = HttpLimits {
        streams: 32,
        http1: false,
        call: None,
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
    let serving = server(http)
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

fn server(http: HttpLimits) -> Server {
    let server = Server::builder()
        .accept_http1(http.http1)
        .max_concurrent_streams(http.streams)
        .concurrency_limit_per_connection(usize::try_from(http.streams).unwrap_or(usize::MAX))
        .load_shed(true)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .http2_max_header_list_size(8 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)));
    match http.call {
        Some(limit) => server.timeout(limit),
        None => server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::harness::FakeOperator;
    use proto::v1::GetRunReportRequest;
    use proto::v1::operator_client::OperatorClient;
    use proto::v1::operator_server::OperatorServer;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::Code;
    use tonic::transport::Endpoint;

    /// How a call ends that is answered after 100 ms, with the word that it is not implemented.
    async fn slow_call(http: HttpLimits) -> Code {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let service = OperatorServer::new(FakeOperator {
            takes: Duration::from_millis(100),
            ..FakeOperator::default()
        });
        let incoming = TcpListenerStream::new(listener);
        let served = tokio::spawn(server(http).add_service(service).serve_with_incoming(incoming));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
        let mut client = OperatorClient::new(endpoint.connect().await.expect("connected"));
        let answer = client.get_run_report(GetRunReportRequest::default()).await;
        served.abort();
        answer.expect_err("no report").code()
    }

    #[tokio::test]
    async fn a_long_call_is_cut_on_every_listener_but_the_operators() {
        for limits in [HttpLimits::ENROL, HttpLimits::AGENT] {
            assert_eq!(limits.call, Some(CALL));
            let call = limits.call.map(|_| Duration::from_millis(5));
            assert_eq!(slow_call(HttpLimits { call, ..limits }).await, Code::Cancelled);
        }
        let limits = HttpLimits::OPERATOR;
        let call = limits.call.map(|_| Duration::from_millis(5));
        assert_eq!(
            slow_call(HttpLimits { call, ..limits }).await,
            Code::Unimplemented
        );
    }
}
