//! Reads the text format in which Prometheus exposes metrics, as far as drills need it.

use super::quantity::{Quantity, whole};

/// A scraped page. What is no sample line is skipped: comments, blank lines, lines cut off.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Exposition {
    /// Reads a page; never fails, since a page cut off by a restart is still evidence of what it has.
    pub fn parse(page: &str) -> Self {
        Self {
            samples: page.lines().filter_map(sample).collect(),
        }
    }

    /// Values of every series of `name` that has all these labels.
    fn values<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = f64> + 'a {
        let has = move |s: &Sample| {
            let has = |(label, value): &(&str, &str)| s.labels.iter().any(|(l, v)| l == label && v == value);
            s.name == name && labels.iter().all(has)
        };
        self.samples.iter().filter(move |s| has(s)).map(|s| s.value)
    }

    /// The sum over matching series as a whole number; None when there is no such series or the value is no count.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.values(name, labels)
            .map(whole)
            .reduce(|a, b| a?.checked_add(b?))?
    }

    /// The highest of matching series; None when there is no such series or the value is not finite.
    pub fn quantity(&self, name: &str, labels: &[(&str, &str)]) -> Option<Quantity> {
        self.values(name, labels).filter_map(Quantity::from_float).max()
    }

    /// Values of a label of `name`, in order, without duplicates.
    pub fn label_values(&self, name: &str, label: &str) -> Vec<&str> {
        let of = |s: &'_ Sample| s.name == name;
        let mut found: Vec<&str> = self
            .samples
            .iter()
            .filter(|s| of(s))
            .filter_map(|s| s.labels.iter().find(|(l, _)| l == label).map(|(_, v)| v.as_str()))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let name_ends = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(name_ends);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Label pairs up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut pairs = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((pairs, rest));
        }
        let (label, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        pairs.push((label.trim().to_owned(), value));
        text = rest;
    }
}

/// A label value up to its closing quote, unescaped, and what follows it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(i + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_over_series_and_labels_select() {
        let page = Exposition::parse(
            "# HELP x y\nx{a=\"1\",b=\"q\\\"}\"} 2\nx{a=\"2\"} 3e+00 1700000000\nz 1.5\nbroken{a=\"\nx{a=",
        );
        assert_eq!(page.count("x", &[]), Some(5));
        assert_eq!(page.count("x", &[("a", "2")]), Some(3));
        assert_eq!(page.count("x", &[("b", "q\"}")]), Some(2));
        assert_eq!(page.count("y", &[]), None);
        assert_eq!(page.quantity("z", &[]), Some(Quantity::from_millis(1500)));
        assert_eq!(page.label_values("x", "a"), ["1", "2"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[a-z{}=\",\\\\ 0-9e.+\n#-]{0,80}") {
            let _ = Exposition::parse(&text).count("a", &[]);
        }
    }
}
