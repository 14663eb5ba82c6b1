//! How old a synced Secret is, and when it is fresh again after its provider came back.

use super::span::{Span, signed_seconds};
use crate::drill::report::parts::Bounds;
use model::moment::Moment;

/// `status.refreshTime` has whole seconds.
const ROUNDING: Span = Span::from_secs(1);
/// First pause after a failed reconcile of External Secrets Operator.
const FIRST_PAUSE: Span = Span::from_secs(1);
/// Longest pause; it doubles up to this.
const LONGEST_PAUSE: Span = Span::from_secs(7 * 60);

/// How old the value may be: now minus `status.refreshTime`, which is rounded down, on clocks that differ by `skew`.
pub fn age(now: Moment, refresh_time: Moment, skew: Span) -> Bounds {
    let seen = Span::between(refresh_time, now);
    Bounds {
        low: seen.minus(ROUNDING).minus(skew).seconds(),
        high: seen.plus(skew).seconds(),
    }
}

/// When the next refresh is due; None for an interval of zero, which means once.
pub fn due(refresh_time: Moment, interval: Span) -> Option<Moment> {
    (interval > Span::ZERO).then(|| interval.after(refresh_time))
}

/// Seconds by which a refresh is overdue; negative while it is not yet due.
pub fn overdue(now: Moment, due: Moment) -> super::quantity::Quantity {
    signed_seconds(due, now)
}

/// The pause that is under way `failing` after the first failure, at most: they double from one second to seven minutes.
pub fn pause(failing: Span) -> Span {
    let (mut pause, mut begins) = (FIRST_PAUSE, Span::ZERO);
    while begins.plus(pause) <= failing && pause < LONGEST_PAUSE {
        begins = begins.plus(pause);
        pause = pause.times(2).min(LONGEST_PAUSE);
    }
    pause
}

/// From the provider's return at `back` to the next refresh of a Secret, as interval and backoff give it.
///
/// The store is looked at again after its own pause, and refuses fetches until then; the Secret is tried again when it is
/// due or, if it failed already, after its own pause. Neither wakes the other, so the pauses may add up. `store_failing`
/// is since when the store is not ready; None when it never noticed.
pub fn convergence(refresh_due: Moment, store_failing: Option<Moment>, back: Moment) -> Bounds {
    let store = store_failing.map_or(Span::ZERO, |since| pause(Span::between(since, back)));
    let waits = Span::between(back, refresh_due);
    if waits > Span::ZERO {
        // Not due yet: it is fetched when due; if the store is not back by then, one failure and its pause come on top.
        let late = store.minus(waits);
        let retry = if late > Span::ZERO {
            pause(late)
        } else {
            Span::ZERO
        };
        return Bounds {
            low: waits.seconds(),
            high: waits.plus(late).plus(retry).seconds(),
        };
    }
    // A try of the Secret that the store still refuses is followed by a longer pause.
    let failing = Span::between(refresh_due, back).plus(store);
    Bounds {
        low: Span::ZERO.seconds(),
        high: store.plus(pause(failing)).seconds(),
    }
}

/// The highest age of a value that was refreshed at `refreshed`, of a provider that is away from `gone` to `back`: its age when it is
/// refreshed after that, as interval and backoff give it. `refreshed` is rounded down.
pub fn highest_age(refreshed: Moment, interval: Span, (gone, back): (Moment, Moment)) -> Bounds {
    let until = convergence(interval.after(refreshed), Some(gone), back);
    let at_return = Span::between(refreshed, back);
    Bounds {
        low: at_return.minus(ROUNDING).seconds().plus(until.low),
        high: at_return.seconds().plus(until.high),
    }
}

/// The same whenever an outage of this length begins: right after a refresh at best, and right before one is due at worst.
pub fn highest_age_of_any(interval: Span, outage: Span) -> Bounds {
    let gone = interval.after(Moment(0));
    let back = outage.after(gone);
    Bounds {
        low: highest_age(gone, interval, (gone, back)).low,
        high: highest_age(Moment(0), interval, (gone, back)).high,
    }
}

