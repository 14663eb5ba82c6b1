//! Requests of the front, each answered by a blocking thread of its connection.

use super::attempts::{Attempts, Known};
use super::leases::Leases;
use super::protocol::{self, Push, Reply, Request};
use super::publish::Subscribers;
use super::{peer, units};
use crate::failpoint::{Arrow, reach};
use crate::node_log::Account;
use crate::paths::Paths;
use crate::secret::Secret;
use crate::step::{StepFile, StepResult};
use crate::{codes, durable};
use model::ids::{Attempt, StepId};
use model::node_log::{NodeLog, parts};
use model::step::{ProbeResult, StepOrder};
use serde::de::DeserializeOwned;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at once: the front holds two.
const MAX_CONNECTIONS: usize = 8;

pub(super) struct Server {
    attempts: Mutex<Attempts>,
    leases: Arc<Leases>,
    pub(super) subscribers: Subscribers,
    connections: AtomicUsize,
    probes: AtomicU64,
}

pub(super) fn accept(server: &Arc<Server>, listener: &UnixListener, uid: u32) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if !peer::is_allowed(&stream, uid) || server.connections.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        server.connections.fetch_add(1, Ordering::Relaxed);
        let server = server.clone();
        std::thread::spawn(move || {
            // The peer hanging up is how every connection ends.
            let _ = server.serve(stream);
            server.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Server {
    pub(super) fn new(attempts: Attempts, leases: Arc<Leases>) -> Self {
        Self {
            attempts: Mutex::new(attempts),
            leases,
            subscribers: Subscribers::default(),
            connections: AtomicUsize::new(0),
            probes: AtomicU64::new(0),
        }
    }

    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        loop {
            let request: Request = protocol::read(&mut stream)?;
            if matches!(request, Request::Subscribe) {
                protocol::write(&mut stream, &Reply::Done)?;
                self.subscribers.add(stream.try_clone()?)?;
                for status in self.leases.untold() {
                    self.subscribers.tell(&Push::Lease { status });
                }
                continue;
            }
            if let Request::ReadLog { log, max_bytes } = request {
                for part in self.log(log, max_bytes) {
                    protocol::write(&mut stream, &part)?;
                }
                continue;
            }
            let reply = self
                .answer(request)
                .unwrap_or_else(|error| refused(codes::STEP, error.to_string()));
            protocol::write(&mut stream, &reply)?;
        }
    }

    /// A result appeared: the lane is free, and whoever listens is told.
    pub(super) fn ended(&self, result: &StepResult) {
        self.attempts().ended(result.step, result.attempt);
        self.subscribers.tell(&Push::Finished {
            result: result.clone(),
        });
    }

    fn answer(&self, request: Request) -> io::Result<Reply> {
        match request {
            Request::Start { order, secret } => self.start(order, secret),
            Request::Look { step, attempt } => self
                .attempts()
                .known(step, attempt)
                .map(|k| known(k).unwrap_or(Reply::Absent)),
            Request::Cancel { step, attempt } => self.cancel(step, attempt),
            Request::Probe { order } => Ok(Reply::Probed {
                result: self.probe(order),
            }),
            Request::Gather { order } => Ok(Reply::Gathered {
                evidence: self.through_unit("gather", order).map_err(io::Error::other)?,
            }),
            Request::YieldedSecret { step, attempt } => self.yielded(step, attempt),
            Request::Forget { step, attempt } => {
                let path = Paths::attempt(&self.attempts().paths.yielded(), step, attempt, "secret");
                durable::remove(&path).map(|()| Reply::Done)
            }
            Request::Observe => Ok(Reply::Observed {
                rss: crate::clock::own_rss(),
            }),
            Request::Seen => {
                self.leases.seen();
                Ok(Reply::Done)
            }
            Request::Survey => self.survey(),
            Request::LeaseTold { lease, state } => self.leases.told(lease, state).map(|()| Reply::Done),
            // These two are answered where the connection is.
            Request::Subscribe | Request::ReadLog { .. } => Ok(Reply::Done),
        }
    }

    fn start(&self, order: StepOrder, secret: Option<Secret>) -> io::Result<Reply> {
        let mut attempts = self.attempts();
        let (step, attempt) = (order.step, order.attempt);
        if let Some(reply) = known(attempts.known(step, attempt)?) {
            return Ok(reply);
        }
        if let Some((other, its)) = attempts.occupant(order.body.lane())? {
            return Ok(refused(
                codes::BUSY,
                format!("step {} attempt {its} runs in this lane", other.short()),
            ));
        }
        let (label, lane) = (order.body.label(), order.body.lane());
        let ceiling = order.budget_ms.saturating_mul(3) / 2;
        let file = Paths::attempt(&attempts.paths.steps(), step, attempt, "json");
        let text = secret.as_ref().map(|s| s.expose().to_owned());
        let input = Secret::new(serde_json::to_string(&StepFile {
            order,
            node: attempts.node.clone(),
            secret: text,
        })?);
        durable::remove(&file)?;
        durable::create_private(&file, input.expose().as_bytes())?;
        let unit = attempts.mark(step, attempt, lane)?;
        reach(Arrow::Marked);
        if let Err(error) = units::start(step, attempt, &label, &file, ceiling) {
            // Whether PID 1 took it is not known: the unit itself says so by its result, or its absence does.
            if !units::is_alive(&unit) {
                attempts.unknown(step, attempt, &format!("the unit could not be started: {error}"))?;
            }
        }
        Ok(Reply::Running { unit })
    }

    fn cancel(&self, step: StepId, attempt: Attempt) -> io::Result<Reply> {
        let attempts = self.attempts();
        let Known::Running(unit) = attempts.known(step, attempt)? else {
            return Ok(Reply::Done);
        };
        durable::replace(
            &Paths::attempt(&attempts.paths.started(), step, attempt, "cancelled"),
            b"",
            0o600,
        )?;
        drop(attempts);
        match units::stop(&unit) {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Ok(refused(codes::COMMAND, error.to_string())),
        }
    }

    fn yielded(&self, step: StepId, attempt: Attempt) -> io::Result<Reply> {
        let path = Paths::attempt(&self.attempts().paths.yielded(), step, attempt, "secret");
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Reply::Secret {
                value: Some(Secret::new(text)),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reply::Secret { value: None }),
            Err(error) => Err(error),
        }
    }

    fn survey(&self) -> io::Result<Reply> {
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        let file = self
            .attempts()
            .paths
            .steps()
            .join(format!("survey-{number}.answer"));
        let looked = units::look(&format!("drillyard-survey-{number}.service"), &["survey"], &file);
        let read = looked
            .map_err(io::Error::other)
            .and_then(|()| std::fs::read(&file));
        durable::remove(&file)?;
        let survey = serde_json::from_slice(&read?).map_err(io::Error::other)?;
        Ok(Reply::Surveyed { survey })
    }

    /// A log in parts that fit into frames.
    fn log(&self, log: NodeLog, max_bytes: usize) -> Vec<Reply> {
        let account = self.account(log, max_bytes).unwrap_or_else(|trouble| Account {
            text: String::new(),
            cut: false,
            trouble: Some(trouble.to_string()),
        });
        let parts = parts(&account.text);
        let last = parts.len() - 1;
        let reply = |(at, part): (usize, &&str)| Reply::LogPart {
            text: (*part).to_owned(),
            last: at == last,
            cut: at == last && account.cut,
            trouble: account.trouble.clone().filter(|_| at == last),
        };
        parts.iter().enumerate().map(reply).collect()
    }

    fn account(&self, log: NodeLog, max_bytes: usize) -> io::Result<Account> {
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        let name = format!("log-{number}");
        let file = self.attempts().paths.steps().join(format!("{name}.answer"));
        let bytes = max_bytes.to_string();
        let looked = units::look(
            &format!("drillyard-{name}.service"),
            &["log", log.name(), &bytes],
            &file,
        );
        let read = looked
            .map_err(io::Error::other)
            .and_then(|()| std::fs::read(&file));
        durable::remove(&file)?;
        serde_json::from_slice(&read?).map_err(io::Error::other)
    }

    fn probe(&self, order: StepOrder) -> ProbeResult {
        self.through_unit("probe", order)
            .unwrap_or_else(|error| ProbeResult::Broken {
                detail: format!("the probe did not end: {error}"),
            })
    }

    /// What this program answers to `word` about an order, in a unit of its own.
    fn through_unit<T: DeserializeOwned>(&self, word: &str, order: StepOrder) -> Result<T, String> {
        let (paths, node) = {
            let attempts = self.attempts();
            (attempts.paths.clone(), attempts.node.clone())
        };
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        let short = order.step.short();
        let file = paths.steps().join(format!("{word}-{short}-{number}.json"));
        let answer = file.with_extension("answer");
        let result = write_input(
            &file,
            StepFile {
                order,
                node,
                secret: None,
            },
        )
        .map_err(|error| error.to_string())
        .and_then(|()| {
            let unit = format!("drillyard-{word}-{short}-{number}.service");
            units::look(&unit, &[word], &file).map_err(|e| e.to_string())
        })
        .and_then(|()| std::fs::read(&answer).map_err(|error| error.to_string()))
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
        for path in [&file, &answer] {
            let _ = durable::remove(path);
        }
        result
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_input(file: &std::path::Path, input: StepFile) -> io::Result<()> {
    durable::remove(file)?;
    durable::create_private(file, &serde_json::to_vec(&input)?)
}

fn known(known: Known) -> Option<Reply> {
    match known {
        Known::Never => None,
        Known::Running(unit) => Some(Reply::Running { unit }),
        Known::Ended(result) => Some(Reply::Finished { result }),
    }
}

fn refused(code: &str, reason: String) -> Reply {
    Reply::Refused {
        code: code.into(),
        reason,
    }
}
