//! What each twin is like: everything random comes from one seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One twin.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Seed of its own; printed with every failure.
    pub seed: u64,
    /// Seconds between truncations.
    pub period_s: u64,
    /// Milliseconds that it waits before it starts, less than a period.
    pub start_ms: u64,
    /// Milliseconds of running before the outage; this is the phase.
    pub warm_ms: u64,
    /// Milliseconds between scrapes.
    pub scrape_ms: u64,
    /// Samples in one request, and in the queue.
    pub per_send: u64,
    /// Bytes of filler per scrape.
    pub filler: u64,
    /// Whether the outage ends within one period of the deadline; anywhere otherwise.
    pub near: bool,
}

/// The `nth` twin of a run; every other ends near its deadline.
pub fn plan(run_seed: u64, nth: u64, period_s: u64) -> Plan {
    let seed = run_seed.wrapping_add(nth.wrapping_mul(0xA076_1D64_78BD_642F));
    let mut dice = StdRng::seed_from_u64(seed);
    // Volume costs megabytes per second at this scale; one in ten is enough.
    let loud = dice.random_ratio(1, 10);
    let tenths_of_segments: u64 = if loud { dice.random_range(11..30) } else { 0 };
    let per_period = super::prometheus::SEGMENT * tenths_of_segments / 10;
    // Many small records: a segment is cut when a record does not fit, and counts as full when no more than 3 % are missing.
    let scrape_ms = if loud { 100 } else { 1000 };
    Plan {
        seed,
        period_s,
        start_ms: dice.random_range(0..period_s * 1000),
        warm_ms: dice.random_range(period_s * 300..period_s * 2500),
        scrape_ms,
        per_send: 2000 / scrape_ms,
        filler: per_period * scrape_ms / (period_s * 1000),
        near: nth.is_multiple_of(2),
    }
}
