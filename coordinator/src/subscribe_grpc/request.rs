//! What a subscriber asked for, understood or refused.

use domain::filter::{Filter, RunStart, Words};
use domain::record::Severity;
use model::Invalid;
use proto::v1;

/// Most values of one condition of a filter.
const MAX_VALUES: usize = 64;

/// The filter; a word that is not among the `known` ones is refused by its field.
pub(super) fn filter(wire: v1::EventFilter, known: &Words) -> Result<Filter, Invalid> {
    let bounded = |field: &str, values: &[String]| {
        if values.len() > MAX_VALUES {
            let found = values.len().to_string();
            return Err(Invalid::new(
                field,
                found,
                format!("are more than {MAX_VALUES} values"),
            ));
        }
        Ok(())
    };
    bounded("filter.clusters", &wire.clusters)?;
    bounded("filter.nodes", &wire.nodes)?;
    bounded("filter.kinds", &wire.kinds)?;
    bounded("filter.runs", &wire.runs)?;
    let run = |text: &String| {
        RunStart::parse(text).map_err(|invalid| Invalid {
            field: "filter.runs".into(),
            ..invalid
        })
    };
    let min_severity = severity(&wire.min_severity)?;
    let filter = Filter {
        runs: wire.runs.iter().map(run).collect::<Result<_, _>>()?,
        clusters: wire.clusters,
        nodes: wire.nodes,
        kinds: wire.kinds,
        min_severity,
        text: wire.text,
    };
    known.check(&filter)?;
    Ok(filter)
}

/// A severity; an empty text is the lowest.
fn severity(text: &str) -> Result<Severity, Invalid> {
    if text.is_empty() {
        return Ok(Severity::Debug);
    }
    text.parse().map_err(|_| {
        Invalid::new(
            "filter.min_severity",
            text,
            "is not debug, info, warning or error",
        )
    })
}
