//! The numbered streams of agents, as one subscriber sees them.

use super::{Origin, Promise};
use std::collections::BTreeMap;

/// Numbers of a life that will never come, up to its end.
const END: u64 = u64::MAX;

/// The lives of all nodes' stores.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The last number seen or declared, by node and life.
    cursors: BTreeMap<String, BTreeMap<String, u64>>,
    /// Whether entries were taken away by retention, so that a life may be met in its middle.
    may_begin_anywhere: bool,
}

type Verdict = Result<(), (Promise, String)>;

impl Lives {
    /// Nothing seen yet; whether what comes first may be in the middle of a life.
    pub(super) fn new(may_begin_anywhere: bool) -> Self {
        Self {
            may_begin_anywhere,
            ..Self::default()
        }
    }

    /// Takes in one number.
    pub(super) fn number(&mut self, node: &str, origin: &Origin) -> Verdict {
        let lives = self.cursors.entry(node.to_owned()).or_default();
        let Some(cursor) = lives.get(&origin.life).copied() else {
            let open = lives.iter().find(|(_, last)| **last != END);
            if let Some((life, last)) = open {
                let evidence = format!(
                    "{node} begins the life {}, and nothing declares what {life} had after {last}",
                    origin.life
                );
                return Err((Promise::Reliable, evidence));
            }
            if origin.seq != 1 && !origin.declares && !self.may_begin_anywhere {
                let evidence = format!("{node} begins with event {}", origin.seq);
                return Err((Promise::Reliable, evidence));
            }
            lives.insert(origin.life.clone(), origin.seq);
            return Ok(());
        };
        let next = cursor.saturating_add(1);
        if origin.seq > next {
            let last = origin.seq.saturating_sub(1);
            let evidence = format!("{node}: events {next} to {last} are missing, and no gap declares it");
            return Err((Promise::Reliable, evidence));
        }
        if origin.seq < next && !origin.declares {
            let evidence = format!("{node}: event {} came after event {cursor}", origin.seq);
            return Err((Promise::Unique, evidence));
        }
        lives.insert(origin.life.clone(), cursor.max(origin.seq));
        Ok(())
    }

    /// Takes in a declaration.
    pub(super) fn gap(&mut self, node: &str, life: &str, from: u64, to: u64) -> Verdict {
        let lives = self.cursors.entry(node.to_owned()).or_default();
        let due = lives.get(life).map(|cursor| cursor.saturating_add(1));
        let due = due.or((!self.may_begin_anywhere).then_some(1));
        if due.is_some_and(|due| due != from) || to < from {
            let evidence = format!("{node}: a gap from {from} to {to} is declared where {due:?} was due");
            return Err((Promise::Reliable, evidence));
        }
        lives.insert(life.to_owned(), to);
        Ok(())
    }
}
