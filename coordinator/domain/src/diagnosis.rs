//! Why a step waits or failed: probable causes, ranked from what was seen around it. Pure.
//!
//! Every piece of evidence is held against the table of [`rules`]; a rule that fits gives its cause so much confidence.
//! Further, different pieces for the same cause add a little. What the causes are called and how they are put right is
//! in the [`crate::catalogue`], under their codes.

mod rules;

use crate::catalogue;
use model::evidence::{Evidence, EvidenceSource};
use rules::RULES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Causes that are kept.
const MOST: usize = 4;

/// Pieces of evidence that are kept for each.
const PIECES: usize = 3;

/// What each further piece of evidence adds, at most so often, and what is never exceeded: nothing here is certain.
const FURTHER: u8 = 3;
const FURTHER_TIMES: usize = 3;
const CEILING: u8 = 99;

/// A probable cause.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Stable code, explained by `coordinator explain`.
    pub code: String,
    /// The cause in a few words.
    pub title: String,
    /// Percent; a rank among causes rather than a probability.
    pub confidence: u8,
    /// What speaks for it, the strongest first; at least one.
    pub evidence: Vec<Evidence>,
    /// How it is put right.
    pub remedy: String,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.title, self.code)?;
        match self.evidence.first() {
            Some(piece) => write!(f, ": {}: {}", piece.subject, piece.text),
            None => Ok(()),
        }
    }
}

/// The causes that the evidence speaks for, the most probable first; empty when nothing of it is known.
pub fn rank(evidence: &[Evidence]) -> Vec<Cause> {
    // By cause: weight, position and piece, each different text once.
    let mut found: BTreeMap<&str, Vec<(u8, usize, &Evidence)>> = BTreeMap::new();
    for (at, piece) in evidence.iter().enumerate() {
        let text = piece.text.to_lowercase();
        for rule in RULES.iter().filter(|rule| rule.fits(piece.source, &text)) {
            let pieces = found.entry(rule.code).or_default();
            match pieces.iter_mut().find(|(_, _, known)| known.text == piece.text) {
                Some(known) => known.0 = known.0.max(rule.weight),
                None => pieces.push((rule.weight, at, piece)),
            }
        }
    }
    let mut causes: Vec<Cause> = found
        .into_iter()
        .filter_map(|(code, mut pieces)| {
            pieces.sort_by_key(|(weight, at, _)| (u8::MAX - weight, *at));
            cause(code, &pieces)
        })
        .collect();
    // Codes are in order already, and sorting keeps it among equals: the same evidence gives the same ranking.
    causes.sort_by_key(|cause| u8::MAX - cause.confidence);
    causes.truncate(MOST);
    causes
}

/// The causes that a program's own last words speak for.
pub fn of_output(message: &str, output: &str) -> Vec<Cause> {
    let lines = output.lines().rev().take(model::evidence::MOST);
    let pieces: Vec<Evidence> = std::iter::once(message)
        .chain(lines)
        .filter(|line| !line.trim().is_empty())
        .map(|line| Evidence::new(EvidenceSource::Output, "the step", line))
        .collect();
    rank(&pieces)
}

/// `message` with the most probable cause behind it.
pub fn with_likeliest(message: String, causes: &[Cause]) -> String {
    match causes.first() {
        Some(cause) => format!("{message}; likeliest cause: {cause}"),
        None => message,
    }
}

fn cause(code: &str, pieces: &[(u8, usize, &Evidence)]) -> Option<Cause> {
    let entry = catalogue::find(code)?;
    let (best, _, _) = pieces.first()?;
    let further = u8::try_from((pieces.len() - 1).min(FURTHER_TIMES)).unwrap_or(0);
    Some(Cause {
        code: code.to_owned(),
        title: entry.title.to_owned(),
        confidence: best.saturating_add(further * FURTHER).min(CEILING),
        evidence: pieces
            .iter()
            .take(PIECES)
            .map(|(_, _, piece)| (*piece).clone())
            .collect(),
        remedy: entry.remedy.to_owned(),
    })
}
