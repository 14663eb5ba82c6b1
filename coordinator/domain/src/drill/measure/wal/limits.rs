//! What else ends a backlog: a full disk, a receiver that takes nothing so old. And when to give up before harm is done.

use super::timeline::Pace;
use crate::drill::measure::span::Span;
use model::moment::Moment;

/// How far back a Prometheus head takes samples without an out-of-order window: half of its two-hour block.
pub const HEAD_HALF: Span = Span::from_secs(3600);

/// What ends the backlog first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Governor {
    /// The deletion of the next unread segment.
    CountRule,
    /// A full disk; it stops new samples, not old ones.
    Disk,
    /// The receiver refuses what is older.
    Receiver,
}

impl Governor {
    /// As in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CountRule => "count_rule",
            Self::Disk => "disk",
            Self::Receiver => "receiver",
        }
    }
}

/// Bytes that the log needs at its peak in an outage of this length.
///
/// One and a half periods of segments are on disk anyway. At a tick the old and the new checkpoint exist side by side, and
/// both hold what could not be sent, up to the agent's `retention.max-time`.
pub fn peak_need(pace: Pace, outage: Span, max_time: Span) -> u128 {
    let halves = u128::from(pace.period().micros()) * 3 + u128::from(outage.min(max_time).micros()) * 4;
    halves * u128::from(pace.bytes_per_second()) / 2_000_000
}

/// The longest outage whose peak fits into `available` bytes: what is free and what the log has already. None: any.
pub fn disk_window(pace: Pace, available: u64, max_time: Span) -> Option<Span> {
    if peak_need(pace, max_time, max_time) <= u128::from(available) {
        return None;
    }
    let halves = (u128::from(available) * 2_000_000).checked_div(u128::from(pace.bytes_per_second()))?;
    let micros = halves.saturating_sub(u128::from(pace.period().micros()) * 3) / 4;
    Some(Span::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
}

/// How far back the receiver takes samples; None: any age.
///
/// The bound moves with the newest sample of the whole tenant, so a sender that is alone in its tenant has none: it
/// delivers in order. With one other sender that is up to date, the bound is the out-of-order window, or half a block
/// without one.
pub fn receiver_window(out_of_order: Span, other_sender_is_fresh: bool) -> Option<Span> {
    other_sender_is_fresh.then_some(if out_of_order > Span::ZERO {
        out_of_order
    } else {
        HEAD_HALF
    })
}

/// Time left until first harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Until then.
    pub left: Span,
    /// What happens then.
    pub governed_by: Governor,
}

/// The shortest of the three, seen at `now` in an outage that began at `began`.
pub fn forecast(
    now: Moment,
    began: Moment,
    deadline: Moment,
    disk: Option<Span>,
    receiver: Option<Span>,
) -> Forecast {
    let elapsed = Span::between(began, now);
    let limits = [
        (Some(Span::between(now, deadline)), Governor::CountRule),
        (disk.map(|d| d.minus(elapsed)), Governor::Disk),
        (receiver.map(|r| r.minus(elapsed)), Governor::Receiver),
    ];
    let known = limits
        .into_iter()
        .filter_map(|(left, governed_by)| left.map(|left| Forecast { left, governed_by }));
    known.min_by_key(|f| f.left).unwrap_or(Forecast {
        left: Span::ZERO,
        governed_by: Governor::CountRule,
    })
}

/// Whether the outage must be ended now, since undoing it takes `undo` and `margin` is to be kept on top.
pub fn must_abort(left: Span, undo: Span, margin: Span) -> bool {
    left < undo.plus(margin)
}

/// How long catching up takes after an outage: what came in meanwhile and comes in during it, at what is left of the
/// capacity. None when the capacity is not above the intake.
pub fn catch_up(outage: Span, samples_per_second: u64, capacity_per_second: u64) -> Option<Span> {
    let spare = capacity_per_second
        .checked_sub(samples_per_second)
        .filter(|s| *s > 0)?;
    let micros = u128::from(outage.micros()) * u128::from(samples_per_second) / u128::from(spare);
    u64::try_from(micros).ok().map(Span::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::from_secs(3600);

    fn pace(bytes_per_second: u64) -> Pace {
        Pace::new(HOUR.times(2), 128 << 20, bytes_per_second).expect("a pace")
    }

    #[test]
    fn the_disk_needs_room_for_two_checkpoints_beside_the_log() {
        // 10,000 samples of 8 bytes per second: 1.5 * 2 h + 2 * 3 h of it.
        assert_eq!(
            peak_need(pace(80_000), HOUR.times(3), HOUR.times(4)),
            80_000 * 3600 * 9
        );
        // Beyond max-time the checkpoints grow no more.
        assert_eq!(
            peak_need(pace(80_000), HOUR.times(9), HOUR.times(4)),
            80_000 * 3600 * 11
        );
    }

    #[test]
    fn the_disk_window_is_the_outage_whose_peak_just_fits() {
        let window = |available| disk_window(pace(80_000), available, HOUR.times(4));
        assert_eq!(window(80_000 * 3600 * 9), Some(HOUR.times(3)));
        assert_eq!(window(80_000 * 3600 * 11), None);
        assert_eq!(window(1), Some(Span::ZERO));
        assert_eq!(disk_window(pace(0), 0, HOUR), None);
    }

    #[test]
    fn the_first_harm_governs() {
        let at = |hours: u64| HOUR.times(hours).after(Moment(0));
        let f = |disk, receiver| forecast(at(1), at(0), at(6), disk, receiver);
        assert_eq!(f(None, None).left, HOUR.times(5));
        assert_eq!(f(Some(HOUR.times(3)), None).governed_by, Governor::Disk);
        let tight = f(Some(HOUR.times(3)), receiver_window(Span::ZERO, true));
        assert_eq!(
            tight,
            Forecast {
                left: Span::ZERO,
                governed_by: Governor::Receiver
            }
        );
        assert_eq!(receiver_window(Span::ZERO, false), None);
        assert_eq!(receiver_window(HOUR.times(6), true), Some(HOUR.times(6)));
    }

    #[test]
    fn the_abort_leaves_time_to_undo() {
        let s = Span::from_secs;
        assert!(must_abort(s(39), s(30), s(10)));
        assert!(!must_abort(s(40), s(30), s(10)));
    }

    #[test]
    fn catching_up_at_four_times_the_intake_takes_a_third_of_the_outage() {
        assert_eq!(catch_up(HOUR.times(3), 100, 400), Some(HOUR));
        assert_eq!(catch_up(HOUR, 100, 100), None);
    }

    proptest::proptest! {
        #[test]
        fn peak_and_window_are_inverse(rate in 1_u64..10_000_000, available in 0_u64..1 << 50) {
            let Ok(pace) = Pace::new(HOUR.times(2), 128 << 20, rate) else { return Ok(()) };
            if let Some(window) = disk_window(pace, available, HOUR.times(4)) {
                let least = peak_need(pace, Span::ZERO, HOUR.times(4));
                proptest::prop_assert!(peak_need(pace, window, HOUR.times(4)) <= u128::from(available).max(least));
            }
        }
    }
}
