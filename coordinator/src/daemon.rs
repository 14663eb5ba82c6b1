//! The daemon: everything is composed, started and stopped here, in this order.
//!
//! lock, log, authority, engine thread, agents, ticks, web view, listeners; then the operator's identity and the daemon's note, which
//! say that it can be asked. A failure of the engine ends the process: nothing may happen that is not in the log.

use crate::agents::{self, LastSeen};
use crate::api_servers::ApiServers;
use crate::authority::{AuditSink, Authority};
use crate::clock;
use crate::daemon_record::DaemonRecord;
use crate::drill::service::DrillService;
use crate::effects::Performer;
use crate::engine::{Engine, EngineHandle, last_words};
use crate::enrol_grpc::{AgentBinaries, enrol_routes};
use crate::enrolment::Enrolment;
use crate::envelope::Stamper;
use crate::exit::{Failure, Outcome};
use crate::faults::{Faults, News};
use crate::host_steps::executor::Host;
use crate::journal::{HomeLock, Journal, LockError, RedbJournal};
use crate::metrics::{self, Metrics, Opened};
use crate::net::{Clock, Listener, ListenerCertificate, Network};
use crate::offsets::ClockOffsets;
use crate::operator_auth::{grant_local_operator, local_operator};
use crate::operator_grpc::OperatorApi;
use crate::otlp::{Endpoint, Signal};
use crate::places::Places;
use crate::session_grpc::{AgentHub, AgentService, agent_routes};
use crate::silence::{self, Watch};
use crate::standard_grpc::operator_routes;
use crate::step_secrets::StepSecretStore;
use crate::subscribe_grpc::Feed;
use crate::subscribers::Subscribers;
use crate::traces;
use crate::user_data::{AGENT_TARGET, agent_binary};
use crate::{host_facts, net, plan_store, vault, web};
use domain::event::Event;
use futures_util::FutureExt;
use model::ids::LogId;
use model::lab::Lab;
use shell::signals::Termination;
use shell::tasks::Tasks;
use shell::telemetry::{self, Format};
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// Worker threads: the load is small, and few threads keep the memory small.
const WORKERS: usize = 2;

/// Hub events that may wait for the engine; a full channel holds agents back.
const HUB_CAPACITY: usize = 1024;

/// Audit events that may wait for the engine.
const AUDIT_CAPACITY: usize = 1024;

/// The web view's port, counted from the lab's first one: enrolment, agents, operators, web.
const WEB_PORT: u16 = 3;

/// How long a home is waited for that nobody serves, and the pause between two tries.
const HOLD_LIMIT: Duration = Duration::from_secs(10);
const HOLD_PAUSE: Duration = Duration::from_millis(100);

/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(4);

type Stop = Box<dyn std::error::Error + Send + Sync>;

/// Serves the lab until a signal, a request or a failure.
///
/// `web_port` is the web view's on loopback, 0 for any free one; None for the one behind the lab's other ports.
pub fn serve(lab: Lab, places: Places, json: bool, web_port: Option<u16>) -> Result<Outcome, Failure> {
    let format = if json { Format::Json } else { Format::Text };
    telemetry::init(format, "info", false).map_err(|e| internal(&e))?;
    let lock = hold(&places).map_err(|e| match &e {
        LockError::Held { .. } => Failure::from_error(Outcome::Conflict, "DY-0160", &e, "coordinator status"),
        _ => internal(&e),
    })?;
    net::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|e| internal(&e))?;
    let served = runtime.block_on(run(Arc::new(lab), Arc::new(places), web_port));
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(lock);
    served.map(|()| Outcome::Done).map_err(|e| internal(e.as_ref()))
}

