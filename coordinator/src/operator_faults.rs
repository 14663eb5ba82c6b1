//! The operator's calls about faults. Each goes on to its end, whether or not its caller still waits.

use crate::drill::leftovers;
use crate::exit::chain;
use crate::faults::{FaultError, Faults};
use crate::places::Places;
use model::fault::Fault;
use model::lab::Lab;
use proto::{convert, v1};
use shell::tasks::Tasks;
use std::sync::Arc;
use tonic::Status;

/// Injects under a fresh lease.
pub(crate) async fn inject(
    faults: &Faults,
    tasks: &Tasks,
    wanted: v1::InjectFaultRequest,
) -> Result<v1::FaultResponse, Status> {
    let invalid = |e: &dyn std::fmt::Display| Status::invalid_argument(e.to_string());
    let terms = convert::terms(wanted.terms).map_err(|e| invalid(&e))?;
    let fault: Fault = serde_json::from_slice(&wanted.fault_json).map_err(|e| invalid(&e))?;
    let faults = faults.clone();
    let injected = async move { faults.inject(Faults::fresh(), terms, fault).await };
    let lease = to_its_end(tasks, "inject", injected).await?;
    answer(lease.map_err(|e| status(&e))?)
}

/// Ends a lease.
pub(crate) async fn release(
    faults: &Faults,
    tasks: &Tasks,
    wanted: v1::ReleaseFaultRequest,
) -> Result<v1::FaultResponse, Status> {
    let lease = convert::lease_id(&wanted.lease).map_err(|e| Status::invalid_argument(e.to_string()))?;
    let faults = faults.clone();
    let released = async move { faults.release(lease).await };
    let lease = to_its_end(tasks, "release", released).await?;
    answer(lease.map_err(|e| status(&e))?)
}

/// Looks everywhere, and heals before that on request.
pub(crate) async fn survey(
    faults: &Faults,
    tasks: &Tasks,
    (lab, places): (&Arc<Lab>, &Arc<Places>),
    wanted: v1::SurveyFaultsRequest,
) -> Result<v1::SurveyFaultsResponse, Status> {
    let (faults, lab, places) = (faults.clone(), Arc::clone(lab), Arc::clone(places));
    let looked = async move {
        let found = if wanted.heal {
            faults.heal().await
        } else {
            faults.survey().await
        };
        found.with(leftovers::survey(&lab, &places, wanted.heal).await)
    };
    let found = to_its_end(tasks, "survey", looked).await?;
    let survey_json = serde_json::to_vec(&found).map_err(|e| Status::internal(e.to_string()))?;
    Ok(v1::SurveyFaultsResponse { survey_json })
}

/// Does the work of a call in a task of its own. A caller that goes away drops the call; dropped in its middle, an injection would
/// leave a lease that nobody gives back. Cut off by the daemon's end it is like one of a killed daemon: the next life undoes it.
async fn to_its_end<T: Send + 'static>(
    tasks: &Tasks,
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Status> {
    match tasks.spawn(name, tasks.until_stop(work)).await {
        Ok(Some(Some(done))) => Ok(done),
        Ok(Some(None)) => Err(Status::unavailable(chain(&FaultError::Ending))),
        Ok(None) | Err(_) => Err(Status::internal("the call failed on its way")),
    }
}

fn answer(lease: crate::faults::Lease) -> Result<v1::FaultResponse, Status> {
    let lease_json = serde_json::to_vec(&lease).map_err(|e| Status::internal(e.to_string()))?;
    Ok(v1::FaultResponse { lease_json })
}

