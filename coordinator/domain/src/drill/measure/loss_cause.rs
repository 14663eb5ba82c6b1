//! Why samples or lines are missing, told from what else was seen.

use super::ledger::Hole;
use super::span::Span;
use crate::drill::report::model::LossCause;
use model::moment::Moment;

/// How long after the end of a hole its cause may still lie: the watcher's pause of 5 s, its restart and one scrape.
const AFTERMATH: Span = Span::from_secs(15);

/// Everything that was seen and may explain a hole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Ticks at which the next unread segment of the sender's log was deleted.
    pub deaths: Vec<Moment>,
    /// Starts of the sender's process.
    pub sender_starts: Vec<Moment>,
    /// Times without a scrape or without an emitter: from, to.
    pub not_scraped: Vec<(Moment, Moment)>,
    /// From when to when a number was emitted that the receiver may have taken and forgotten: it went away right after.
    pub receiver_forgot: Option<(Moment, Moment)>,
    /// Samples that the receiver refused as out of bounds or too old.
    pub out_of_bounds: u64,
    /// Samples that the sender threw away on another final answer (`samples_failed_total`).
    pub rejected: u64,
    /// Lines that the log shipper gave up.
    pub shipper_gave_up: u64,
}

/// The cause of one hole. The surest sign goes first: a restart leaves a hole up to itself, a cliff one around its tick,
/// and counts explain a hole only when they are large enough for it.
pub fn classify(hole: &Hole, evidence: &Evidence) -> LossCause {
    let (from, to) = (hole.first.at, AFTERMATH.after(hole.last.at));
    let within = |moment: &Moment| (from..=to).contains(moment);
    if evidence
        .not_scraped
        .iter()
        .any(|(since, until)| *since <= from && hole.last.at <= *until)
    {
        LossCause::NotScraped
    } else if evidence.sender_starts.iter().any(within) {
        LossCause::Restart
    } else if evidence.deaths.iter().any(within) {
        LossCause::Cliff
    } else if evidence
        .receiver_forgot
        .is_some_and(|(since, until)| since <= from && hole.last.at <= until)
    {
        LossCause::ReceiverForgot
    } else if evidence.out_of_bounds >= hole.lost {
        LossCause::OutOfBounds
    } else if evidence.rejected >= hole.lost {
        LossCause::Rejected
    } else if evidence.shipper_gave_up >= hole.lost {
        LossCause::ShipperGaveUp
    } else {
        LossCause::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::ledger::Emitted;

    fn at(secs: i64) -> Moment {
        Moment(secs * 1_000_000)
    }

    #[test]
    fn the_surest_sign_decides() {
        let emitted = |number, secs| Emitted { number, at: at(secs) };
        let hole = Hole {
            first: emitted(100, 100),
            last: emitted(140, 140),
            lost: 41,
        };
        let none = Evidence::default();
        let died = |secs| Evidence {
            deaths: vec![at(secs)],
            ..none.clone()
        };
        let started = |secs| Evidence {
            sender_starts: vec![at(secs)],
            ..died(130)
        };
        let table = [
            (none.clone(), LossCause::Unknown),
            (died(130), LossCause::Cliff),
            (died(99), LossCause::Unknown),
            (died(156), LossCause::Unknown),
            (started(120), LossCause::Restart),
            (started(90), LossCause::Cliff),
            (
                Evidence {
                    out_of_bounds: 41,
                    rejected: 41,
                    ..none.clone()
                },
                LossCause::OutOfBounds,
            ),
            (
                Evidence {
                    out_of_bounds: 40,
                    rejected: 41,
                    ..none.clone()
                },
                LossCause::Rejected,
            ),
            (
                Evidence {
                    shipper_gave_up: 50,
                    ..none.clone()
                },
                LossCause::ShipperGaveUp,
            ),
            (
                Evidence {
                    receiver_forgot: Some((at(100), at(140))),
                    shipper_gave_up: 50,
                    ..none.clone()
                },
                LossCause::ReceiverForgot,
            ),
            (
                Evidence {
                    receiver_forgot: Some((at(101), at(140))),
                    ..none.clone()
                },
                LossCause::Unknown,
            ),
            (
                Evidence {
                    not_scraped: vec![(at(99), at(141))],
                    ..started(120)
                },
                LossCause::NotScraped,
            ),
            (
                Evidence {
                    not_scraped: vec![(at(101), at(141))],
                    ..none.clone()
                },
                LossCause::Unknown,
            ),
        ];
        for (evidence, cause) in table {
            assert_eq!(classify(&hole, &evidence), cause, "{evidence:?}");
        }
    }
}
