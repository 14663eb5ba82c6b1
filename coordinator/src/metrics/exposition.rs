//! Reads the registry's own OpenMetrics text, so that whoever exports the figures elsewhere exports the very ones that a
//! scrape gets: nothing is counted twice.

use domain::drill::measure::exposition::quoted;

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// One metric with all of its series.
#[derive(Debug, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) help: String,
    /// `seconds` or `bytes`; empty for none.
    pub(super) unit: String,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample>,
}

/// One line of a family.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    /// What follows the family's name: `_total`, `_bucket`, `_info` and so on.
    pub(super) suffix: String,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// In the order of the line.
pub(super) type Labels = Vec<(String, String)>;

/// A line that this reader does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no line of metrics that can be exported")]
pub(super) struct UnknownLine(String);

/// Reads the whole text.
pub(super) fn read(text: &str) -> Result<Vec<Family>, UnknownLine> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = ("", "");
    for line in text.lines() {
        let unknown = || UnknownLine(line.to_owned());
        match line.strip_prefix("# ") {
            Some("EOF") => break,
            Some(comment) => {
                let mut words = comment.splitn(3, ' ');
                let mut word = || words.next().ok_or_else(unknown);
                let (what, name, rest) = (word()?, word()?, word()?);
                match what {
                    "HELP" => help = (name, rest),
                    "TYPE" => families.push(Family {
                        name: name.to_owned(),
                        help: if help.0 == name {
                            help.1.to_owned()
                        } else {
                            String::new()
                        },
                        unit: String::new(),
                        kind: kind(rest).ok_or_else(unknown)?,
                        samples: Vec::new(),
                    }),
                    "UNIT" => {
                        let family = families.last_mut().filter(|family| family.name == name);
                        family.ok_or_else(unknown)?.unit = rest.to_owned();
                    }
                    _ => return Err(unknown()),
                }
            }
            None => {
                let family = families.last_mut().ok_or_else(unknown)?;
                let sample = sample(line, &family.name).ok_or_else(unknown)?;
                family.samples.push(sample);
            }
        }
    }
    Ok(families)
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "counter" => Some(Kind::Counter),
        "gauge" => Some(Kind::Gauge),
        "histogram" => Some(Kind::Histogram),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

fn sample(line: &str, family: &str) -> Option<Sample> {
    let rest = line.strip_prefix(family)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    // What may follow, a time or an exemplar, is not exported.
    let value = rest.trim_start().split(' ').next()?;
    Some(Sample {
        suffix: suffix.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// Reads up to the closing brace; what follows it is handed back.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.push((key.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_units_labels_and_values_are_read() {
        let text = "# HELP a_seconds How long.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
                    a_seconds_sum{k=\"x, \\\"y\\\"}\\\\\\n\"} 4.5\na_seconds_bucket{le=\"+Inf\",k=\"\"} 3 # {} 1\n\
                    # TYPE b gauge\nb -7\n# EOF\n";
        let families = read(text).expect("read");
        assert_eq!(families.len(), 2);
        let [sum, bucket] = families[0].samples.as_slice() else {
            panic!("{families:?}")
        };
        assert_eq!(
            (families[0].unit.as_str(), families[0].help.as_str()),
            ("seconds", "How long.")
        );
        assert_eq!(sum.labels, [("k".to_owned(), "x, \"y\"}\\\n".to_owned())]);
        assert_eq!((sum.suffix.as_str(), sum.value), ("_sum", 4.5));
        assert_eq!((bucket.labels.len(), bucket.value), (2, 3.0));
        assert_eq!(families[1].samples[0].value, -7.0);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for bad in [
            "a 1",
            "# TYPE a summary",
            "# TYPE a gauge\na{k=\"v} 1",
            "# TYPE a gauge\na x",
            "# TYPE a gauge\nb 1",
        ] {
            let error = read(bad).expect_err("refused").to_string();
            assert!(error.contains("is no line of metrics"), "{error}");
        }
    }
}
