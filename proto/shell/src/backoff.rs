//! Waiting longer after each failure, with full jitter, so that a thousand peers do not return at the same instant.

use rand::Rng;
use std::time::Duration;

/// Exponential back-off with full jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    ceiling: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts with waits of up to `first`, doubling up to `ceiling`.
    pub fn new(first: Duration, ceiling: Duration) -> Self {
        Self {
            first,
            ceiling: ceiling.max(first),
            failures: 0,
        }
    }

    /// How long to wait after one more failure: between a tenth of the current bound and the bound.
    pub fn next_wait(&mut self, rng: &mut impl Rng) -> Duration {
        let bound = self
            .first
            .saturating_mul(1 << self.failures.min(20))
            .min(self.ceiling);
        self.failures = self.failures.saturating_add(1);
        rng.random_range(bound / 10..=bound)
    }

    /// Failures since the last [`Self::reset`].
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Call after success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn grows_to_the_ceiling_stays_within_bounds_and_resets() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        for round in 0..40 {
            let bound = Duration::from_millis(100 << round.min(10)).min(Duration::from_secs(2));
            let wait = backoff.next_wait(&mut rng);
            assert!(wait <= bound && wait >= bound / 10, "round {round}: {wait:?}");
        }
        assert_eq!(backoff.failures(), 40);
        backoff.reset();
        assert!(backoff.next_wait(&mut rng) <= Duration::from_millis(100));
    }
}
