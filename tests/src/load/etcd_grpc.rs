//! The few messages of etcd's v3 API that the comparison needs, with the field numbers of its `rpc.proto` and `kv.proto`.

use bytes::Bytes;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RequestOp {
    #[prost(message, optional, tag = "2")]
    pub(super) put: Option<PutRequest>,
}

/// Without conditions: all of `success` happens together.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TxnRequest {
    #[prost(message, repeated, tag = "2")]
    pub(super) success: Vec<RequestOp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TxnResponse {
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WatchCreate {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) range_end: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<WatchCreate>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WatchResponse {
    #[prost(bool, tag = "3")]
    pub(super) created: bool,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Event {
    #[prost(message, optional, tag = "2")]
    pub(super) kv: Option<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
}

/// Writes all of `puts` in one transaction, or the only one as a plain put; durable when it returns.
pub(super) async fn write(channel: &Channel, puts: Vec<PutRequest>) -> Result<(), Status> {
    let mut grpc = ready(channel).await?;
    if let [put] = puts.as_slice() {
        let put = put.clone();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        grpc.unary(Request::new(put), path, codec).await?;
        return Ok(());
    }
    let path = PathAndQuery::from_static("/etcdserverpb.KV/Txn");
    let codec = ProstCodec::<TxnRequest, TxnResponse>::default();
    let success = puts.into_iter().map(|put| RequestOp { put: Some(put) }).collect();
    grpc.unary(Request::new(TxnRequest { success }), path, codec)
        .await?;
    Ok(())
}

/// All changes of keys that begin with `prefix`, from now on.
pub(super) async fn watch(
    channel: &Channel,
    key: Bytes,
    range_end: Bytes,
) -> Result<Streaming<WatchResponse>, Status> {
    let mut grpc = ready(channel).await?;
    let create = Some(WatchCreate { key, range_end });
    // etcd ends a watch whose client has nothing more to say, so the request's stream stays open.
    let requests = tokio_stream::StreamExt::chain(
        tokio_stream::once(WatchRequest { create }),
        tokio_stream::pending(),
    );
    let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
    let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
    let response = grpc.streaming(Request::new(requests), path, codec).await?;
    Ok(response.into_inner())
}

async fn ready(channel: &Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}
