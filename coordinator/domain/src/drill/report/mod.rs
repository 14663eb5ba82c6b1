//! The document a drill ends with, and its renderings.

pub mod model;
pub mod parts;
pub mod verdict;
pub mod wal;
