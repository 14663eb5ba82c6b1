//! Drills: failing a part on purpose and measuring what that does.
//!
//! [`measure`] is the arithmetic: windows, ledgers, intervals, from what was observed. [`report`] is the document that a
//! run ends with and its renderings. Neither knows how a fault is made or how an observation is had.

pub mod measure;
pub mod report;
