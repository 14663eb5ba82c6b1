//! Agent events and probe answers.

use super::ids::{boot_id, incarnation};
use crate::v1;
use model::Invalid;
use model::event::{NodeEvent, NodeEventKind};
use model::ids::Seq;
use model::moment::Moment;
use model::step::ProbeResult;

/// Largest body that is decoded, in bytes; an event is one record of an agent's journal.
const MAX_BODY: usize = 32 * 1024;

/// The event as it travels.
pub fn event_to_wire(event: &NodeEvent) -> v1::NodeEvent {
    v1::NodeEvent {
        incarnation: event.incarnation.0.to_vec(),
        seq: event.seq.0,
        time_micros: event.time.0,
        monotonic_ms: event.monotonic_ms,
        boot_id: event.boot.0.to_vec(),
        kind: event.kind.name().to_owned(),
        body_json: serde_json::to_vec(&event.kind).unwrap_or_default(),
        version: model::event::CONTRACT,
    }
}

/// The event as it is understood. A kind of a later release is kept as it is; a body that is no object with a kind, or
/// that calls itself by another name than its envelope, is refused.
pub fn event_from_wire(wire: v1::NodeEvent) -> Result<NodeEvent, Invalid> {
    if wire.body_json.len() > MAX_BODY {
        let found = format!("{} bytes", wire.body_json.len());
        return Err(Invalid::new(
            "body_json",
            found,
            format!("is larger than {MAX_BODY} bytes"),
        ));
    }
    let kind: NodeEventKind = serde_json::from_slice(&wire.body_json)
        .map_err(|error| Invalid::new("body_json", &wire.kind, format!("cannot be read: {error}")))?;
    if kind.name() != wire.kind || wire.kind.is_empty() {
        return Err(Invalid::new("kind", &wire.kind, "is not the kind of body_json"));
    }
    Ok(NodeEvent {
        incarnation: incarnation(&wire.incarnation)?,
        seq: Seq(wire.seq),
        time: Moment(wire.time_micros),
        monotonic_ms: wire.monotonic_ms,
        boot: boot_id(&wire.boot_id)?,
        kind,
    })
}

/// A probe's result as it travels.
pub fn probe_to_wire(result: &ProbeResult) -> Vec<u8> {
    serde_json::to_vec(result).unwrap_or_default()
}

/// A probe's result as it is understood.
pub fn probe_from_wire(bytes: &[u8]) -> Result<ProbeResult, Invalid> {
    let bytes = bytes.get(..bytes.len().min(MAX_BODY)).unwrap_or_default();
    serde_json::from_slice(bytes)
        .map_err(|error| Invalid::new("result_json", "", format!("cannot be read: {error}")))
}