/// Takes the home. Whoever has it and leaves no note is no daemon, or one that ends: `doctor` holds it while it checks the log.
fn hold(places: &Places) -> Result<HomeLock, LockError> {
    let since = Instant::now();
    loop {
        match HomeLock::acquire(&places.home) {
            Err(LockError::Held { .. })
                if DaemonRecord::alive(places).is_none() && since.elapsed() < HOLD_LIMIT =>
            {
                std::thread::sleep(HOLD_PAUSE);
            }
            other => return other,
        }
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::from_error(Outcome::Internal, "DY-0161", error, "coordinator doctor")
}

async fn run(lab: Arc<Lab>, places: Arc<Places>, web_port: Option<u16>) -> Result<(), Stop> {
    let cancel = CancellationToken::new();
    let tasks = Tasks::new(cancel.clone());
    let termination = Termination::register()?;
    let fresh = LogId(*uuid::Uuid::new_v4().as_bytes());
    let metrics = Metrics::default();
    let journal = RedbJournal::open(&places.log(), fresh)?.timed(metrics.log_times());
    let (epoch, log_id, reader) = (journal.epoch(), journal.log_id(), journal.reader());
    tracing::info!(revision = %reader.head(), chain = %journal.chain(), "the log is whole");
    let authority = Arc::new(Authority::open(&places.home, &lab.name, clock::now())?);
    let (audit, audit_events) = AuditSink::channel(AUDIT_CAPACITY);

    let stored = Arc::clone(&places);
    let offsets = ClockOffsets::default();
    let (engine, handle, effects) =
        Engine::open(Box::new(journal), Stamper::new(offsets.clone()), move |digest| {
            plan_store::load(&stored, digest)
        })?;
    let engine_end = start_engine(engine, cancel.clone())?;
    handle.submit(Event::Started { epoch });
    let counting = metrics::follow(reader.clone(), metrics.clone());
    tasks.spawn("metrics", tasks.until_stop(counting));

    let variable = |name: &str| std::env::var(name).ok();
    if let Some(endpoint) = Endpoint::from_variables(Signal::Traces, variable)? {
        tracing::info!(?endpoint, "traces are exported");
        let exporting = traces::export(
            reader.clone(),
            Arc::clone(&places),
            lab.name.to_string(),
            endpoint,
        );
        tasks.spawn("traces", tasks.until_stop(exporting));
    }

    let facts = host_facts::look();
    let (hub, hub_events) = AgentHub::new(HUB_CAPACITY);
    let host = Host {
        lab: Arc::clone(&lab),
        places: Arc::clone(&places),
        facts,
        engine: handle.clone(),
    };
    let performer = Performer {
        hub: hub.clone(),
        host,
        engine: handle.clone(),
        epoch,
        tasks: tasks.clone(),
    };
    // These two hold what they wait for the end of: the engine's handle, and the hub.
    tasks.spawn_essential("effects", tasks.until_stop(performer.run(effects)));
    let seen = LastSeen::default();
    let news = News::default();
    let faults = Faults::new(
        Arc::clone(&lab),
        Arc::clone(&places),
        hub.clone(),
        handle.clone(),
        epoch,
        news.clone(),
        offsets.clone(),
    );
    tasks.spawn("faults", faults.clone().keep(cancel.clone()));
    tasks.spawn_essential(
        "agents",
        tasks.until_stop(agents::listen(
            hub.clone(),
            hub_events,
            handle.clone(),
            agents::Known {
                seen: Arc::clone(&seen),
                offsets,
                heartbeat_ms: silence::heartbeat_ms(lab.nodes().count()),
                metrics: metrics.clone(),
            },
            news,
            epoch,
            log_id,
        )),
    );
    tasks.spawn(
        "ticks",
        Watch::new(&lab, &places, Arc::clone(&seen), handle.clone()).run(tasks.clone()),
    );
    tasks.spawn("audit", agents::audit(audit_events, handle.clone()));
    let openings = vault::Openings::new(cancel.clone());
    match crate::components::load(&lab, &places, facts) {
        Ok(components) => {
            let keepers = vault::keep(
                Arc::clone(&lab),
                Arc::clone(&places),
                components,
                openings.clone(),
            );
            tasks.spawn("keepers", keepers);
        }
        // A run says what is wrong with them; agents and operators are served meanwhile.
        Err(error) => tracing::warn!("nothing is kept: {}", crate::exit::chain(&error)),
    }

    let drills = DrillService::new(
        Arc::clone(&lab),
        Arc::clone(&places),
        handle.clone(),
        faults.clone(),
        facts,
        tasks.clone(),
    );
    let unfinished = drills.clone();
    let recovered = tasks.until_stop(async move { unfinished.recover().await });
    tasks.spawn("unfinished drills", recovered);

    let enrolment = Enrolment {
        lab: Arc::clone(&lab),
        places: Arc::clone(&places),
        authority: Arc::clone(&authority),
        audit: audit.clone(),
    };
    let tokens = enrolment.clone().keep(handle.clone(), cancel.clone());
    tasks.spawn("tokens", tokens);

    let scraped = metrics::Sources {
        metrics,
        lab: Arc::clone(&lab),
        places: Arc::clone(&places),
        engine: handle.clone(),
        log: reader.clone(),
        hub: hub.clone(),
        subscribers: Subscribers::default(),
        listeners: Arc::default(),
    };
    if let Some(endpoint) = Endpoint::from_variables(Signal::Metrics, variable)? {
        let interval = metrics::interval(variable)?;
        tracing::info!(?endpoint, ?interval, "metrics are exported");
        let pushing = metrics::push(scraped.clone(), endpoint, interval);
        tasks.spawn("metrics export", tasks.until_stop(pushing));
    }
    let api = OperatorApi {
        lab: Arc::clone(&lab),
        places: Arc::clone(&places),
        engine: handle.clone(),
        faults,
        feed: Feed::new(reader, &lab),
        subscribers: scraped.subscribers.clone(),
        seen,
        servers: ApiServers::new(&lab),
        authority: Arc::clone(&authority),
        audit: audit.clone(),
        hub: hub.clone(),
        enrolment,
        facts,
        drills,
        stop: cancel.clone(),
    };
    let web_port = web_port.unwrap_or(lab.network.coordinator_port.saturating_add(WEB_PORT));
    let page = web::open(web_sources(&api), web_port, &tasks)?;
    let parts = Parts {
        lab: &lab,
        places: &places,
        authority,
        audit,
        tasks: &tasks,
        hub,
        handle,
    };
    let listeners = Arc::clone(&scraped.listeners);
    let operator = operator_routes(api)
        .await?
        .into_axum_router()
        .merge(metrics::routes(scraped));
    let opened = parts.listen(Routes::from(operator))?;
    *listeners.lock().unwrap_or_else(PoisonError::into_inner) = opened;
    DaemonRecord::write(&places)?;
    // The page's secret is for a person and for no log.
    tracing::info!(%epoch, lab = %lab.name, web = %page.address, "serving");
    if std::io::stderr().is_terminal() {
        eprintln!("web view: {}", page.note.url());
    }
    tasks.spawn("signals", termination.cancel(cancel.clone()));
    cancel.cancelled().await;
    // The audit trail is written until nobody is left who could add to it.
    drop(parts);
    // The only keys of a Vault may be on their way.
    openings.ended().await;
    if let Err(error) = tasks.stop(GRACE).await {
        tracing::warn!("{error}");
    }
    // All handles are gone with the tasks; the engine then ends by itself, or said why it ended.
    match tokio::time::timeout(Duration::from_secs(2), engine_end).await {
        Ok(Ok(Err(error))) => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the web view may read; it gets no more of the API than this.
fn web_sources(api: &OperatorApi) -> web::Sources {
    let status = {
        let api = api.clone();
        Arc::new(move || {
            let api = api.clone();
            async move { serde_json::to_value(api.status_document().await?).ok() }.boxed()
        })
    };
    web::Sources::new(Arc::clone(&api.places), api.feed.clone(), status)
}

type EngineEnd = tokio::sync::oneshot::Receiver<Result<(), crate::engine::EngineError>>;

/// Runs the engine on a thread of its own; its end cancels everything else.
fn start_engine(engine: Engine, cancel: CancellationToken) -> std::io::Result<EngineEnd> {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = engine.run();
        if let Err(error) = &result {
            tracing::error!("{}", last_words(error));
        }
        cancel.cancel();
        let _ = ended.send(result);
    })?;
    Ok(end)
}

/// What the listeners share.
struct Parts<'a> {
    lab: &'a Arc<Lab>,
    places: &'a Arc<Places>,
    authority: Arc<Authority>,
    audit: AuditSink,
    tasks: &'a Tasks,
    hub: AgentHub,
    handle: EngineHandle,
}

