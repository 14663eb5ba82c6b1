//! `Subscribe` as it is served: a line goes to every subscriber as the bytes that it was encoded to once. The generated server
//! takes messages: a dozen allocations and a pass over a kilobyte for each line and each subscriber.

use super::outlet::{Encoded, Items};
use bytes::{BufMut, Bytes};
use proto::v1::operator_server::{Operator, OperatorServer};
use proto::v1::{SubscribeRequest, SubscribeResponse};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstCodec, ProstDecoder};
use tower::Service;

const PATH: &str = "/drillyard.v1.Operator/Subscribe";

/// Who opens subscriptions.
pub trait Subscribe: Send + Sync + 'static {
    /// Begins one.
    ///
    /// # Errors
    /// When the request cannot be understood, with the field.
    fn subscribe(&self, wanted: SubscribeRequest) -> Result<Items, Status>;
}

/// The operator's API whose subscribers share the bytes of each line; all other calls go to the generated server.
#[derive(Debug)]
pub struct SharedLines<T> {
    api: Arc<T>,
    rest: OperatorServer<T>,
    max_request: usize,
}

impl<T: Operator + Subscribe> SharedLines<T> {
    /// Serves `api`; larger requests than `max_request` bytes are refused.
    pub fn new(api: T, max_request: usize) -> Self {
        let api = Arc::new(api);
        Self {
            rest: OperatorServer::from_arc(Arc::clone(&api)).max_decoding_message_size(max_request),
            api,
            max_request,
        }
    }
}

impl<T> Clone for SharedLines<T> {
    fn clone(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            rest: self.rest.clone(),
            max_request: self.max_request,
        }
    }
}

impl<T> NamedService for SharedLines<T> {
    const NAME: &'static str = <OperatorServer<T> as NamedService>::NAME;
}

impl<T: Operator + Subscribe> Service<http::Request<Body>> for SharedLines<T> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return self.rest.call(request);
        }
        let opener = Opener(Arc::clone(&self.api));
        let mut grpc = Grpc::new(AsEncoded).max_decoding_message_size(self.max_request);
        Box::pin(async move { Ok(grpc.server_streaming(opener, request).await) })
    }
}

struct Opener<T>(Arc<T>);

impl<T: Subscribe> ServerStreamingService<SubscribeRequest> for Opener<T> {
    type Response = Bytes;
    type ResponseStream = Encoded;
    type Future = Ready<Result<Response<Encoded>, Status>>;

    fn call(&mut self, request: Request<SubscribeRequest>) -> Self::Future {
        let items = self.0.subscribe(request.into_inner());
        ready(items.map(|items| Response::new(Encoded(items))))
    }
}

/// Requests as protobuf; responses that are protobuf already.
struct AsEncoded;

impl Codec for AsEncoded {
    type Encode = Bytes;
    type Decode = SubscribeRequest;
    type Encoder = Self;
    type Decoder = ProstDecoder<SubscribeRequest>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<SubscribeResponse, SubscribeRequest>::raw_decoder(BufferSettings::default())
    }
}

impl Encoder for AsEncoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Entry, Journal, MemoryJournal};
    use crate::net::harness::FakeOperator;
    use crate::subscribe_grpc::Feed;
    use domain::record::Record;
    use model::ids::{ClusterName, Incarnation, LogId, NodeName, Seq};
    use model::lab::Lab;
    use model::moment::Moment;
    use proto::v1::operator_client::OperatorClient;
    use proto::v1::{CancelRunRequest, EventFilter};
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::Code;
    use tonic::transport::{Channel, Endpoint, Server};

    /// A log with an entry and a gap, its feed, and a client of a real server over it.
    async fn yard() -> (MemoryJournal, Feed, OperatorClient<Channel>) {
        let mut log = MemoryJournal::new(LogId([7; 16]));
        let served = Record::ClusterServed {
            cluster: ClusterName::new("app1").expect("valid"),
        };
        let lost = Record::Gap {
            node: NodeName::new("app1-cp").expect("valid"),
            incarnation: Incarnation([9; 16]),
            from: Seq(3),
            to: None,
            cause: "the buffer was full".into(),
        };
        let entries = [served, lost].map(|record| Entry::sealed(Moment(5), record.into()).expect("sealed"));
        log.append(&entries).expect("appended");
        let feed = Feed::new(log.reader(), &Lab::default());
        let api = FakeOperator {
            feed: Some(feed.clone()),
            ..FakeOperator::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Server::builder().add_service(SharedLines::new(api, 256));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("connected");
        (log, feed, OperatorClient::new(channel))
    }

    #[tokio::test]
    async fn over_the_wire_comes_what_a_reader_in_the_process_gets() {
        let (_log, feed, mut client) = yard().await;
        let request = SubscribeRequest::default();
        let mut stream = client
            .subscribe(request.clone())
            .await
            .expect("opened")
            .into_inner();
        let api = FakeOperator {
            feed: Some(feed),
            ..FakeOperator::default()
        };
        let mut items = Subscribe::subscribe(&api, request).expect("opened");
        let mut seen = 0;
        while let Some(here) = items.recv().await {
            let there = stream.message().await.expect("no failure").expect("as many");
            assert_eq!(there, here.expect("no failure"));
            seen += 1;
        }
        assert_eq!(seen, 3, "an entry, a gap and a bookmark");
        assert!(stream.message().await.expect("an end in order").is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_understood_or_is_too_large_is_refused_and_the_rest_is_as_generated() {
        let (_log, _feed, mut client) = yard().await;
        let filtered = |word: &str| SubscribeRequest {
            filter: Some(EventFilter {
                min_severity: word.into(),
                ..EventFilter::default()
            }),
            ..SubscribeRequest::default()
        };
        let refused = client.subscribe(filtered("grave")).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("filter.min_severity"), "{refused}");
        let large = client
            .subscribe(filtered(&"x".repeat(300)))
            .await
            .expect_err("refused");
        assert_eq!(large.code(), Code::OutOfRange, "{large}");
        let other = client.cancel_run(CancelRunRequest::default()).await;
        assert_eq!(other.expect_err("of the fake").code(), Code::Unimplemented);
    }
}
