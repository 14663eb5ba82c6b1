//! Whole runs of the drill engine against real HTTP servers on loopback: the outage is real, its length is known by the test.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests, in a binary that holds nothing but tests"
)]

mod runs;
mod world;
