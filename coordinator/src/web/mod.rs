//! The web view: a read-only page of the lab, on loopback, behind an address that only the operator knows.
//!
//! ```text
//! journal ─► Subscription ─► stream (server-sent events) ─┐
//! status, drill reports ─► documents ─────────────────────┼─► answer (headers) ─► browser
//! page/ (embedded) ─► assets ─────────────────────────────┘
//! ```
//!
//! Nothing here can change anything: `GET` and `HEAD` are the only methods, and no handler holds the engine. What comes
//! from events is sent as JSON and shown as text; the page's content security policy makes anything else impossible.

mod access;
mod answer;
mod assets;
mod cursor;
mod documents;
mod note;
mod server;
mod stream;

pub use documents::{Sources, StatusSource};
pub use note::Note;
pub use server::{Opened, open};

#[cfg(test)]
mod tests;