impl Parts<'_> {
    /// Opens the three listeners and grants the local operator its identity.
    fn listen(&self, operator: Routes) -> Result<Vec<Opened>, Stop> {
        let clock: Clock = Arc::new(clock::now);
        let gateway = IpAddr::V4(self.lab.network.gateway);
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let certificate =
            ListenerCertificate::new(Arc::clone(&self.authority), vec![gateway, local], clock::now())?;
        let port = self.lab.network.coordinator_port;
        let operator_address = SocketAddr::new(local, port.saturating_add(2));

        let binaries = AgentBinaries::from([(AGENT_TARGET.to_owned(), agent_binary(self.places))]);
        let enrol = enrol_routes(
            Arc::clone(&self.authority),
            self.audit.clone(),
            Arc::clone(&clock),
            binaries,
        );
        let secrets =
            StepSecretStore::new(Arc::clone(self.lab), Arc::clone(self.places), self.handle.clone());
        let agent = agent_routes(AgentService {
            hub: self.hub.clone(),
            authority: Arc::clone(&self.authority),
            secrets: Arc::new(secrets),
            audit: self.audit.clone(),
            clock: Arc::clone(&clock),
            tasks: self.tasks.clone(),
        });

        let network = Network {
            authority: Arc::clone(&self.authority),
            audit: self.audit.clone(),
            clock: Arc::clone(&clock),
            certificate: Arc::clone(&certificate),
            tasks: self.tasks.clone(),
        };
        let enrol = network.listen(Listener::Enrol, SocketAddr::new(gateway, port), enrol)?;
        let agent = network.listen(
            Listener::Agent,
            SocketAddr::new(gateway, port.saturating_add(1)),
            agent,
        )?;
        let operator = network.listen(Listener::Operator, operator_address, operator)?;

        let name = local_operator();
        grant_local_operator(&self.authority, &name, operator_address, clock::now())?;
        let authority = Arc::clone(&self.authority);
        let renewal = certificate.renew_forever(clock, self.tasks.token().clone(), move |now| {
            if let Err(error) = grant_local_operator(&authority, &name, operator_address, now) {
                tracing::error!(%error, "the local operator's certificate was not renewed");
            }
        });
        self.tasks.spawn("certificates", renewal);
        Ok(vec![
            ("enrol", enrol.metrics),
            ("agent", agent.metrics),
            ("operator", operator.metrics),
        ])
    }
}
