//! What a subscriber wants to see of the log.

mod nearest;
mod run_start;
mod words;

pub use run_start::RunStart;
pub use words::{Words, kinds};

use crate::record::{Class, Severity};
use model::ids::RunId;

/// Conditions that must all hold; an empty list is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Names of clusters.
    pub clusters: Vec<String>,
    /// Names of nodes.
    pub nodes: Vec<String>,
    /// Kinds, or names of classes.
    pub kinds: Vec<String>,
    /// Runs, by the first digits of their ids.
    pub runs: Vec<RunStart>,
    /// This severity or a higher one.
    pub min_severity: Severity,
    /// Part of the message, in any case; empty for none.
    pub text: String,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            clusters: Vec::new(),
            nodes: Vec::new(),
            kinds: Vec::new(),
            runs: Vec::new(),
            min_severity: Severity::Debug,
            text: String::new(),
        }
    }
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Cluster; empty for none.
    pub cluster: &'a str,
    /// Node; empty for none.
    pub node: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Class.
    pub class: Class,
    /// Run.
    pub run: Option<RunId>,
    /// Severity.
    pub severity: Severity,
    /// Message.
    pub message: &'a str,
    /// Whether it declares that something is missing. What is missing could have been wanted, so only the place counts.
    pub is_loss: bool,
}

impl Subject<'_> {
    /// Whether it is one of the samples of a node's facts, which come all day and tell no change.
    pub fn is_sample(&self) -> bool {
        self.class == Class::Health && self.severity == Severity::Debug
    }
}

impl Filter {
    /// Whether `subject` is wanted.
    pub fn admits(&self, subject: &Subject<'_>) -> bool {
        let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        if !named(&self.clusters, subject.cluster) || !named(&self.nodes, subject.node) {
            return false;
        }
        if subject.is_loss {
            return true;
        }
        let kind = |wanted: &String| wanted == subject.kind || wanted == subject.class.name();
        (self.kinds.is_empty() || self.kinds.iter().any(kind))
            && (self.runs.is_empty()
                || subject
                    .run
                    .is_some_and(|run| self.runs.iter().any(|start| start.begins(run))))
            && subject.severity >= self.min_severity
            && (self.text.is_empty() || subject.message.to_lowercase().contains(&self.text.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject {
        cluster: "app1",
        node: "app1-cp",
        kind: "step_failed",
        class: Class::Step,
        run: Some(RunId([3; 16])),
        severity: Severity::Warning,
        message: "Kubelet did not start",
        is_loss: false,
    };

    fn runs(starts: &[&str]) -> Vec<RunStart> {
        let start = |text: &&str| RunStart::parse(text).expect("digits");
        starts.iter().map(start).collect()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn each_condition_admits_and_refuses() {
        let all = Filter::default();
        assert!(all.admits(&SUBJECT));
        let admitted = [
            Filter {
                clusters: words(&["mgmt", "app1"]),
                ..all.clone()
            },
            Filter {
                nodes: words(&["app1-cp"]),
                ..all.clone()
            },
            Filter {
                kinds: words(&["step_failed"]),
                ..all.clone()
            },
            Filter {
                kinds: words(&["run", "step"]),
                ..all.clone()
            },
            Filter {
                runs: runs(&["04040404", "030303030"]),
                ..all.clone()
            },
            Filter {
                min_severity: Severity::Warning,
                ..all.clone()
            },
            Filter {
                text: "KUBELET".into(),
                ..all.clone()
            },
        ];
        let refused = [
            Filter {
                clusters: words(&["mgmt"]),
                ..all.clone()
            },
            Filter {
                nodes: words(&["app1-worker"]),
                ..all.clone()
            },
            Filter {
                kinds: words(&["step_succeeded", "health"]),
                ..all.clone()
            },
            Filter {
                runs: runs(&["0303030304"]),
                ..all.clone()
            },
            Filter {
                min_severity: Severity::Error,
                ..all.clone()
            },
            Filter {
                text: "containerd".into(),
                ..all.clone()
            },
        ];
        for filter in &admitted {
            assert!(filter.admits(&SUBJECT), "{filter:?}");
        }
        for filter in &refused {
            assert!(!filter.admits(&SUBJECT), "{filter:?}");
        }
    }

    #[test]
    fn a_loss_is_told_wherever_it_could_hide_something_wanted() {
        let loss = Subject {
            is_loss: true,
            run: None,
            ..SUBJECT
        };
        let narrow = Filter {
            kinds: words(&["run"]),
            runs: runs(&["09090909"]),
            min_severity: Severity::Error,
            text: "nothing".into(),
            nodes: words(&["app1-cp"]),
            ..Filter::default()
        };
        assert!(narrow.admits(&loss));
        assert!(!narrow.admits(&Subject {
            node: "mgmt-cp",
            ..loss
        }));
    }
}
