//! Records folded into intervals of time.

use crate::drill::record::{Phase, Record};
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// A phase of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseSpan {
    /// Which.
    pub name: Phase,
    /// Its beginning.
    pub from: Moment,
    /// Its end; None while it lasts.
    pub to: Option<Moment>,
}

/// A fault with bounds for both of its ends: it began within `began` and ended within `ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// Name.
    pub name: String,
    /// Last moment without it and first moment with it.
    pub began: (Moment, Moment),
    /// Last moment with it and first moment without it; None while it lasts.
    pub ended: Option<(Moment, Moment)>,
}

pub(super) fn phases<'a>(records: impl Iterator<Item = (Moment, &'a Record)>) -> Vec<PhaseSpan> {
    let mut spans: Vec<PhaseSpan> = Vec::new();
    let close = |spans: &mut Vec<PhaseSpan>, time| {
        if let Some(last) = spans.last_mut() {
            last.to.get_or_insert(time);
        }
    };
    for (time, record) in records {
        match record {
            Record::PhaseEntered { phase } => {
                close(&mut spans, time);
                spans.push(PhaseSpan {
                    name: *phase,
                    from: time,
                    to: None,
                });
            }
            Record::Finished { .. } => close(&mut spans, time),
            _ => {}
        }
    }
    spans
}

pub(super) fn faults<'a>(records: impl Iterator<Item = (Moment, &'a Record)>) -> Vec<FaultSpan> {
    let mut spans: Vec<FaultSpan> = Vec::new();
    let mut intended: Vec<(&str, Moment)> = Vec::new();
    for (time, record) in records {
        match record {
            Record::FaultIntended { fault, .. } => intended.push((fault, time)),
            Record::FaultInjected { fault, from, to } => spans.push(FaultSpan {
                name: fault.clone(),
                began: (*from, *to),
                ended: None,
            }),
            // It may have taken hold in part: the bound is the whole attempt.
            Record::FaultFailed { fault, .. } => {
                let from = intended
                    .iter()
                    .rev()
                    .find(|(name, _)| name == fault)
                    .map_or(time, |(_, at)| *at);
                spans.push(FaultSpan {
                    name: fault.clone(),
                    began: (from, time),
                    ended: None,
                });
            }
            Record::FaultUndone { fault, from, to, .. } => {
                if let Some(span) = spans.iter_mut().rev().find(|s| s.name == *fault) {
                    span.ended = Some((*from, *to));
                }
            }
            _ => {}
        }
    }
    spans
}
