//! The support bundle: one redacted archive of what is known of a lab, made with or without its daemon and shown offline.
//!
//! `gather` collects named files, `scrub` takes every secret of the home out of them, `archive` writes and reads them as
//! one tar.gz with a manifest. Reading trusts nothing: sizes are bounded, names are flat, each digest is compared.

mod archive;
mod gather;
mod host;
mod scrub;

pub use archive::{ArchiveError, Contents, FORMAT, FileEntry, Files, Manifest, read, write};
pub use gather::{Gathered, from_daemon, from_log, log_name};
pub use scrub::Scrubber;

#[cfg(test)]
mod tests;
