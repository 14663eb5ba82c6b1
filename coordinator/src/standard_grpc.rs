//! What standard tools expect of a gRPC port: reflection, so that `grpcurl` knows the schema, and the health service,
//! so that `grpc-health-probe` has something to ask. On the operator's port only, behind the same table as the rest.

use crate::subscribe_grpc::{SharedLines, Subscribe};
use proto::v1::operator_server::Operator;
use tonic::service::Routes;
use tonic_health::ServingStatus;

/// Largest request of an operator.
const MAX_REQUEST: usize = 64 * 1024;

/// What this port serves.
const OPERATOR: &str = "drillyard.v1.Operator";

/// The health service's names: the whole server, and the operator API.
const SERVICES: [&str; 2] = ["", OPERATOR];

/// Why the routes could not be made: the schema that was compiled in does not describe itself.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be served for reflection")]
pub struct SchemaError(#[from] tonic_reflection::server::Error);

/// Everything on the operator's port.
pub async fn operator_routes(api: impl Operator + Subscribe) -> Result<Routes, SchemaError> {
    // The schema also has what nodes call; listed is only what this port answers.
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(OPERATOR)
            .with_service_name("grpc.health.v1.Health")
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    Ok(Routes::new(SharedLines::new(api, MAX_REQUEST))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        // What tools of some years ago still ask first.
        .add_service(reflection().build_v1alpha()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::harness::{FakeOperator, Yard};
    use crate::net::{Limits, Listener};
    use std::net::SocketAddr;
    use tonic::Code;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

    async fn ask(
        client: &mut ServerReflectionClient<tonic::transport::Channel>,
        question: MessageRequest,
    ) -> MessageResponse {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let stream = client.server_reflection_info(tokio_stream::once(request));
        let mut answers = stream.await.expect("allowed").into_inner();
        let answer: ServerReflectionResponse = answers.message().await.expect("an answer").expect("one");
        answer.message_response.expect("a message")
    }

    #[tokio::test]
    async fn an_operator_lists_the_services_and_asks_for_health_and_a_node_does_not() {
        let yard = Yard::start();
        let routes = operator_routes(FakeOperator::default())
            .await
            .expect("the schema");
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = yard
            .network
            .listen_with(Listener::Operator, local, routes, Limits::OPERATORS)
            .expect("listening");
        let channel = yard
            .channel(&at, Some(yard.operator_identity()))
            .await
            .expect("connected");

        let mut client = ServerReflectionClient::new(channel.clone());
        let listed = ask(&mut client, MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(list) = listed else {
            panic!("{listed:?}");
        };
        let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        assert_eq!(names, ["drillyard.v1.Operator", "grpc.health.v1.Health"]);
        let symbol = "drillyard.v1.Operator.Subscribe".to_owned();
        let described = ask(&mut client, MessageRequest::FileContainingSymbol(symbol)).await;
        assert!(
            matches!(described, MessageResponse::FileDescriptorResponse(_)),
            "{described:?}"
        );

        let mut health = HealthClient::new(channel);
        for service in SERVICES {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let status = health
                .check(request)
                .await
                .expect("allowed")
                .into_inner()
                .status();
            assert_eq!(
                status,
                tonic_health::pb::health_check_response::ServingStatus::Serving
            );
        }

        // Not even with a node's certificate, should one get through to this port.
        let node = yard.credentials("app1-worker");
        if let Ok(channel) = yard.channel(&at, Some(node.identity())).await {
            let request = HealthCheckRequest::default();
            let refused = HealthClient::new(channel)
                .check(request)
                .await
                .expect_err("refused");
            assert!(matches!(
                refused.code(),
                Code::PermissionDenied | Code::Unknown | Code::Unavailable
            ));
        }
    }
}
