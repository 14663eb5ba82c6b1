//! What a run needs of the world: guards, questions, faults. The lab is one world, a test's loopback servers are another.

use super::probe::Question;
use domain::drill::deed::Deed;
use domain::drill::history::Sample;
use domain::drill::phases::Run;
use domain::drill::plan::PlannedFault;
use domain::drill::record::Record;
use domain::drill::scenario::Probe;
use model::lease::UndoCause;
use model::moment::Moment;

/// Last moment before a change and first moment after it, by the run's own clock.
pub type Between = (Moment, Moment);

/// How a fault came to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undone {
    /// When, where that is known better than by the length of the call.
    pub at: Option<Between>,
    /// Why its place had ended it before the call, if it had; then `at` may lie before the call.
    pub ended_by: Option<UndoCause>,
}

/// The world that a run acts on.
#[tonic::async_trait]
pub trait Stage: Send + Sync + 'static {
    /// What of the plan's guards does not hold, each with the reason; empty when all do.
    async fn guards(&self) -> Vec<String>;

    /// The question of a probe.
    async fn prepare(&self, probe: &Probe) -> Question;

    /// Injects under a lease that ends at `deadline` by itself, whatever becomes of this process. An error may leave part
    /// of the fault in effect. Answers when it took hold, where that is known better than by the length of the call.
    async fn inject(&self, fault: &PlannedFault, deadline: Moment) -> Result<Option<Between>, String>;

    /// Does something to the ExternalSecrets of the drill's own that `probe` watches. May be called again after an error, which may
    /// leave part of it done. Answers when it took effect, where that is known better than by the length of the call.
    async fn perform(&self, probe: &Probe, deed: Deed) -> Result<Option<Between>, String>;

    /// Looks that are taken once, when probing has ended and before the run is judged. It began at `began`, maybe under another
    /// coordinator.
    async fn last_looks(&self, _began: Moment) -> Vec<Sample> {
        Vec::new()
    }

    /// A record is durable: for whoever else keeps a log.
    fn tell(&self, _run: &Run, _record: &Record) {}

    /// Undoes; may be called again and for what was never injected. Answers when, as [`Stage::inject`] does, and whether the fault was
    /// over already.
    async fn undo(&self, fault: &PlannedFault) -> Result<Undone, String>;
}
