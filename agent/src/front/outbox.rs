//! Which events go out next: a window over the journal, moved by acknowledgements and rewinds. Pure.

use crate::journal::Position;
use model::ids::Seq;
use model::planted::{self, Bug};

/// Most events under way.
const WINDOW: u64 = 256;
/// Most bytes of event bodies in one message; the coordinator takes 64 KiB.
pub const BATCH_BYTES: usize = 40 << 10;
/// Most events in one message.
pub const BATCH_EVENTS: usize = 64;

/// How far this session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    sent: Seq,
    acked: Seq,
}

/// What the coordinator's expectation means.
#[derive(Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Sending goes on from there.
    Fits,
    /// The numbers from `from` to `to` were acknowledged to somebody and are gone here.
    Gone {
        /// First.
        from: Seq,
        /// Last.
        to: Seq,
    },
    /// It has seen numbers that this journal never gave, or gave and lost.
    Ahead,
}

impl Outbox {
    /// Starts where the coordinator wants.
    pub fn expect(expected: Seq, position: Position) -> (Self, Expectation) {
        let before = |seq: Seq| Seq(seq.0.saturating_sub(1));
        let kept = before(position.first_unacked);
        let wanted = before(expected);
        if wanted > position.last {
            return (
                Self {
                    sent: position.last,
                    acked: position.last,
                },
                Expectation::Ahead,
            );
        }
        if wanted < kept {
            return (
                Self {
                    sent: kept,
                    acked: wanted,
                },
                Expectation::Gone {
                    from: wanted.next(),
                    to: kept,
                },
            );
        }
        (
            Self {
                sent: wanted,
                acked: wanted,
            },
            Expectation::Fits,
        )
    }

    /// The number to read from, when something may be sent.
    pub fn next(&self, last: Seq) -> Option<Seq> {
        let under_way = self.sent.0.saturating_sub(self.acked.0);
        (self.sent < last && under_way < WINDOW).then(|| self.sent.next())
    }

    /// Sent up to here.
    pub fn sent(&mut self, upto: Seq) {
        self.sent = self.sent.max(upto);
    }

    /// Durable there up to here.
    pub fn acked(&mut self, upto: Seq) {
        self.acked = self.acked.max(upto.min(self.sent));
    }

    /// The journal keeps nothing of what is left up to `last`: another session of ours had it acknowledged. Asking again would
    /// give nothing again. Should a number be missing all the same, the next event shows it to the coordinator.
    pub fn nothing_kept(&mut self, last: Seq, first_unacked: Seq) {
        self.sent(last);
        self.acked(Seq(first_unacked.0.saturating_sub(1)));
    }

    /// Numbers up to here are safe at the coordinator: the journal may forget them.
    pub fn forgettable(&self) -> Seq {
        if planted::is(Bug::OutboxDroppedEarly) {
            self.sent
        } else {
            self.acked
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::Incarnation;

    fn position(first_unacked: u64, last: u64) -> Position {
        Position {
            incarnation: Incarnation([0; 16]),
            first_unacked: Seq(first_unacked),
            last: Seq(last),
        }
    }

    #[test]
    fn every_expectation() {
        let ask = |expected, first, last| Outbox::expect(Seq(expected), position(first, last)).1;
        assert_eq!(ask(1, 1, 0), Expectation::Fits);
        assert_eq!(ask(4, 4, 9), Expectation::Fits);
        assert_eq!(ask(7, 4, 9), Expectation::Fits);
        assert_eq!(ask(10, 4, 9), Expectation::Fits);
        assert_eq!(ask(11, 4, 9), Expectation::Ahead);
        assert_eq!(
            ask(1, 4, 9),
            Expectation::Gone {
                from: Seq(1),
                to: Seq(3)
            }
        );
    }

    #[test]
    fn the_window_closes_and_acknowledgements_open_it() {
        let (mut outbox, _) = Outbox::expect(Seq(1), position(1, 1000));
        assert_eq!(outbox.next(Seq(1000)), Some(Seq(1)));
        outbox.sent(Seq(WINDOW));
        assert_eq!(outbox.next(Seq(1000)), None);
        outbox.acked(Seq(10));
        assert_eq!(outbox.next(Seq(1000)), Some(Seq(WINDOW + 1)));
        assert_eq!(outbox.next(Seq(WINDOW)), None, "nothing left to send");
        outbox.acked(Seq(9999));
        assert_eq!(
            outbox.next(Seq(1000)),
            Some(Seq(WINDOW + 1)),
            "an impossible acknowledgement is cut"
        );
    }

    #[test]
    fn what_the_journal_keeps_no_more_is_not_asked_for_again() {
        let (mut outbox, _) = Outbox::expect(Seq(1), position(1, 1000));
        outbox.nothing_kept(Seq(1000), Seq(1001));
        assert_eq!(outbox.next(Seq(1000)), None);
        assert_eq!(outbox.next(Seq(1001)), Some(Seq(1001)), "nothing is under way");
        assert_eq!(outbox.forgettable(), Seq(1000));

        let (mut outbox, _) = Outbox::expect(Seq(1), position(1, 9));
        outbox.nothing_kept(Seq(9), Seq(1));
        assert_eq!(
            (outbox.next(Seq(9)), outbox.forgettable()),
            (None, Seq(0)),
            "nobody acknowledged them"
        );
    }
}
