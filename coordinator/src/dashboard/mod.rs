//! The terminal dashboard of `status --watch` and offline data.
//!
//! ```text
//! feed (daemon or bundle) ─► Model      key ─► Ui
//!                              └──► view::draw ◄──┘      a pure function of both
//! ```

mod filter;
mod known;
mod sample;
mod terminal;
mod ui;
mod view;

pub use filter::Filter;
pub use known::{Latest, Model, NodeFile, Update};
pub use terminal::run;
pub use ui::{Action, Ui};
pub use view::draw;

#[cfg(test)]
mod tests;
