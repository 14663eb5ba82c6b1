//! An entry of the log as it is kept: the record, and a stamp of what only its moment knows.
//!
//! The stamp makes every entry readable by itself. A subscriber may start anywhere, whatever retention took away before
//! that point: run, step's name and cluster, the clocks and who caused it stand in the entry.

use crate::clock;
use crate::offsets::ClockOffsets;
use domain::event::Event;
use domain::record::Record;
use domain::state::State;
use model::event::CONTRACT;
use model::ids::{BootId, ClusterName, RunId};
use model::moment::ClockOffset;
use serde::{Deserialize, Serialize};

/// Room for most entries, so that they need not grow four times.
const USUAL_BYTES: usize = 1024;

/// What is kept beside a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Version of the event contract.
    pub version: u32,
    /// The run that was active, or the record's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The step's name in the plan, for records of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_name: Option<String>,
    /// The step's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// Who caused it: an operator, a node, or `coordinator`.
    #[serde(default)]
    pub actor: String,
    /// The host's monotonic clock, milliseconds.
    #[serde(default)]
    pub monotonic_ms: u64,
    /// The host's boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// How far the clock of the node that told it was off when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockOffset>,
}

/// What one entry says.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// What was decided.
    pub record: Record,
    /// And what its moment knew.
    pub stamp: Stamp,
}

/// With an empty stamp, as of a moment that knew nothing.
impl From<Record> for Sealed {
    fn from(record: Record) -> Self {
        Self {
            record,
            stamp: Stamp::default(),
        }
    }
}

/// For writing.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    record: &'a Record,
    stamp: &'a Stamp,
}

/// For reading: the record is read beside it, from the same bytes.
#[derive(Deserialize)]
struct Stamped {
    #[serde(default)]
    stamp: Stamp,
}

/// The bytes to keep.
pub fn seal(record: &Record, stamp: &Stamp) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, &Written { record, stamp })?;
    Ok(bytes)
}

/// The stamp of an entry; an empty one where there is none.
pub fn stamp(json: &[u8]) -> Stamp {
    serde_json::from_slice::<Stamped>(json)
        .map(|entry| entry.stamp)
        .unwrap_or_default()
}

/// Makes the stamps of one process.
#[derive(Debug, Clone, Default)]
pub struct Stamper {
    boot: Option<BootId>,
    offsets: ClockOffsets,
}

impl Stamper {
    /// Stamps with this host's boot and what is known of the nodes' clocks.
    pub fn new(offsets: ClockOffsets) -> Self {
        Self {
            boot: clock::boot_id(),
            offsets,
        }
    }

    /// The stamp of `record`, which was just applied to `state`.
    pub fn stamp(&self, state: &State, record: &Record, actor: &str) -> Stamp {
        let step = record.step().and_then(|(id, _)| state.step(id));
        // The end of a run, and all that is asked for outside of one, belongs to none that is active.
        let run = record.run().or_else(|| state.active_run().map(|run| run.id));
        Stamp {
            version: CONTRACT,
            run,
            step_name: step.map(|step| step.name.clone()),
            cluster: step
                .and_then(|step| step.cluster.clone())
                .or_else(|| record.cluster().cloned()),
            actor: actor.to_owned(),
            monotonic_ms: clock::monotonic_ms(),
            boot: self.boot,
            clock: record.source().and_then(|source| self.offsets.of(&source.node)),
        }
    }
}

/// Who stands behind an event that nobody signed.
pub fn actor_of(event: &Event) -> String {
    match event {
        Event::AgentConnected { node, .. }
        | Event::AgentDisconnected { node, .. }
        | Event::NodeEvents { node, .. }
        | Event::StepStates { node, .. }
        | Event::ProbeAnswered { node, .. } => format!("node:{node}"),
        Event::Logged(Record::Audit { actor, .. }) => actor.clone(),
        _ => "coordinator".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_with_and_without_its_stamp() {
        let record = Record::ClusterServed {
            cluster: ClusterName::new("app1").expect("valid"),
        };
        let stamper = Stamper::default();
        let kept = stamper.stamp(&State::default(), &record, "operator:jane");
        let bytes = seal(&record, &kept).expect("sealed");
        assert_eq!(serde_json::from_slice::<Record>(&bytes).expect("read"), record);
        assert_eq!(stamp(&bytes), kept);
        assert_eq!(kept.cluster.as_ref().map(ClusterName::as_str), Some("app1"));
        assert!(kept.monotonic_ms > 0);
        let bare = serde_json::to_vec(&record).expect("written");
        assert_eq!(stamp(&bare), Stamp::default());
    }
}
