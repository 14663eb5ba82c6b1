//! An entry as subscribers get it, encoded once for all of them, with what a filter looks at.

use crate::projection::{Loss, View};
use bytes::Bytes;
use domain::filter::Subject;
use domain::record::{Class, Severity};
use model::ids::{Revision, RunId};
use prost::Message;
use proto::v1::subscribe_response::Item;
use proto::v1::{self, SubscribeResponse};

/// One entry.
#[derive(Debug)]
pub(super) struct Line {
    revision: Revision,
    /// The response that carries it, as it goes over the wire.
    encoded: Bytes,
    cluster: String,
    node: String,
    kind: String,
    class: Class,
    severity: Severity,
    run: Option<RunId>,
    message: String,
    is_loss: bool,
}

impl Line {
    pub(super) fn new(view: View<'_>) -> Self {
        Self {
            revision: view.revision,
            encoded: response(&view).encode_to_vec().into(),
            cluster: view.cluster,
            node: view.node,
            kind: view.kind,
            class: view.class,
            severity: view.severity,
            run: view.run,
            message: view.message,
            is_loss: view.loss.is_some(),
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.cluster, &self.node, &self.kind, &self.message];
        size_of::<Self>() + self.encoded.len() + texts.map(String::len).iter().sum::<usize>()
    }

    /// What a filter looks at.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            cluster: &self.cluster,
            node: &self.node,
            kind: &self.kind,
            class: self.class,
            run: self.run,
            severity: self.severity,
            message: &self.message,
            is_loss: self.is_loss,
        }
    }

    /// A [`SubscribeResponse`] for whoever subscribed, the same bytes for everybody.
    pub(super) fn encoded(&self) -> Bytes {
        self.encoded.clone()
    }
}

fn response(view: &View<'_>) -> SubscribeResponse {
    let entry = v1::LogEntry {
        revision: view.revision.0,
        json: view.json().into(),
        meta: Some(meta(view)),
    };
    let item = match &view.loss {
        None => Item::Entry(entry),
        Some(loss) => Item::Gap(gap(view, loss, entry)),
    };
    SubscribeResponse { item: Some(item) }
}

fn gap(view: &View<'_>, loss: &Loss, entry: v1::LogEntry) -> v1::Gap {
    v1::Gap {
        node: view.node.clone(),
        incarnation: loss.incarnation.0.to_vec(),
        seq_from: loss.from,
        // Nobody knows how far: everything from there on may be missing.
        seq_to: loss.to.unwrap_or(u64::MAX),
        cause: loss.cause.clone(),
        revision: view.revision.0,
        entry: Some(entry),
    }
}

fn meta(view: &View<'_>) -> v1::EventMeta {
    let origin = view.origin.as_ref().map(|origin| v1::NodeStamp {
        incarnation: origin.source.incarnation.0.to_vec(),
        seq: origin.source.seq.0,
        time_micros: origin.source.time.0,
        offset_micros: origin.clock.map(|clock| clock.offset_micros),
        bound_micros: origin.clock.map(|clock| clock.bound_micros),
        late_by_ms: origin.late_by_ms,
    });
    v1::EventMeta {
        version: view.version,
        time_micros: view.time.0,
        monotonic_ms: view.monotonic_ms,
        boot_id: view.boot.map(|boot| boot.0.to_vec()).unwrap_or_default(),
        kind: view.kind.clone(),
        class: view.class.name().to_owned(),
        severity: view.severity.name().to_owned(),
        cluster: view.cluster.clone(),
        node: view.node.clone(),
        actor: view.actor.clone(),
        run_id: view.run.map(|run| run.0.to_vec()).unwrap_or_default(),
        step_id: view.step.map(|(id, _)| id.0.to_vec()).unwrap_or_default(),
        attempt: view.step.map_or(0, |(_, attempt)| attempt.0),
        origin,
    }
}
