//! A root helper that starts nothing: it keeps orders and ends them when the test says so.

use agent::exec::protocol::{self, Push, Reply, Request};
use agent::paths::Paths;
use agent::step::StepResult;
use model::ids::{Attempt, BootId, StepId};
use model::step::{ProbeResult, StepOrder, StepOutcome};
use std::collections::HashMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) started: Vec<StepOrder>,
    pub(crate) secrets: Vec<Option<String>>,
    pub(crate) cancelled: Vec<StepId>,
    pub(crate) forgotten: Vec<StepId>,
    pub(crate) yielded: Option<String>,
    results: HashMap<(StepId, Attempt), StepResult>,
    subscribers: Vec<UnixStream>,
}

#[derive(Clone, Default)]
pub(crate) struct Helper(Arc<Mutex<State>>);

pub(crate) const BOOT: BootId = BootId([5; 16]);

impl Helper {
    pub(crate) fn start(paths: &Paths) -> Self {
        let helper = Self::default();
        std::fs::create_dir_all(paths.run()).expect("made");
        std::fs::write(paths.boot(), BOOT.to_string()).expect("written");
        let listener = UnixListener::bind(paths.socket()).expect("bound");
        let serving = helper.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let helper = serving.clone();
                std::thread::spawn(move || helper.serve(stream));
            }
        });
        helper
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("lock")
    }

    /// Ends an attempt; `told` says whether listeners hear of it.
    pub(crate) fn end(&self, order: &StepOrder, outcome: StepOutcome, told: bool) {
        let result = StepResult {
            step: order.step,
            attempt: order.attempt,
            boot: BOOT,
            outcome,
        };
        let mut state = self.state();
        state.results.insert((order.step, order.attempt), result.clone());
        if told {
            for stream in &mut state.subscribers {
                let _ = protocol::write(
                    stream,
                    &Push::Finished {
                        result: result.clone(),
                    },
                );
            }
        }
    }

    fn serve(&self, mut stream: UnixStream) {
        while let Ok(request) = protocol::read::<Request>(&mut stream) {
            let reply = self.answer(request, &stream);
            if protocol::write(&mut stream, &reply).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: Request, stream: &UnixStream) -> Reply {
        let mut state = self.state();
        let running = |order: &StepOrder| Reply::Running {
            unit: format!("unit-{}", order.step.short()),
        };
        match request {
            Request::Start { order, secret } => {
                if let Some(result) = state.results.get(&(order.step, order.attempt)) {
                    return Reply::Finished {
                        result: result.clone(),
                    };
                }
                let reply = running(&order);
                state.secrets.push(secret.map(|s| s.expose().to_owned()));
                state.started.push(order);
                reply
            }
            Request::Look { step, attempt } => match state.results.get(&(step, attempt)) {
                Some(result) => Reply::Finished {
                    result: result.clone(),
                },
                None => {
                    let found = state
                        .started
                        .iter()
                        .find(|o| (o.step, o.attempt) == (step, attempt));
                    found.map_or(Reply::Absent, running)
                }
            },
            Request::Cancel { step, .. } => {
                state.cancelled.push(step);
                Reply::Done
            }
            Request::Probe { .. } => Reply::Probed {
                result: ProbeResult::NotStarted,
            },
            Request::Gather { .. } => Reply::Gathered { evidence: Vec::new() },
            Request::YieldedSecret { .. } => Reply::Secret {
                value: state.yielded.clone().map(agent::secret::Secret::new),
            },
            Request::Forget { step, .. } => {
                state.forgotten.push(step);
                Reply::Done
            }
            Request::Seen | Request::LeaseTold { .. } => Reply::Done,
            Request::Survey => Reply::Surveyed {
                survey: model::lease::Survey::default(),
            },
            Request::Observe => Reply::Observed { rss: 1 },
            // A helper of one part; the real one is asked in a yard.
            Request::ReadLog { log, max_bytes } => Reply::LogPart {
                text: format!("{} in {max_bytes} bytes", log.name()),
                last: true,
                cut: true,
                trouble: None,
            },
            Request::Subscribe => {
                state.subscribers.push(stream.try_clone().expect("cloned"));
                Reply::Done
            }
        }
    }
}
