//! A record as operators see it: one JSON object with the keys of design section 6.

use crate::journal::Entry;
use domain::record::Record;
use model::ids::{Revision, StepId};
use model::lab::Lab;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Turns log entries into operators' lines; remembers the names of steps that it has seen.
#[derive(Debug)]
pub struct Projection {
    lab: Lab,
    steps: HashMap<StepId, (String, Value)>,
    run: Value,
}

impl Projection {
    /// A projection that begins anywhere in the log.
    pub fn new(lab: Lab) -> Self {
        Self {
            lab,
            steps: HashMap::new(),
            run: Value::Null,
        }
    }

    /// The line for `entry`; one that this release cannot understand is passed on as it is.
    pub fn line(&mut self, revision: Revision, entry: &Entry) -> Vec<u8> {
        let Ok(record) = serde_json::from_slice::<Record>(&entry.json) else {
            let raw: Value = serde_json::from_slice(&entry.json).unwrap_or_default();
            let line = json!({"revision": revision, "time": entry.time.to_string(), "kind": "unknown", "record": raw});
            return line.to_string().into_bytes();
        };
        self.remember(&record);
        let step = record.step();
        let (name, cluster_of_step) = step
            .and_then(|(id, _)| self.steps.get(&id).cloned())
            .unwrap_or_default();
        let node = record
            .node()
            .or_else(|| name.split(' ').next().and_then(|n| self.known_node(n)));
        let cluster = match &node {
            Some(node) => self
                .lab
                .node(node.as_str())
                .map_or(Value::Null, |(c, _)| json!(c.name)),
            None => cluster_of_step,
        };
        let source = record.source();
        let late_by = source.as_ref().map(|s| entry.time.millis_since(s.time));
        let message = if name.is_empty() || matches!(record, Record::StepIntended { .. }) {
            record.message()
        } else {
            let what = name.split_once(' ').map_or(name.as_str(), |(_, what)| what);
            format!("{what}: {}", record.message())
        };
        let mut line = json!({
            "revision": revision,
            "time": entry.time.to_string(),
            "cluster": cluster,
            "node": node,
            "kind": record.kind(),
            "severity": record.severity(),
            "run": self.run,
            "step": step.map(|(id, _)| id),
            "attempt": step.map(|(_, attempt)| attempt),
            "late_by_ms": late_by,
            "message": message,
        });
        add_details(&mut line, &record);
        line.to_string().into_bytes()
    }

    fn remember(&mut self, record: &Record) {
        if let Record::RunStarted { run, .. } = record {
            self.run = json!(run);
        }
        if let Record::StepIntended {
            step, name, cluster, ..
        } = record
        {
            self.steps.insert(*step, (name.clone(), json!(cluster)));
        }
    }

    fn known_node(&self, name: &str) -> Option<model::ids::NodeName> {
        self.lab.node(name).map(|(_, node)| node.name.clone())
    }
}

/// Fields of single kinds that scripts want without parsing the message.
fn add_details(line: &mut Value, record: &Record) {
    let Some(object) = line.as_object_mut() else {
        return;
    };
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    match record {
        Record::RunFinished {
            outcome, executed, ..
        } => {
            put("outcome", json!(outcome));
            put("executed", json!(executed));
        }
        Record::GateReached { phase, missing, .. } => {
            put("phase", json!(phase));
            put("missing", json!(missing));
        }
        Record::StepSucceeded { run_ms, cpu_ms, .. } => {
            put("run_ms", json!(run_ms));
            put("cpu_ms", json!(cpu_ms));
        }
        Record::StepFailed { code, output, .. } => {
            put("code", json!(code));
            put("output", json!(output));
        }
        Record::Node { event, .. } => {
            put("detail", json!(event.kind));
        }
        _ => {}
    }
}
