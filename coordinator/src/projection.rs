//! An entry of the log as operators see it: typed for filters and the wire, and as one JSON object with the keys of
//! design section 6.

mod line;

use crate::envelope::Stamp;
use crate::journal::Entry;
use domain::filter::Subject;
use domain::record::{Class, Record, Severity, Source};
use model::event::NodeEventKind;
use model::ids::{Attempt, BootId, ClusterName, Revision, RunId, StepId};
use model::lab::{Cluster, Lab, Node};
use model::moment::{ClockOffset, Moment};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// Room for most lines, so that they need not grow four times.
const USUAL_BYTES: usize = 1024;

/// What entries are put into words with: the cluster of each node, found by its name however many there are.
#[derive(Debug)]
pub struct Projection {
    clusters: HashMap<String, ClusterName>,
}

/// An entry, understood as far as this release can.
#[derive(Debug, Clone, PartialEq)]
pub struct View<'e> {
    /// Position in the log.
    pub revision: Revision,
    /// Wall time of the decision, by the coordinator's clock.
    pub time: Moment,
    /// Version of the event contract.
    pub version: u32,
    /// Lower snake case.
    pub kind: String,
    /// What it is about.
    pub class: Class,
    /// How much attention it wants.
    pub severity: Severity,
    /// Cluster; empty for none.
    pub cluster: String,
    /// Node; empty for none.
    pub node: String,
    /// Who caused it.
    pub actor: String,
    /// The run that was active.
    pub run: Option<RunId>,
    /// Step and attempt.
    pub step: Option<(StepId, Attempt)>,
    /// Monotonic milliseconds: of the node for its own events, else of the host.
    pub monotonic_ms: u64,
    /// The boot that they count in.
    pub boot: Option<BootId>,
    /// For what an agent told: where it comes from.
    pub origin: Option<Origin>,
    /// For what declares a loss: which numbers are missing.
    pub loss: Option<Loss>,
    /// One line for people.
    pub message: String,
    /// Fields of single kinds.
    pub details: Vec<(&'static str, Value)>,
    /// What an agent told, whole.
    pub told: Option<Cow<'e, NodeEventKind>>,
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Position in the agent's stream, and the node's clocks.
    pub source: Source,
    /// How far the node's clock is off.
    pub clock: Option<ClockOffset>,
    /// Milliseconds from the event to its being durable here, the clocks' offset taken out.
    pub late_by_ms: u64,
}

/// Numbers of an agent's stream that will never come.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Stream.
    pub incarnation: model::ids::Incarnation,
    /// First missing.
    pub from: u64,
    /// Last missing; None when nobody can know.
    pub to: Option<u64>,
    /// Why.
    pub cause: String,
}

impl Projection {
    /// For the entries of `lab`.
    pub fn new(lab: &Lab) -> Self {
        let place = |(cluster, node): (&Cluster, &Node)| (node.name.to_string(), cluster.name.clone());
        Self {
            clusters: lab.nodes().map(place).collect(),
        }
    }

    /// Reads `entry`. What this release cannot understand keeps revision, time, stamp and its own content.
    pub fn view<'e>(&self, revision: Revision, entry: &'e Entry) -> View<'e> {
        let stamp = entry.stamp();
        match entry.record() {
            Ok(record) => self.known(revision, entry.time, &stamp, record),
            Err(_) => unknown(revision, entry, stamp.into_owned()),
        }
    }

    fn known<'e>(
        &self,
        revision: Revision,
        time: Moment,
        stamp: &Stamp,
        record: Cow<'e, Record>,
    ) -> View<'e> {
        let name = stamp.step_name.as_deref().unwrap_or_default();
        let (place, what) = name.split_once(' ').unwrap_or(("", name));
        let node = record.node().map(|node| node.to_string());
        let node = node.or_else(|| self.clusters.contains_key(place).then(|| place.to_owned()));
        let cluster = match &node {
            Some(node) => self.clusters.get(node),
            None => record.cluster().or(stamp.cluster.as_ref()),
        };
        let message = if what.is_empty() || matches!(*record, Record::StepIntended { .. }) {
            record.message()
        } else {
            format!("{what}: {}", record.message())
        };
        let origin = record.source().map(|source| {
            let told = stamp.clock.map_or(source.time, |clock| clock.ours(source.time));
            Origin {
                late_by_ms: time.millis_since(told),
                clock: stamp.clock,
                source,
            }
        });
        View {
            revision,
            time,
            version: stamp.version,
            kind: record.kind().to_owned(),
            class: record.class(),
            severity: record.severity(),
            cluster: cluster.map(|c| c.to_string()).unwrap_or_default(),
            node: node.unwrap_or_default(),
            actor: stamp.actor.clone(),
            run: stamp.run,
            step: record.step(),
            monotonic_ms: origin
                .as_ref()
                .map_or(stamp.monotonic_ms, |origin| origin.source.monotonic_ms),
            boot: origin.as_ref().map(|origin| origin.source.boot).or(stamp.boot),
            origin,
            loss: loss(&record),
            message,
            details: details(&record),
            told: told(record),
        }
    }
}

