//! Tests of the domain: tables, golden plan, properties, and an exhaustive search over a small world with faults.
#![allow(clippy::allow_attributes, reason = "one test binary, shared helpers")]

mod explore;
mod fixtures;
mod world;
