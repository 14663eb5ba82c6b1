//! Tests of the domain: tables, golden plan, properties, and an exhaustive search over a small world with faults.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests, in a binary that holds nothing but tests"
)]

mod again;
mod diagnosis;
mod drift;
mod drill_backlog;
mod drill_dependencies;
mod drill_foresight;
mod drill_ledgers;
mod drill_logs;
mod drill_platform;
mod drill_runs;
mod drill_scenarios;
mod drill_verdicts;
mod explore;
mod fixtures;
mod gates;
mod histories;
mod plans;
mod properties;
mod recovery;
mod sim;
mod steps;
mod streams;
mod world;
