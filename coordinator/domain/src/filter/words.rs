//! The words that a filter may have. One that no event can bear would be waited for in silence, for ever.

use super::Filter;
use super::nearest::nearest;
use crate::record::{Class, Record};
use model::Invalid;
use model::event::NodeEventKind;
use model::lab::Lab;
use std::collections::BTreeSet;
use strum::VariantNames as _;

/// Most names that a refusal lists.
const LISTED: usize = 30;

/// Names of one lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    clusters: Vec<String>,
    nodes: Vec<String>,
}

impl Words {
    /// The names of `lab`.
    pub fn of(lab: &Lab) -> Self {
        Self {
            clusters: lab
                .clusters
                .iter()
                .map(|cluster| cluster.name.to_string())
                .collect(),
            nodes: lab.nodes().map(|(_, node)| node.name.to_string()).collect(),
        }
    }

    /// Looks at clusters, nodes and kinds of `filter`. A kind of a later release is none of this one: what bears it is found
    /// by its class.
    ///
    /// # Errors
    /// For the first word that no event of this lab can bear, with its field, the word that was probably meant, and those
    /// that there are.
    pub fn check(&self, filter: &Filter) -> Result<(), Invalid> {
        known(
            &filter.clusters,
            "filter.clusters",
            "no cluster of this lab",
            names(&self.clusters),
        )?;
        known(
            &filter.nodes,
            "filter.nodes",
            "no node of this lab",
            names(&self.nodes),
        )?;
        known(
            &filter.kinds,
            "filter.kinds",
            "no kind and no class of events",
            kinds(),
        )
    }
}

/// All kinds of events that this release tells, and all classes.
pub fn kinds() -> BTreeSet<&'static str> {
    // What an agent told has the agent's own kind, and what nobody knows has none.
    let records = Record::VARIANTS.iter().filter(|name| **name != "node");
    let told = NodeEventKind::VARIANTS.iter().filter(|name| **name != "unknown");
    let classes = Class::ALL.iter().map(|class| class.name());
    records.chain(told).copied().chain(classes).collect()
}

fn names(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str)
}

/// Refuses the first of `words` that is not among `known`; `what` says why.
fn known<'k>(
    words: &[String],
    field: &str,
    what: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Result<(), Invalid> {
    let known: Vec<&str> = known.into_iter().collect();
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => Err(unknown(field, word, what, &known)),
    }
}

fn unknown(field: &str, word: &str, what: &str, known: &[&str]) -> Invalid {
    let meant = nearest(word, known.iter().copied())
        .map(|nearest| format!("; {nearest} was probably meant"))
        .unwrap_or_default();
    let listed: Vec<&str> = known.iter().copied().take(LISTED).collect();
    let more = match known.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let rule = format!("is {what}{meant}; there are {}{more}", listed.join(", "));
    Invalid::new(field, word, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &Filter) -> Result<(), Invalid> {
        Words::of(&Lab::default()).check(filter)
    }

    fn kind(word: &str) -> Filter {
        Filter {
            kinds: vec![word.into()],
            ..Filter::default()
        }
    }

    #[test]
    fn words_of_the_lab_and_of_this_release_pass() {
        let lab = Lab::default();
        let all = Filter {
            clusters: lab
                .clusters
                .iter()
                .map(|cluster| cluster.name.to_string())
                .collect(),
            nodes: lab.nodes().map(|(_, node)| node.name.to_string()).collect(),
            kinds: kinds().into_iter().map(str::to_owned).collect(),
            ..Filter::default()
        };
        assert_eq!(check(&all), Ok(()));
        assert_eq!(check(&Filter::default()), Ok(()));
        for word in [
            "step_failed",
            "health",
            "clock_jump",
            "gap",
            "connection",
            "store_lost",
        ] {
            assert_eq!(check(&kind(word)), Ok(()), "{word}");
        }
    }

    #[test]
    fn a_slip_is_refused_by_its_field_with_what_was_meant_and_what_there_is() {
        let node = Filter {
            nodes: vec!["app1-cp".into(), "app1-pc".into()],
            ..Filter::default()
        };
        let cluster = Filter {
            clusters: vec!["ap1".into()],
            ..Filter::default()
        };
        for (filter, field, found, meant) in [
            (node, "filter.nodes", "app1-pc", "app1-cp"),
            (cluster, "filter.clusters", "ap1", "app1"),
            (kind("setp"), "filter.kinds", "setp", "step"),
            (kind("step_faild"), "filter.kinds", "step_faild", "step_failed"),
        ] {
            let refused = check(&filter).expect_err("refused");
            assert_eq!((refused.field.as_str(), refused.found.as_str()), (field, found));
            assert!(
                refused.rule.contains(&format!("; {meant} was probably meant")),
                "{refused}"
            );
            assert!(refused.rule.contains("; there are "), "{refused}");
        }
        for nobodys in ["node", "unknown", "", "kafka"] {
            let refused = check(&kind(nobodys)).expect_err("refused");
            assert!(!refused.rule.contains("meant"), "{refused}");
        }
    }

    #[test]
    fn a_large_lab_floods_no_terminal() {
        let names: Vec<String> = (0..1000).map(|n| format!("sim-{n:04}")).collect();
        let words = Words {
            clusters: Vec::new(),
            nodes: names,
        };
        let wrong = Filter {
            nodes: vec!["mgmt-cp".into()],
            ..Filter::default()
        };
        let refused = words.check(&wrong).expect_err("refused");
        assert!(
            refused.rule.ends_with(" and 970 more") && refused.rule.len() < 500,
            "{refused}"
        );
    }
}