fn unknown(revision: Revision, entry: &Entry, stamp: Stamp) -> View<'static> {
    let raw: Value = serde_json::from_slice(&entry.json).unwrap_or_default();
    let kind = raw["record"].as_str().unwrap_or("unknown").to_owned();
    View {
        revision,
        time: entry.time,
        version: stamp.version,
        class: Class::Log,
        severity: Severity::Info,
        cluster: stamp.cluster.map(|c| c.to_string()).unwrap_or_default(),
        node: raw["node"].as_str().unwrap_or_default().to_owned(),
        actor: stamp.actor,
        run: stamp.run,
        step: None,
        monotonic_ms: stamp.monotonic_ms,
        boot: stamp.boot,
        origin: None,
        loss: None,
        message: format!("{kind} (of a later release)"),
        kind,
        details: vec![("detail", raw)],
        told: None,
    }
}

fn loss(record: &Record) -> Option<Loss> {
    let Record::Gap {
        incarnation,
        from,
        to,
        cause,
        ..
    } = record
    else {
        return None;
    };
    Some(Loss {
        incarnation: *incarnation,
        from: from.0,
        to: to.map(|to| to.0),
        cause: cause.clone(),
    })
}

/// Fields of single kinds that scripts want without parsing the message.
fn details(record: &Record) -> Vec<(&'static str, Value)> {
    match record {
        Record::RunFinished {
            outcome, executed, ..
        } => vec![("outcome", json!(outcome)), ("executed", json!(executed))],
        Record::GateReached { phase, missing, .. } => {
            vec![("phase", json!(phase)), ("missing", json!(missing))]
        }
        Record::StepSucceeded { run_ms, cpu_ms, .. } => {
            vec![("run_ms", json!(run_ms)), ("cpu_ms", json!(cpu_ms))]
        }
        Record::StepDiagnosed { causes, .. } => vec![
            ("code", json!(causes.first().map(|cause| &cause.code))),
            ("causes", json!(causes)),
        ],
        Record::StepFailed { code, output, .. } => vec![("code", json!(code)), ("output", json!(output))],
        _ => Vec::new(),
    }
}

/// Borrowed where the entry still knows what it says: it is written out once and never changed.
fn told(record: Cow<'_, Record>) -> Option<Cow<'_, NodeEventKind>> {
    match record {
        Cow::Borrowed(Record::Node { event, .. }) => Some(Cow::Borrowed(&event.kind)),
        Cow::Owned(Record::Node { event, .. }) => Some(Cow::Owned(event.kind)),
        _ => None,
    }
}

impl View<'_> {
    /// What a filter looks at.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            cluster: &self.cluster,
            node: &self.node,
            kind: &self.kind,
            class: self.class,
            run: self.run,
            severity: self.severity,
            message: &self.message,
            is_loss: self.loss.is_some(),
        }
    }

    /// The object that `events --json` prints, its keys in the order of the alphabet.
    pub fn json(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_BYTES);
        // An object of texts, numbers and what serde_json made itself can always be written.
        match serde_json::to_writer(&mut line, &line::Fields::of(self)) {
            Ok(()) => line,
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projection() -> Projection {
        Projection::new(&Lab::default())
    }

    fn entry(json: &str) -> Entry {
        Entry::new(Moment(10_000_000), json.to_owned())
    }

    #[test]
    fn a_record_of_a_later_release_keeps_its_content_and_its_stamp() {
        let text = r#"{"record":"node_sang","node":"app1-cp","song":["la"],"stamp":{"version":9,"actor":"node:app1-cp"}}"#;
        let later = entry(text);
        let seen = projection().view(Revision(4), &later);
        assert_eq!(
            (seen.kind.as_str(), seen.class, seen.version),
            ("node_sang", Class::Log, 9)
        );
        assert_eq!(
            (seen.node.as_str(), seen.actor.as_str()),
            ("app1-cp", "node:app1-cp")
        );
        let line: Value = serde_json::from_slice(&seen.json()).expect("JSON");
        assert_eq!(line["detail"]["song"][0], "la");
        for garbage in ["", "[]", "{\"record\":7}"] {
            let garbled = entry(garbage);
            let seen = projection().view(Revision(4), &garbled);
            assert_eq!(seen.revision, Revision(4), "{garbage}");
        }
    }

    #[test]
    fn late_by_takes_the_offset_of_the_clocks_out() {
        // The node's clock is 3 s ahead; the event is 2 s old when it becomes durable at 10 s.
        let event = format!(
            r#"{{"record":"node","node":"app1-cp","event":{{"incarnation":"{0}","seq":5,"time":11000000,"monotonic_ms":77,
            "boot":"{0}","kind":{{"kind":"clock_jump","shift_ms":1}}}},
            "stamp":{{"version":1,"clock":{{"offset_micros":3000000,"bound_micros":150}}}}}}"#,
            "ab".repeat(16)
        );
        let line: Value =
            serde_json::from_slice(&projection().view(Revision(1), &entry(&event)).json()).expect("JSON");
        assert_eq!(line["late_by_ms"], 2000);
        assert_eq!((&line["seq"], &line["monotonic_ms"]), (&json!(5), &json!(77)));
        assert_eq!(
            (&line["clock_offset_us"], &line["clock_bound_us"]),
            (&json!(3_000_000), &json!(150))
        );
        assert_eq!(
            (&line["cluster"], &line["class"]),
            (&json!("app1"), &json!("health"))
        );
    }
}
