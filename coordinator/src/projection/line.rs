//! The line of an entry, written straight from its fields: a tree of values made first costs more than all else that is done
//! for a subscriber.

use super::View;
use domain::record::{Class, Severity};
use model::event::NodeEventKind;
use model::ids::{BootId, Incarnation, RunId, StepId};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Fields by name, sorted, each name once.
pub(super) struct Fields<'a>(Vec<(&'static str, Field<'a>)>);

/// What a field may be.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Field<'a> {
    None,
    Text(&'a str),
    Made(String),
    Number(u64),
    Signed(i64),
    Class(Class),
    Severity(Severity),
    Run(RunId),
    Step(StepId),
    Boot(BootId),
    Life(Incarnation),
    Tree(&'a Value),
    Told(&'a NodeEventKind),
}

impl<'a> Fields<'a> {
    pub(super) fn of(view: &'a View<'_>) -> Self {
        let some = |text: &'a str| {
            if text.is_empty() {
                Field::None
            } else {
                Field::Text(text)
            }
        };
        let origin = view.origin.as_ref();
        let late = origin.map_or(Field::None, |origin| Field::Number(origin.late_by_ms));
        let step = view.step.map_or(Field::None, |(id, _)| Field::Step(id));
        let attempt = view
            .step
            .map_or(Field::None, |(_, attempt)| Field::Number(attempt.0));
        let mut fields = vec![
            ("actor", some(&view.actor)),
            ("attempt", attempt),
            ("boot", view.boot.map_or(Field::None, Field::Boot)),
            ("class", Field::Class(view.class)),
            ("cluster", some(&view.cluster)),
            ("kind", Field::Text(&view.kind)),
            ("late_by_ms", late),
            ("message", Field::Text(&view.message)),
            ("monotonic_ms", Field::Number(view.monotonic_ms)),
            ("node", some(&view.node)),
            ("revision", Field::Number(view.revision.0)),
            ("run", view.run.map_or(Field::None, Field::Run)),
            ("severity", Field::Severity(view.severity)),
            ("step", step),
            ("time", Field::Made(view.time.to_string())),
            ("version", Field::Number(view.version.into())),
        ];
        if let Some(origin) = origin {
            fields.push(("incarnation", Field::Life(origin.source.incarnation)));
            fields.push(("seq", Field::Number(origin.source.seq.0)));
            fields.push(("node_time", Field::Made(origin.source.time.to_string())));
            if let Some(clock) = origin.clock {
                fields.push(("clock_offset_us", Field::Signed(clock.offset_micros)));
                fields.push(("clock_bound_us", Field::Number(clock.bound_micros)));
            }
        }
        if let Some(loss) = &view.loss {
            fields.push(("incarnation", Field::Life(loss.incarnation)));
            fields.push(("seq_from", Field::Number(loss.from)));
            fields.push(("seq_to", loss.to.map_or(Field::None, Field::Number)));
            fields.push(("cause", Field::Text(&loss.cause)));
        }
        fields.extend(view.details.iter().map(|(key, value)| (*key, Field::Tree(value))));
        fields.extend(view.told.iter().map(|told| ("detail", Field::Told(told))));
        // Of fields with one name the last one counts.
        fields.reverse();
        fields.sort_by_key(|(key, _)| *key);
        fields.dedup_by_key(|(key, _)| *key);
        Self(fields)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, field) in &self.0 {
            map.serialize_entry(key, field)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Loss, Projection};
    use super::*;
    use crate::journal::Entry;
    use model::ids::Revision;
    use model::lab::Lab;
    use model::moment::Moment;

    #[test]
    fn each_name_is_there_once_in_the_order_of_a_tree_and_the_last_word_counts() {
        let event = format!(
            r#"{{"record":"node","node":"app1-cp","event":{{"incarnation":"{0}","seq":5,"time":11000000,"monotonic_ms":77,
            "boot":"{0}","kind":{{"kind":"clock_jump","shift_ms":1}}}},
            "stamp":{{"version":1,"clock":{{"offset_micros":-3000000,"bound_micros":150}}}}}}"#,
            "ab".repeat(16)
        );
        let entry = Entry::new(Moment(10_000_000), event);
        let mut seen = Projection::new(&Lab::default()).view(Revision(1), &entry);
        seen.loss = Some(Loss {
            incarnation: Incarnation([9; 16]),
            from: 3,
            to: None,
            cause: "a \"quoted\" reason".into(),
        });
        let line = String::from_utf8(seen.json()).expect("text");
        let tree: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(tree.to_string(), line);
        assert_eq!(tree["incarnation"], "09".repeat(16));
        assert_eq!(tree["clock_offset_us"], -3_000_000);
        assert!(tree["seq_to"].is_null() && tree["run"].is_null() && tree["step"].is_null());
        assert_eq!(tree["cause"], "a \"quoted\" reason");
        assert_eq!(tree["detail"]["kind"], "clock_jump");
    }
}
