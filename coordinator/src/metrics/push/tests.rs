//! The figures against a real OTLP receiver: a gRPC server made from OpenTelemetry's own schema.

use super::*;
use crate::engine::Engine;
use crate::envelope::Stamper;
use crate::journal::{Journal, MemoryJournal};
use crate::metrics::Metrics;
use crate::otlp::Signal;
use crate::places::Places;
use crate::session_grpc::AgentHub;
use model::ids::LogId;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(20);
const OFTEN: Duration = Duration::from_millis(20);

struct Collector(mpsc::UnboundedSender<ExportMetricsServiceRequest>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

type Received = mpsc::UnboundedReceiver<ExportMetricsServiceRequest>;

async fn collector(listener: TcpListener) -> Received {
    let (sender, received) = mpsc::unbounded_channel();
    let served = tonic::transport::Server::builder()
        .add_service(MetricsServiceServer::new(Collector(sender)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(served);
    received
}

async fn next(received: &mut Received) -> BTreeMap<String, Metric> {
    let request = tokio::time::timeout(PATIENCE, received.recv()).await;
    let request = request.expect("in time").expect("a request");
    let [resource] = request.resource_metrics.as_slice() else {
        panic!("{request:?}")
    };
    let attributes = &resource.resource.as_ref().expect("one").attributes;
    let said = format!("{attributes:?}");
    assert!(
        said.contains("drillyard-coordinator") && said.contains("drillyard.lab"),
        "{said}"
    );
    let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| (metric.name.clone(), metric.clone()))
        .collect()
}

/// All that a scrape of a daemon looks at, of one that has just begun.
fn sources() -> Sources {
    let journal = MemoryJournal::new(LogId([7; 16]));
    let log = journal.reader();
    let opened = Engine::open(Box::new(journal), Stamper::default(), |_| None);
    let (engine, handle, _) = opened.expect("folds");
    std::thread::spawn(move || engine.run());
    Sources {
        metrics: Metrics::default(),
        lab: Arc::default(),
        places: Arc::new(Places {
            home: "/nowhere".into(),
            cache: "/nowhere".into(),
            project: "/nowhere".into(),
            program: "/nowhere".into(),
        }),
        engine: handle,
        log,
        hub: AgentHub::new(16).0,
        subscribers: Default::default(),
        listeners: Arc::default(),
    }
}

fn endpoint(at: SocketAddr) -> Endpoint {
    let read = |name: &str| (name == "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").then(|| format!("http://{at}"));
    Endpoint::from_variables(Signal::Metrics, read)
        .expect("valid")
        .expect("set")
}

/// The one number of a counter, and since when it counts.
fn counter(metric: &Metric) -> (f64, u64) {
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}")
    };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{sum:?}");
    let point = &sum.data_points[0];
    let Some(Value::AsDouble(value)) = point.value else {
        panic!("{point:?}")
    };
    (value, point.start_time_unix_nano)
}

#[tokio::test]
async fn a_collector_gets_what_a_scrape_gets_and_sees_counters_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("an address");
    let mut received = collector(listener).await;
    let sources = sources();
    let metrics = sources.metrics.clone();
    metrics.heartbeat();
    for millis in [0.2, 3.0, 3.0, 900.0, 9_000.0] {
        let took = Duration::from_secs_f64(millis / 1000.0);
        metrics.log_times().note(took, took);
    }
    tokio::spawn(push(sources, endpoint(at), OFTEN));
    let first = next(&mut received).await;

    // Every name of the exposition, with its unit.
    let text = metrics.prometheus_text().expect("encoded");
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let scraped: BTreeSet<&str> = lines.collect();
    let pushed: BTreeSet<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(pushed, scraped);
    assert!(scraped.len() >= 20, "{scraped:?}");
    let times = &first["drillyard_log_append_duration_seconds"];
    assert_eq!(times.unit, "s");
    assert_eq!(first["process_resident_memory_bytes"].unit, "By");

    // Bounds and what is between them.
    let Some(Data::Histogram(histogram)) = &times.data else {
        panic!("{times:?}")
    };
    let point = &histogram.data_points[0];
    assert_eq!(point.explicit_bounds.len() + 1, point.bucket_counts.len());
    assert_eq!(point.explicit_bounds[..3], [0.000_1, 0.000_25, 0.000_5]);
    assert_eq!(point.bucket_counts, [0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!((point.count, point.sum.map(|sum| sum.round())), (5, Some(10.0)));
    // What is looked up when it is asked for.
    let Some(Data::Gauge(agents)) = &first["drillyard_agents"].data else {
        panic!("{first:?}")
    };
    assert_eq!(agents.data_points.len(), 4, "one of each state");

    let (before, since) = counter(&first["drillyard_agent_heartbeats_total"]);
    assert_eq!(before, 1.0);
    metrics.heartbeat();
    let mut after = before;
    while after < 2.0 {
        let (value, start) = counter(&next(&mut received).await["drillyard_agent_heartbeats_total"]);
        assert_eq!(start, since, "one life, one begin");
        after = value;
    }
    assert_eq!(after, 2.0);
}

/// The collector comes when many intervals have passed: it gets the present figures, and nothing that was kept for it.
#[tokio::test]
async fn for_a_collector_that_is_away_nothing_waits() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = reserved.local_addr().expect("an address");
    drop(reserved);
    let sources = sources();
    let metrics = sources.metrics.clone();
    tokio::spawn(push(sources, endpoint(at), OFTEN));
    for _ in 0..20 {
        metrics.heartbeat();
        tokio::time::sleep(OFTEN).await;
    }
    let mut received = collector(TcpListener::bind(at).await.expect("still free")).await;
    let mut last = 0;
    for _ in 0..3 {
        let told = next(&mut received).await;
        assert_eq!(
            counter(&told["drillyard_agent_heartbeats_total"]).0,
            20.0,
            "nothing older than now"
        );
        let Some(Data::Gauge(gauge)) = &told["drillyard_epoch"].data else {
            panic!("{told:?}")
        };
        let time = gauge.data_points[0].time_unix_nano;
        assert!(time > last, "each request is of its own moment");
        last = time;
    }
}

#[test]
fn the_interval_is_opentelemetrys_own_variable() {
    let with = |value: &'static str| interval(move |name| (name == INTERVAL).then(|| value.to_owned()));
    assert_eq!(interval(|_| None).expect("fine"), DEFAULT);
    assert_eq!(with("1500").expect("fine"), Duration::from_millis(1500));
    for bad in ["0", "-1", "1.5", "5s"] {
        let error = with(bad).expect_err("refused").to_string();
        assert!(
            error.contains("OTEL_METRIC_EXPORT_INTERVAL") && error.contains(bad),
            "{error}"
        );
    }
}
