//! How far this node's clock is off from the coordinator's: of the latest exchanges the one that took the shortest way.
//! Pure.

use model::moment::{ClockOffset, Moment};
use std::collections::VecDeque;

/// Exchanges that count. At one each four seconds that is half a minute, in which clocks drift by less than a bound.
const KEPT: usize = 8;

/// The latest exchanges of one session.
#[derive(Debug, Default)]
pub(super) struct Offset(VecDeque<ClockOffset>);

impl Offset {
    /// Takes one exchange: asked and returned by this node's clock, taken and answered by the coordinator's.
    pub(super) fn heard(&mut self, asked: Moment, taken: Moment, answered: Moment, returned: Moment) {
        let Some(found) = ClockOffset::measured(asked, taken, answered, returned) else {
            return;
        };
        // A clock that was set meanwhile makes the older ones wrong: two that exclude each other cannot both hold.
        let excludes = |old: &ClockOffset| {
            old.offset_micros.abs_diff(found.offset_micros)
                > old
                    .bound_micros
                    .saturating_add(found.bound_micros)
                    .saturating_add(DRIFT_MICROS)
        };
        if self.0.iter().any(excludes) {
            self.0.clear();
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(found);
    }

    /// The surest of them.
    pub(super) fn best(&self) -> Option<ClockOffset> {
        self.0.iter().min_by_key(|offset| offset.bound_micros).copied()
    }
}

/// What two good clocks may move against each other while the exchanges are kept: 100 ppm of half a minute.
const DRIFT_MICROS: u64 = 3_200;

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(offset: &mut Offset, ahead: i64, there: i64, back: i64) {
        let taken = 1_000_000;
        let (asked, returned) = (taken - there + ahead, taken + back + ahead);
        offset.heard(Moment(asked), Moment(taken), Moment(taken), Moment(returned));
    }

    #[test]
    fn the_shortest_way_counts_and_old_ones_are_forgotten() {
        let mut offset = Offset::default();
        assert_eq!(offset.best(), None);
        exchange(&mut offset, 500, 40, 60);
        for _ in 0..KEPT - 1 {
            exchange(&mut offset, 500, 4_000, 100);
        }
        assert_eq!(offset.best().expect("measured").bound_micros, 51);
        exchange(&mut offset, 500, 4_000, 100);
        assert_eq!(
            offset.best().expect("measured").bound_micros,
            2051,
            "the first one is too old"
        );
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_at_once() {
        let mut offset = Offset::default();
        exchange(&mut offset, 0, 30, 30);
        exchange(&mut offset, 9_000_000, 900, 900);
        let best = offset.best().expect("measured");
        assert!(
            best.offset_micros.abs_diff(9_000_000) <= best.bound_micros,
            "{best:?}"
        );
    }
}
