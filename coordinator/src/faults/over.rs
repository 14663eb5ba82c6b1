//! What is known of a lease that its place ended. The log says it, so that it does not matter which coordinator took the lease, or
//! whether any ran when it ended.

use super::desk::Faults;
use super::{Ended, Lease, node};
use domain::leases::PastLease;
use domain::state::State;
use model::ids::LeaseId;
use model::lease::UndoCause;

impl Faults {
    /// A lease that was over before it was to be released; None where nobody knows when it ended. Who asks again, as for a fault of
    /// several parts, hears the same.
    pub(super) async fn over(&self, lease: LeaseId) -> Option<Lease> {
        let past = self.past(lease).await?;
        let ended = self.ended(&past)?;
        Some(Lease {
            lease,
            status: self.status(lease).await,
            fault: past.fault,
            timing: None,
            ended: Some(ended),
        })
    }

    /// The end of a lease that was just released for `cause`, where its place had ended it for another one before.
    pub(super) async fn ended_before(&self, lease: LeaseId, cause: UndoCause) -> Option<Ended> {
        let past = self.past(lease).await?;
        (past.cause != cause).then(|| self.ended(&past)).flatten()
    }

    async fn past(&self, lease: LeaseId) -> Option<PastLease> {
        let find = move |state: &State| state.past_leases.get(lease).cloned();
        self.engine.ask(find).await.flatten()
    }

    /// When and why its place ended it, by our clock.
    fn ended(&self, past: &PastLease) -> Option<Ended> {
        let took = past.took?;
        let injected = node::timing(took.called, Some(took.at), self.offset_at(&past.fault))?;
        Ended::of(past.cause, past.undone?, injected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, EngineHandle};
    use crate::envelope::Stamper;
    use crate::faults::News;
    use crate::journal::{Journal as _, RedbJournal};
    use crate::offsets::ClockOffsets;
    use crate::places::Places;
    use crate::session_grpc::AgentHub;
    use domain::event::Event;
    use domain::record::Record;
    use model::event::{NodeEvent, NodeEventKind};
    use model::fault::{Fault, HostFault, NodeFault};
    use model::ids::{BootId, ClusterName, Epoch, Incarnation, LogId, NodeName, Seq};
    use model::lab::Lab;
    use model::lease::{LeaseState, LeaseStatus, Span, Terms};
    use model::moment::Moment;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::thread::JoinHandle;

    const ON_HOST: LeaseId = LeaseId([1; 16]);
    const ON_NODE: LeaseId = LeaseId([2; 16]);
    const SECOND: i64 = 1_000_000;

    /// Seconds.
    fn span(from: i64, to: i64) -> Span {
        Span {
            from: Moment(from * SECOND),
            to: Moment(to * SECOND),
        }
    }

    fn terms() -> Terms {
        Terms::new(90_000, 10_000, 90_000).expect("valid")
    }

    /// One life of a coordinator's engine.
    fn life(log: &Path) -> (EngineHandle, JoinHandle<()>) {
        let journal = RedbJournal::open(log, LogId([7; 16])).expect("opens");
        let epoch = journal.epoch();
        let (engine, handle, effects) =
            Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds");
        drop(effects);
        handle.submit(Event::Started { epoch });
        (
            handle,
            std::thread::spawn(move || engine.run().expect("no failure")),
        )
    }

    /// By the clock of its place, which heard no coordinator any more.
    fn lost(lease: LeaseId, injected: Span, undone: Span) -> LeaseStatus {
        LeaseStatus {
            lease,
            state: LeaseState::Undone,
            armed: injected.from,
            deadline: Moment(injected.from.0 + 90 * SECOND),
            injected: Some(injected),
            undone: Some(undone),
            cause: Some(UndoCause::CoordinatorLost),
            trouble: None,
        }
    }

    /// A lease of a coordinator that died after the injection.
    fn injected(lease: LeaseId, fault: Fault, at: Span) -> [Record; 2] {
        let taken = Record::LeaseTaken {
            lease,
            fault,
            terms: terms(),
            deadline: Moment(100 * SECOND),
        };
        let called = span(10, 13);
        [taken, Record::LeaseInjected { lease, called, at }]
    }

    /// Leaves the host's record as the guard does that ended the lease.
    fn guarded(home: &Path, fault: &HostFault, status: &LeaseStatus) {
        let leases = home.join("leases");
        std::fs::create_dir_all(&leases).expect("folder");
        let record = serde_json::json!({
            "fault": fault, "terms": terms(), "boot": "this", "armed_ms": 1, "due_ms": 2,
            "owner": null, "guard": null, "status": status,
        });
        let file = leases.join(format!("{}.json", status.lease));
        std::fs::write(file, record.to_string()).expect("written");
    }

    #[tokio::test]
    async fn a_later_coordinator_knows_when_and_why_the_places_ended_what_an_earlier_one_took() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (log, home) = (dir.path().join("log.redb"), dir.path().join("home"));
        let node = NodeName::new("app1-cp").expect("valid");
        let cluster = |name| ClusterName::new(name).expect("valid");
        let cut = HostFault::CutClusters {
            one: cluster("app1"),
            other: cluster("app2"),
        };
        guarded(&home, &cut, &lost(ON_HOST, span(11, 12), span(30, 31)));
        let on_host = Fault::Host { inject: cut };
        let on_node = Fault::Node {
            node: node.clone(),
            inject: NodeFault::DropDns {},
        };

        // The node's clock is 1000 s ahead.
        let status = lost(ON_NODE, span(1_011, 1_012), span(1_030, 1_031));
        let event = NodeEvent {
            incarnation: Incarnation([0; 16]),
            seq: Seq(1),
            time: Moment(1_031 * SECOND),
            monotonic_ms: 0,
            boot: BootId([0; 16]),
            kind: NodeEventKind::LeaseChanged { status },
        };
        let (first, thread) = life(&log);
        let records = injected(ON_HOST, on_host, span(11, 12))
            .into_iter()
            .chain(injected(ON_NODE, on_node, span(1_011, 1_012)))
            .chain([Record::Node { node, event }]);
        for record in records {
            first.submit(Event::Logged(record));
        }
        drop(first);
        thread.join().expect("no panic");

        let (engine, _thread) = life(&log);
        let places = Places {
            home,
            cache: PathBuf::new(),
            project: PathBuf::new(),
            program: PathBuf::new(),
        };
        let faults = Faults::new(
            Arc::new(Lab::default()),
            Arc::new(places),
            AgentHub::new(4).0,
            engine,
            Epoch(2),
            News::default(),
            ClockOffsets::default(),
        );
        let by_guard = Some(Ended {
            by: UndoCause::CoordinatorLost,
            at: span(30, 31),
        });
        // The first call finds it on record, the second one over.
        for call in ["first", "second"] {
            let lease = faults.release(ON_HOST).await.expect("over");
            assert_eq!((lease.ended, lease.timing), (by_guard, None), "{call}");
        }
        let ended = faults.release(ON_NODE).await.expect("over").ended.expect("told");
        assert_eq!(ended.by, UndoCause::CoordinatorLost);
        assert!(ended.at.from <= span(30, 31).from && span(30, 31).to <= ended.at.to);
        assert!(ended.at.from >= span(28, 0).from && ended.at.to <= span(0, 33).to);
    }
}
