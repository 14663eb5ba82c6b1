//! Two servers: an application, and a management service that the fault takes away.

use coordinator::drill::probe::Question;
use coordinator::drill::stage::{Between, Stage, Undone};
use coordinator::drill::timeline::Timeline;
use domain::drill::deed::Deed;
use domain::drill::history::Sample;
use domain::drill::plan::{DrillPlan, PlannedFault, Present, drill_plan};
use domain::drill::scenario::{Probe, Scenario};
use model::lab::Lab;
use model::lease::UndoCause;
use model::moment::Moment;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

const SCENARIO: &str = "
apiVersion: drillyard/v1
kind: Drill
name: loopback
summary: a service is taken away on loopback
hypothesis: {statement: the application does not notice, contracts: [C1]}
faults:
  - {name: away, inject: {fault: node_power_loss, targets: [{cluster: mgmt}]}, leaseMarginSeconds: 10}
probes:
  - {name: app, cluster: app1, contract: C1, expect: stays_good, look: {probe: api_ready}, periodMs: 20, timeoutMs: 500}
  - {name: mgmt, cluster: mgmt, expect: comes_back, look: {probe: api_ready}, periodMs: 20, timeoutMs: 500}
phases: {steadySeconds: 1, observeSeconds: 2, verifySeconds: 10, consecutiveGood: 5}
";

/// A service that nothing waits for, and that takes [`SLOW`] to fail.
const FAILING: &str = "  - {name: slow, cluster: app2, expect: observes, look: {probe: api_ready}, periodMs: 50, timeoutMs: 900}\n";

/// How long a request to the failing service is under way.
pub(crate) const SLOW: Duration = Duration::from_millis(400);

/// When an outage ends that its place ends itself, after it began.
const EARLY: Duration = Duration::from_millis(500);

/// The plan of the scenario on the default lab.
pub(crate) fn plan() -> DrillPlan {
    planned(SCENARIO)
}

/// The same, with the failing service watched.
pub(crate) fn plan_with_failing() -> DrillPlan {
    planned(&SCENARIO.replace("phases:", &format!("{FAILING}phases:")))
}

fn planned(text: &str) -> DrillPlan {
    let scenario = Scenario::from_yaml("loopback.yaml", "loopback", text).expect("valid");
    drill_plan(&scenario, &Lab::default(), &[], &Present::default()).expect("fits")
}

/// What the test's world is like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Nature {
    /// The application asks the management service before it answers.
    pub(crate) app_needs_mgmt: bool,
    /// Injections are refused.
    pub(crate) refuses: bool,
    /// The fault is over long before it is to be undone.
    pub(crate) ends_early: bool,
}

/// The world.
pub(crate) struct Loopback {
    app: SocketAddr,
    failing: SocketAddr,
    mgmt: SocketAddr,
    mgmt_task: Arc<Mutex<Option<JoinHandle<()>>>>,
    pub(crate) broken: AtomicBool,
    /// The begin of the run, as it was told for the last looks.
    pub(crate) began: AtomicI64,
    ended: Arc<Mutex<Option<Between>>>,
    nature: Nature,
}

impl Loopback {
    pub(crate) async fn start(nature: Nature) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let mgmt = listener.local_addr().expect("address");
        let app_listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let app = app_listener.local_addr().expect("address");
        let behind = nature.app_needs_mgmt.then_some(mgmt);
        tokio::spawn(serve(app_listener, behind));
        let failing_listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let failing = failing_listener.local_addr().expect("address");
        tokio::spawn(fail(failing_listener));
        Arc::new(Self {
            app,
            failing,
            mgmt,
            mgmt_task: Arc::new(Mutex::new(Some(tokio::spawn(serve(listener, None))))),
            broken: AtomicBool::new(false),
            began: AtomicI64::new(0),
            ended: Arc::default(),
            nature,
        })
    }

    /// The management service comes back without anybody's order, as when the place of the fault began a new life.
    fn end_by_itself(&self) {
        let (task, ended, address) = (Arc::clone(&self.mgmt_task), Arc::clone(&self.ended), self.mgmt);
        tokio::spawn(async move {
            tokio::time::sleep(EARLY).await;
            let from = Timeline::begin().now();
            bring_back(&mut *task.lock().await, address).await.expect("bind");
            *ended.lock().await = Some((from, Timeline::begin().now()));
        });
    }
}

async fn bring_back(task: &mut Option<JoinHandle<()>>, address: SocketAddr) -> Result<(), String> {
    if task.is_none() {
        let listener = TcpListener::bind(address).await.map_err(|e| e.to_string())?;
        *task = Some(tokio::spawn(serve(listener, None)));
    }
    Ok(())
}

async fn fail(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            tokio::time::sleep(SLOW).await;
            let _ = stream
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                .await;
        });
    }
}

async fn serve(listener: TcpListener, behind: Option<SocketAddr>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let status = match behind {
                Some(address) if TcpStream::connect(address).await.is_err() => "503 Service Unavailable",
                _ => "200 OK",
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

#[tonic::async_trait]
impl Stage for Loopback {
    async fn guards(&self) -> Vec<String> {
        Vec::new()
    }

    async fn prepare(&self, probe: &Probe) -> Question {
        Question::Http {
            address: match probe.name.as_str() {
                "app" => self.app,
                "slow" => self.failing,
                _ => self.mgmt,
            },
            host: probe.name.clone(),
            path: "/".into(),
            contains: "ok".into(),
            dialled: false,
        }
    }

    async fn inject(&self, _: &PlannedFault, _: Moment) -> Result<Option<Between>, String> {
        if self.nature.refuses {
            return Err("this world cannot be broken".into());
        }
        self.broken.store(true, Ordering::SeqCst);
        if let Some(task) = self.mgmt_task.lock().await.take() {
            task.abort();
            let _ = task.await;
        }
        if self.nature.ends_early {
            self.end_by_itself();
        }
        Ok(None)
    }

    async fn last_looks(&self, began: Moment) -> Vec<Sample> {
        self.began.store(began.0, Ordering::SeqCst);
        Vec::new()
    }

    async fn perform(&self, _: &Probe, _: Deed) -> Result<Option<Between>, String> {
        Err("this world has no secrets".into())
    }

    async fn undo(&self, _: &PlannedFault) -> Result<Undone, String> {
        bring_back(&mut *self.mgmt_task.lock().await, self.mgmt).await?;
        self.broken.store(false, Ordering::SeqCst);
        let at = *self.ended.lock().await;
        Ok(Undone {
            at,
            ended_by: at.map(|_| UndoCause::AgentStart),
        })
    }
}
