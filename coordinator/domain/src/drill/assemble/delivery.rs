//! What the canaries' books come to in the report: data complete, losses with their causes, figures.

use super::canary::{Books, Way};
use super::evidence;
use super::figures::figure;
use super::recovery::canary_subject;
use super::watch::{Watch, Window};
use crate::drill::measure::quantity::Quantity;
use crate::drill::report::model::{Loss, Measurement, Worse};
use crate::drill::report::parts::{Bounds, Recovery};

/// Adds to each recovery of metrics or logs when the backlog was complete.
pub(super) fn complete(recoveries: &mut [Recovery], books: &[Books], window: &Window) {
    for book in books {
        let subject = canary_subject(&book.cluster, book.way);
        for recovery in recoveries.iter_mut().filter(|r| r.subject == subject) {
            let since = match recovery.counted_from.as_str() {
                "fault" => window.fault,
                "revert" => window.undone,
                // Neither has a request that went unanswered.
                _ => None,
            };
            recovery.data_complete = book
                .complete
                .zip(since)
                .and_then(|(edge, since)| edge.counted_from(since));
        }
    }
}

/// Every hole of every canary.
pub(super) fn losses(books: &[Books], watches: &[Watch<'_>], window: &Window) -> Vec<Loss> {
    books
        .iter()
        .flat_map(|book| {
            book.losses(&match book.way {
                Way::Metrics => evidence::of_metrics(book, watches, window),
                Way::Logs => evidence::of_logs(&book.cluster, watches, window),
            })
        })
        .collect()
}

/// Figures of every canary whose numbers could be read at both ends.
pub(super) fn figures(books: &[Books], window: &Window) -> Vec<Measurement> {
    let mut all = Vec::new();
    for book in books.iter().filter(|book| !book.shards.is_empty()) {
        let cluster = book.cluster.as_str().replace('-', "_");
        let exact = |count| Bounds {
            low: Quantity::whole(count),
            high: Quantity::whole(count),
        };
        let (way, unit) = (book.way.word(), book.way.unit());
        let (served, lost) = match book.way {
            Way::Metrics => (
                "numbers that the canary served, over its shards, up to the newest that arrived",
                "numbers that the canary's log has and the receiver has not",
            ),
            Way::Logs => (
                "lines that the canary wrote, up to the newest that arrived",
                "lines that the canary's own log has and the log store has not",
            ),
        };
        let mut count = |what: &str, count, worse, method| {
            all.push(figure(
                format!("{way}.{cluster}.{what}"),
                unit,
                exact(count),
                worse,
                method,
            ));
        };
        count("served", book.served(), Worse::Neither, served);
        count("lost", book.lost(), Worse::Higher, lost);
        if book.way == Way::Logs {
            let method = "how often a line is in the log store once more: it was sent again because its answer was not seen";
            count("duplicated", book.duplicated(), Worse::Neither, method);
        }
        for (id, since) in [("rto", window.fault), ("recovery", window.undone)] {
            let complete = book.complete.zip(since);
            let Some(bounds) = complete.and_then(|(edge, since)| edge.counted_from(since)) else {
                continue;
            };
            let method = "until everything that was served before the receiver answered again had arrived";
            all.push(figure(
                format!("{id}.{cluster}_{way}.data_complete"),
                "seconds",
                bounds,
                Worse::Higher,
                method,
            ));
        }
    }
    all
}
