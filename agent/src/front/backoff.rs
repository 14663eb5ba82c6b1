//! Waits between tries: doubling from 100 ms to 2 s, so that an agent is back soon after its coordinator is, with full jitter
//! so that many agents do not come back at once.

use crate::clock;
use std::time::Duration;

const FIRST_MS: u64 = 100;
const LAST_MS: u64 = 2_000;

/// How long to wait next.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling_ms: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling_ms: FIRST_MS }
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.ceiling_ms = FIRST_MS;
    }

    /// A random wait of at most the ceiling, which doubles.
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = self.ceiling_ms;
        self.ceiling_ms = (ceiling * 2).min(LAST_MS);
        let random = clock::random().map_or(u64::MAX, u64::from_be_bytes);
        Duration::from_millis(FIRST_MS / 4 + random % ceiling)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let mut backoff = super::Backoff::new();
        let longest = (0..200).map(|_| backoff.next().as_millis()).max().expect("some");
        assert!((500..=2_025).contains(&longest), "{longest}");
        backoff.reset();
        assert!(backoff.next().as_millis() <= 125);
    }
}
