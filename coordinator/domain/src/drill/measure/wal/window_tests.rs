//! The published table of windows, and that the window bounds every single deadline.

use super::window;
use crate::drill::measure::span::Span;
use crate::drill::measure::wal::deadline::{Reader, deadline};
use crate::drill::measure::wal::timeline::{Live, Pace, Timeline};
use model::moment::Moment;

const PERIOD: Span = Span::from_secs(7200);
const SEGMENT: u64 = 128 << 20;

/// A pace that cuts `milli` / 1000 segments per period by volume.
fn volume(milli: u64) -> Pace {
    let rate = u128::from(SEGMENT) * u128::from(milli) / 1000 / 7200;
    Pace::new(PERIOD, SEGMENT, u64::try_from(rate).expect("small")).expect("a pace")
}

/// In hundredths of the period.
fn hundredths(span: Span) -> u64 {
    (span.micros() * 100 + PERIOD.micros() / 2) / PERIOD.micros()
}

/// Thousandths of a size-driven cut per period, then worst, mean and best window in hundredths of the period.
#[test]
fn windows_by_segments_per_period() {
    let table = [
        (0, 300, 400, 500),
        (500, 300, 400, 500),
        (990, 300, 400, 500),
        (1050, 105, 155, 205),
        (1500, 133, 183, 233),
        (2000, 150, 200, 250),
        (3000, 133, 183, 233),
        (4000, 100, 150, 200),
        (6000, 83, 133, 183),
        (10_000, 70, 120, 170),
        (50_000, 54, 104, 154),
        (200_000, 51, 101, 151),
    ];
    for row in table {
        let w = window(volume(row.0)).expect("a window");
        let found = (
            row.0,
            hundredths(w.guaranteed),
            hundredths(w.expected),
            hundredths(w.best),
        );
        assert_eq!(found, row);
    }
}

proptest::proptest! {
    #[test]
    fn no_outage_of_a_steady_log_dies_outside_its_window(
        milli in 0_u64..30_000, skip in 60_usize..200, older in 0_u64..200, into in 0_u64..1_000_000,
    ) {
        let pace = volume(milli);
        let live = Live {
            at: Moment(0),
            first: super::Segment(0),
            current: super::Segment(older),
            filled: 0,
            next_tick: PERIOD.after(Moment(0)),
        };
        let mut timeline = Timeline::new(pace, live);
        let begin = timeline.by_ref().nth(skip * 31).expect("endless").at;
        let held = timeline.live();
        let end = timeline.next().expect("endless").at;
        let length = u128::from(Span::between(begin, end).micros()) * u128::from(into) / 1_000_000;
        let stop = Span::from_micros(u64::try_from(length).expect("short")).after(begin);
        let dies = deadline(pace, held, Reader::Held(held.current)).expect("dies").tick;
        let lives = Span::between(stop, dies);
        let w = window(pace).expect("a window");
        let rounding = Span::from_millis(1);
        proptest::prop_assert!(w.guaranteed <= lives.plus(rounding) && lives <= w.best.plus(rounding));
        proptest::prop_assert!(w.guaranteed <= w.expected && w.expected <= w.best);
    }
}