/// From the provider's return to the first refresh that was seen after it; `seen` are (when looked at, refreshTime).
///
/// The refresh lies within the second that `refreshTime` names, and before the look that found it.
pub fn converged(seen: &[(Moment, Moment)], back: Moment, skew: Span) -> Option<Bounds> {
    let fresh = |(_, refreshed): &&(Moment, Moment)| ROUNDING.plus(skew).after(*refreshed) > back;
    let (looked, refreshed) = seen.iter().find(fresh)?;
    let by = ROUNDING.plus(skew).after(*refreshed).min(*looked);
    Some(Bounds {
        low: Span::between(back, skew.before(*refreshed)).seconds(),
        high: Span::between(back, by).seconds(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::quantity::Quantity;

    fn at(secs: i64) -> Moment {
        Moment(secs * 1_000_000)
    }

    fn s(secs: u64) -> Span {
        Span::from_secs(secs)
    }

    fn b(low: u64, high: u64) -> Bounds {
        Bounds {
            low: Quantity::whole(low),
            high: Quantity::whole(high),
        }
    }

    #[test]
    fn the_age_has_the_rounding_and_the_skew_in_its_bounds() {
        assert_eq!(age(at(100), at(40), s(0)), b(59, 60));
        assert_eq!(age(at(100), at(40), s(2)), b(57, 62));
        assert_eq!(age(at(40), at(100), s(0)), b(0, 0));
        assert_eq!(due(at(10), s(0)), None);
        assert_eq!(overdue(at(20), at(50)), Quantity::from_millis(-30_000));
    }

    #[test]
    fn pauses_double_up_to_seven_minutes() {
        let table = [
            (0, 1),
            (1, 2),
            (2, 2),
            (3, 4),
            (7, 8),
            (254, 128),
            (255, 256),
            (511, 420),
            (100_000, 420),
        ];
        for (failing, expected) in table {
            assert_eq!(pause(s(failing)), s(expected), "{failing}");
        }
    }

    #[test]
    fn convergence_depends_on_when_the_refresh_is_due() {
        // Due long after the return, store fine by then.
        assert_eq!(convergence(at(1000), Some(at(90)), at(100)), b(900, 900));
        // Due 2 s after the return, store away for up to 8 s more: 6 s late, and the pause after one failure.
        assert_eq!(convergence(at(102), Some(at(93)), at(100)), b(2, 12));
        // Failing for long on both sides: seven minutes twice.
        assert_eq!(convergence(at(0), Some(at(0)), at(7200)), b(0, 840));
        // The store never noticed: only the Secret's own pause.
        assert_eq!(convergence(at(99), None, at(100)), b(0, 2));
    }

    #[test]
    fn a_value_is_as_old_as_its_interval_or_as_the_outage_and_what_follows_it() {
        // Refreshed an hour apart, 10 min ago: not due before the return at 90 s, so nobody's backoff matters.
        assert_eq!(highest_age(at(0), s(3600), (at(600), at(690))), b(3599, 3600));
        // Due 5 s into the outage of 90 s: the store may pause for 64 s more, and the Secret then for 128.
        assert_eq!(
            highest_age(at(0), s(15), (at(10), at(100))),
            b(99, 100 + 64 + 128)
        );
        assert_eq!(highest_age_of_any(s(3600), s(90)), b(3599, 3600 + 90 + 64 + 128));
        assert_eq!(highest_age_of_any(s(15), s(90)), b(89, 15 + 90 + 64 + 128));
    }

    #[test]
    fn the_measured_convergence_is_the_first_refresh_after_the_return() {
        let seen = [
            (at(90), at(50)),
            (at(101), at(50)),
            (at(131), at(130)),
            (at(140), at(130)),
        ];
        assert_eq!(converged(&seen, at(100), s(0)), Some(b(30, 31)));
        assert_eq!(converged(&seen[..2], at(100), s(0)), None);
    }

    proptest::proptest! {
        #[test]
        fn whenever_an_outage_begins_the_age_is_within_what_is_said_of_any(
            interval in 1_u64..8000, outage in 1_u64..8000, share in 0_u64..=100,
        ) {
            let gone = i64::try_from(interval * share / 100).expect("small");
            let back = gone + i64::try_from(outage).expect("small");
            let one = highest_age(at(0), s(interval), (at(gone), at(back)));
            let any = highest_age_of_any(s(interval), s(outage));
            proptest::prop_assert!(any.low <= one.low && one.high <= any.high, "{one:?} {any:?}");
        }

        #[test]
        fn a_pause_never_ends_before_the_failure_does(failing in 0_u64..100_000) {
            let pause = pause(s(failing));
            proptest::prop_assert!(pause >= FIRST_PAUSE && pause <= LONGEST_PAUSE);
            // Doubling: what is waited now is at most one second more than all that was waited before.
            proptest::prop_assert!(pause <= s(failing + 1));
        }
    }
}
