//! Chance that can be repeated: the seed is printed, and `DRILLYARD_SEED` sets it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A seeded source of moments and choices.
#[derive(Debug)]
pub struct Dice {
    /// Where the sequence began.
    pub seed: u64,
    rng: StdRng,
}

impl Dice {
    /// From `DRILLYARD_SEED`, else from the clock; says which on stderr.
    pub fn new() -> Self {
        let given = std::env::var("DRILLYARD_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = given.unwrap_or(u64::from(clock.subsec_nanos()) ^ clock.as_secs());
        eprintln!("seed {seed}; DRILLYARD_SEED={seed} repeats the choices");
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// A time between `shortest` and `longest`.
    pub fn moment(&mut self, shortest: Duration, longest: Duration) -> Duration {
        self.rng.random_range(shortest..=longest)
    }

    /// True `of` times in ten.
    pub fn tenths(&mut self, of: u32) -> bool {
        self.rng.random_ratio(of, 10)
    }

    /// One of `all`; None of nothing.
    pub fn one_of<T>(&mut self, mut all: Vec<T>) -> Option<T> {
        (!all.is_empty()).then(|| all.swap_remove(self.rng.random_range(0..all.len())))
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}
