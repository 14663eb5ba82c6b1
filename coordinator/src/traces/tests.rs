//! A run's records against a real OTLP receiver: a gRPC server made from OpenTelemetry's own schema.

use super::*;
use crate::envelope::{Sealed, Stamp};
use crate::journal::{Entry, Journal, MemoryJournal};
use crate::otlp::{Endpoint, Signal};
use crate::places::Places;
use domain::plan::Target;
use domain::record::{Record, RunOutcome, Source};
use model::ids::{Attempt, BootId, Digest, Incarnation, LogId, NodeName, RunId, Seq, StepId};
use model::moment::{ClockOffset, Moment};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

struct Receiver(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

const RUN: RunId = RunId([9; 16]);
const STEP: StepId = StepId([3; 32]);

/// The node's clock is 2 s ahead.
fn told(second: i64) -> Option<Source> {
    Some(Source {
        node: NodeName::new("app1-cp").expect("valid"),
        incarnation: Incarnation([1; 16]),
        seq: Seq(1),
        time: Moment((second + 2) * 1_000_000),
        boot: BootId([1; 16]),
        monotonic_ms: 0,
    })
}

fn entry(second: i64, record: &Record) -> Entry {
    let stamp = Stamp {
        clock: Some(ClockOffset {
            offset_micros: 2_000_000,
            bound_micros: 100,
        }),
        ..Stamp::default()
    };
    let said = Sealed {
        record: record.clone(),
        stamp,
    };
    Entry::sealed(Moment(second * 1_000_000), said).expect("sealed")
}

fn begin() -> Vec<Entry> {
    let started = Record::RunStarted {
        run: RUN,
        through: 2,
        yes: true,
        plan_digest: Digest([0; 32]),
    };
    let intended = Record::StepIntended {
        step: STEP,
        attempt: Attempt(1),
        name: "app1-cp kubeadm_init/certs".into(),
        target: Target::Node(NodeName::new("app1-cp").expect("valid")),
        cluster: None,
        lane: None,
        ours: true,
    };
    vec![entry(100, &started), entry(101, &intended)]
}

fn end() -> Vec<Entry> {
    let running = Record::StepRunning {
        step: STEP,
        attempt: Attempt(1),
        unit: "u".into(),
        source: told(102),
    };
    let failed = Record::StepFailed {
        step: STEP,
        attempt: Attempt(1),
        code: "DY-0501".into(),
        message: "port in use".into(),
        output: "never sent".into(),
        source: told(104),
    };
    let finished = Record::RunFinished {
        run: RUN,
        outcome: RunOutcome::NeedsDecision,
        executed: 1,
        message: String::new(),
    };
    vec![entry(102, &running), entry(105, &failed), entry(106, &finished)]
}

#[tokio::test]
async fn a_run_arrives_as_one_trace_with_the_node_s_part() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("an address");
    let (sender, mut received) = mpsc::unbounded_channel();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let served = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Receiver(sender)))
        .serve_with_incoming(incoming);
    tokio::spawn(served);

    let mut journal = MemoryJournal::new(LogId([1; 16]));
    // A life before this one saw the run's begin: its end must still find the way into the same trace.
    journal.append(&begin()).expect("memory");
    let places = Arc::new(Places {
        home: "/nowhere".into(),
        cache: "/nowhere".into(),
        project: "/nowhere".into(),
        program: "/nowhere".into(),
    });
    let endpoint = Endpoint::from_variables(Signal::Traces, |name| {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| format!("http://{at}"))
    });
    let endpoint = endpoint.expect("valid").expect("set");
    let exporter = tokio::spawn(export(journal.reader(), places, "yard".into(), endpoint));
    // The exporter notes the head before it reads; records of its own life come after.
    tokio::task::yield_now().await;
    journal.append(&end()).expect("memory");

    let mut spans = Vec::new();
    while spans.len() < 3 {
        let request = tokio::time::timeout(Duration::from_secs(20), received.recv())
            .await
            .expect("in time")
            .expect("a request");
        assert!(
            !format!("{request:?}").contains("never sent"),
            "output is not exported"
        );
        for resource in request.resource_spans {
            let host = resource
                .resource
                .expect("one")
                .attributes
                .iter()
                .any(|a| a.key == "host.name");
            spans.extend(
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|s| s.spans)
                    .map(|s| (host, s)),
            );
        }
    }
    let find = |name: &str| {
        let found = spans.iter().find(|(_, span)| span.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in {spans:?}"))
    };
    let (_, root) = find("up");
    let (_, step) = find("app1-cp kubeadm_init/certs");
    let (on_node, agent) = find("run kubeadm_init/certs");
    assert!(
        spans.iter().all(|(_, span)| span.trace_id == RUN.0),
        "one trace, named as the run"
    );
    assert!(root.parent_span_id.is_empty());
    assert_eq!(
        step.parent_span_id, root.span_id,
        "without a plan a step hangs on its run"
    );
    assert_eq!((on_node, &agent.parent_span_id), (&true, &step.span_id));
    let second = 1_000_000_000;
    assert_eq!(
        (step.start_time_unix_nano, step.end_time_unix_nano),
        (101 * second, 105 * second)
    );
    // The node said 104 to 106 by a clock that is 2 s ahead.
    assert_eq!(
        (agent.start_time_unix_nano, agent.end_time_unix_nano),
        (102 * second, 104 * second)
    );
    assert_eq!(step.status.as_ref().expect("one").message, "DY-0501: port in use");
    drop(journal);
    exporter.await.expect("it ends with the log");
}
