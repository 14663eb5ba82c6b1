//! C2: whether what the metrics agents held back was delivered, to the sample.

use super::{Case, evidence};
use crate::drill::assemble::{BEGAN, Books, Watch, Way, lives};
use crate::drill::history::Sample;
use crate::drill::measure::ledger::Ledger;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;
use crate::drill::scenario::Look;

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let of_kind = |fits: fn(&Look) -> bool| case.watches.iter().copied().filter(move |w| fits(&w.probe.look));
    let senders = of_kind(|look| matches!(look, Look::Metrics { .. }));
    let mut found: Vec<Evidence> = senders.map(|watch| restart(case, watch)).collect();
    // Logs count where the scenario says so: what the contract promises is the metrics.
    for watch in of_kind(|look| Way::of(look).is_some()) {
        let way = Way::of(&watch.probe.look);
        let books = case
            .books
            .iter()
            .find(|b| b.cluster == watch.probe.cluster && Some(b.way) == way);
        match books {
            Some(books) => found.extend([delivered(case, books), ledger(books)]),
            None => {
                let text = format!("{}: nobody wrote down what the canary served", watch.probe.name);
                found.push(evidence("ledger", Verdict::Inconclusive, text));
            }
        }
    }
    if !case
        .watches
        .iter()
        .any(|w| matches!(w.probe.look, Look::CanaryStored { .. }))
    {
        let text = "no canary was counted at the receiver";
        found.push(evidence("ledger", Verdict::Inconclusive, text));
    }
    found
}

/// A restart forgets the backlog, whatever the counters of the new process say.
fn restart(case: &Case<'_>, watch: &Watch<'_>) -> Evidence {
    let name = &watch.probe.name;
    let began = |s: &&Sample| s.values.get(BEGAN).copied();
    let known = lives(watch, case.window);
    let Some(first) = known.first().and_then(began) else {
        let text = format!("{name}: the agent never answered");
        return evidence("no_restart", Verdict::Inconclusive, text);
    };
    match known.iter().find(|s| began(s) != Some(first)) {
        Some(sample) => {
            let text = format!(
                "{name}: the agent restarted before {}, and a restart forgets the backlog",
                sample.due
            );
            evidence("no_restart", Verdict::Fail, text)
        }
        None => {
            let text = format!("{name}: one process in {} looks", known.len());
            evidence("no_restart", Verdict::Pass, text)
        }
    }
}

/// Whether the backlog arrived at all.
fn delivered(case: &Case<'_>, books: &Books) -> Evidence {
    let whose = whose(books);
    match (books.back, books.complete) {
        (None, _) => {
            let text = format!("{whose}: the receiver did not go away and come back, so nothing had to wait");
            evidence("delivered", Verdict::Inconclusive, text)
        }
        (Some(_), None) => {
            let text = format!(
                "{whose}: what was served before the receiver answered again had not arrived at the end"
            );
            case.never_came("delivered", text)
        }
        (Some(back), Some(complete)) => {
            let after = complete.since(back);
            let text = format!(
                "{whose}: the backlog had arrived {} to {} s after the receiver answered again",
                after.low, after.high
            );
            evidence("delivered", Verdict::Pass, text)
        }
    }
}

/// Whether anything is missing for good.
fn ledger(books: &Books) -> Evidence {
    let strangers: usize = books.shards.values().map(|ledger| ledger.strangers.len()).sum();
    let (verdict, text) = if books.shards.is_empty() || books.served() == 0 {
        (
            Verdict::Inconclusive,
            "the numbers could not be read at both ends".to_owned(),
        )
    } else if strangers > 0 {
        (
            Verdict::Inconclusive,
            format!("{strangers} numbers arrived that the canary's log does not have"),
        )
    } else {
        let holes: usize = books.shards.values().map(|ledger| ledger.holes.len()).sum();
        let arrived: u64 = books.shards.values().map(|ledger: &Ledger| ledger.arrived).sum();
        let of = match books.way {
            Way::Metrics => format!("numbers in {} shards", books.shards.len()),
            Way::Logs => "lines".to_owned(),
        };
        let text = format!(
            "{arrived} of {} {of} arrived, {} are lost in {holes} holes, {} newer ones are under way",
            books.served(),
            books.lost(),
            books.under_way,
        );
        let verdict = if books.lost() == 0 {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        (verdict, text)
    };
    evidence("ledger", verdict, format!("{}: {text}", whose(books)))
}

fn whose(books: &Books) -> String {
    match books.way {
        Way::Metrics => books.cluster.to_string(),
        Way::Logs => format!("{} logs", books.cluster),
    }
}
