//! An entry in the words of the wire, with what a filter looks at: made once, shared by all subscribers.

use crate::projection::{Loss, View};
use bytes::Bytes;
use domain::filter::Subject;
use domain::record::{Class, Severity};
use model::ids::{Revision, RunId};
use proto::v1::subscribe_response::Item;
use proto::v1::{self, SubscribeResponse};

/// One entry.
#[derive(Debug)]
pub(super) struct Line {
    revision: Revision,
    /// Shared by all messages that carry it.
    json: Bytes,
    meta: v1::EventMeta,
    loss: Option<Loss>,
    class: Class,
    severity: Severity,
    run: Option<RunId>,
    message: String,
}

impl Line {
    pub(super) fn new(view: View<'_>) -> Self {
        Self {
            revision: view.revision,
            json: view.json().into(),
            meta: meta(&view),
            class: view.class,
            severity: view.severity,
            run: view.run,
            message: view.message,
            loss: view.loss,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let loss = self.loss.as_ref().map_or(0, |loss| loss.cause.len());
        let texts = [&self.message, &self.meta.kind, &self.meta.class, &self.meta.actor];
        size_of::<Self>() + self.json.len() + loss + texts.map(String::len).iter().sum::<usize>()
    }

    /// What a filter looks at.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            cluster: &self.meta.cluster,
            node: &self.meta.node,
            kind: &self.meta.kind,
            class: self.class,
            run: self.run,
            severity: self.severity,
            message: &self.message,
            is_loss: self.loss.is_some(),
        }
    }

    /// For one subscriber.
    pub(super) fn response(&self) -> SubscribeResponse {
        let entry = v1::LogEntry {
            revision: self.revision.0,
            json: self.json.clone(),
            meta: Some(self.meta.clone()),
        };
        let item = match &self.loss {
            None => Item::Entry(entry),
            Some(loss) => Item::Gap(v1::Gap {
                node: self.meta.node.clone(),
                incarnation: loss.incarnation.0.to_vec(),
                seq_from: loss.from,
                // Nobody knows how far: everything from there on may be missing.
                seq_to: loss.to.unwrap_or(u64::MAX),
                cause: loss.cause.clone(),
                revision: self.revision.0,
                entry: Some(entry),
            }),
        };
        SubscribeResponse { item: Some(item) }
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
