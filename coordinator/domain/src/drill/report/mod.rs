//! The document a drill ends with, and its renderings.

pub mod compare;
pub mod expected;
pub mod figure;
pub mod html;
pub mod json;
pub mod junit;
pub mod ledger;
pub mod markdown;
pub mod matrix;
pub mod model;
pub mod parts;
pub mod secret_canary;
pub mod series;
mod tables;
pub mod verdict;
pub mod wal;

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod sample;