fn status(error: &FaultError) -> Status {
    let text = chain(error);
    match error {
        FaultError::NotCovered { .. } | FaultError::NotConnected(_) => Status::failed_precondition(text),
        FaultError::NoNode(_) | FaultError::NoLease(_) => Status::invalid_argument(text),
        FaultError::Unknown { .. } => Status::deadline_exceeded(text),
        FaultError::Ending => Status::unavailable(text),
        FaultError::Failed { .. } | FaultError::Host(_) => Status::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::envelope::Stamper;
    use crate::faults::News;
    use crate::journal::{Entry, Journal, JournalReader, MemoryJournal};
    use crate::offsets::ClockOffsets;
    use crate::session_grpc::AgentHub;
    use domain::event::Event;
    use domain::record::Record;
    use model::event::{NodeEvent, NodeEventKind};
    use model::ids::{Attempt, BootId, Epoch, Incarnation, LeaseId, LogId, Revision, Seq, StepId};
    use model::lease::Terms;
    use model::moment::Moment;
    use model::step::{NodeStep, StepOutcome};
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(10);
    const FAULT: &str = r#"{"on":"node","node":"app1-cp","inject":{"fault":"stop_static_pod","pod":"etcd"}}"#;

    fn records(log: &JournalReader) -> Vec<Record> {
        let entries = log.read(Revision(0), 1000).expect("read").into_iter();
        let record = |(_, entry): (_, Entry)| entry.record().expect("understood").into_owned();
        entries.map(record).collect()
    }

    /// The lease that was taken, and the step that injects it.
    fn taken(log: &JournalReader, lab: &Lab) -> Option<(LeaseId, StepId)> {
        records(log).into_iter().find_map(|record| match record {
            Record::LeaseTaken {
                lease,
                fault: Fault::Node { node, inject: fault },
                terms,
                ..
            } => {
                let step = NodeStep::InjectFault { lease, terms, fault };
                Some((lease, step.id(lab.name.as_str(), &node)))
            }
            _ => None,
        })
    }

    fn finished(step: StepId) -> NodeEvent {
        let outcome = StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 };
        NodeEvent {
            incarnation: Incarnation([2; 16]),
            seq: Seq(1),
            time: Moment(5),
            monotonic_ms: 6,
            boot: BootId([1; 16]),
            kind: NodeEventKind::StepFinished {
                step,
                attempt: Attempt(1),
                outcome,
            },
        }
    }

    /// Looks again and again without letting the runtime rest: the paused clock stands still meanwhile.
    async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "{what} did not come");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_injection_whose_caller_went_away_is_noted_all_the_same() {
        let home = tempfile::tempdir().expect("temp dir");
        let lab = Arc::new(Lab::default());
        let places = Arc::new(Places {
            home: home.path().join("home"),
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        });
        let journal = MemoryJournal::new(LogId([7; 16]));
        let log = journal.reader();
        let (engine, handle, _effects) =
            Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds");
        handle.submit(Event::Started { epoch: Epoch(1) });
        std::thread::spawn(move || engine.run());
        let (news, tasks) = (News::default(), Tasks::default());
        let faults = Faults::new(
            Arc::clone(&lab),
            places,
            AgentHub::new(4).0,
            handle,
            Epoch(1),
            news.clone(),
            ClockOffsets::default(),
        );
        tasks.spawn("faults", faults.clone().keep(tasks.token().clone()));

        let wanted = v1::InjectFaultRequest {
            fault_json: FAULT.into(),
            terms: Some(convert::terms_to_wire(
                Terms::new(20_000, 5_000, 20_000).expect("valid"),
            )),
        };
        let call = tokio::spawn({
            let (faults, tasks) = (faults.clone(), tasks.clone());
            async move { inject(&faults, &tasks, wanted).await }
        });
        let (lease, step) = until("a lease", || taken(&log, &lab)).await;
        call.abort();
        assert!(call.await.expect_err("dropped").is_cancelled());
        let injected = until("the account of the injection", || {
            // Whoever waits for it may not have come to that yet.
            news.events(&[finished(step)]);
            records(&log).into_iter().find_map(|record| match record {
                Record::LeaseInjected { lease, .. } => Some(lease),
                _ => None,
            })
        });
        assert_eq!(injected.await, lease);
        let book = faults.outstanding().await.expect("the engine lives");
        assert!(
            matches!(book.as_slice(), [(open, _)] if *open == lease),
            "{book:?}"
        );
        tasks.token().cancel();
    }
}
